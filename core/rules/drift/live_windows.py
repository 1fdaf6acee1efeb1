"""Live traffic: windows of requests, compared with the rows that the champion was trained on. Pure.

Requests are validated as serving validates them, and compared by `core.rules.drift.report` with
the limits of batches. A request has no target, so the target is not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Any

from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Finding, Reason, breach_reasons
from core.domain.errors import BadRow
from core.domain.profiles import ColumnProfile
from core.rules.model.contract import Contract, describe, read_row

Profiles = tuple[ColumnProfile, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A recorded request; `inputs` is None if the record is no JSON object."""

    id: str
    at: datetime
    inputs: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive requests in the order of time and id, up to `last_id`.

    `version` was live when the window was made; its training rows are the reference. `rows` counts
    every request, `unreadable` those that this version would refuse, which are in no statistic.
    """

    version: int
    started_at: datetime
    ended_at: datetime
    last_id: str
    rows: int
    unreadable: int
    report: DriftReport
    id: int = 0
    created_at: datetime | None = None

    @property
    def drifted(self) -> bool:
        """Whether a statistic is above its limit, or a measure above its limit and noise band."""
        return bool(self.breaches)

    @property
    def breaches(self) -> tuple[Reason, ...]:
        """The breaches, the most certain first."""
        return breach_reasons(self.report)

    @property
    def could_be_noise(self) -> bool:
        """Whether each of its breaches is within the noise band."""
        if self.report.measure_reasons:
            return False
        breaches = [c for c in self.report.changes if c.finding is Finding.BREACH]
        return bool(breaches) and all(c.could_be_noise for c in breaches)


def cut(
    requests: Sequence[Request], version: int, reference: Profiles, dataset: Dataset
) -> tuple[Window, Profiles]:
    """The window of these requests, at least one, and the profiles of its columns.

    `reference` has the profiles of the version's training rows, and so its columns; `dataset` has
    the limits in force.
    """
    from core.rules.drift.report import drift_report  # noqa: PLC0415 - not for reading windows

    learned = {p.column for p in reference}
    features = tuple(c for c in dataset.features if c.name in learned)
    contract = describe(replace(dataset, columns=(*features, dataset.target)), reference)
    taken = replace(dataset, columns=features)
    rows = _readable(requests, contract, learned - set(dataset.names))
    current = _profiles(rows, taken)
    report = drift_report(reference, current, taken)
    if not rows:
        reason = f"Version {version} would refuse every request, so there is nothing to compare."
        report = replace(report, reasons=(Reason(reason),))
    first, last = requests[0], requests[-1]
    unreadable = len(requests) - len(rows)
    window = Window(version, first.at, last.at, last.id, len(requests), unreadable, report)
    return window, current


def _readable(
    requests: Sequence[Request], contract: Contract, forgotten: set[str]
) -> list[dict[str, float | str]]:
    """The requests that the version would answer, validated.

    Columns that the version was trained on, but that are no longer in the dataset file, are
    ignored: the only thing known about them is that serving accepts them.
    """
    rows = []
    for request in requests:
        if not isinstance(request.inputs, Mapping):
            continue
        try:
            known = {name: v for name, v in request.inputs.items() if name not in forgotten}
            rows.append(read_row(contract, known))
        except BadRow:
            continue
    return rows


def _profiles(rows: Sequence[Mapping[str, float | str]], taken: Dataset) -> Profiles:
    import numpy as np  # noqa: PLC0415

    from core.rules.data.profile import Profiler  # noqa: PLC0415

    profiler = Profiler(taken)
    for column in taken.columns:
        values = [row[column.name] for row in rows]
        if column.is_text:
            profiler.add(column.name, [str(v) or None for v in values])
        else:
            profiler.add(column.name, np.array(values, dtype=np.float64))
    with np.errstate(over="ignore", invalid="ignore"):
        return tuple(p.finite() for p in profiler.finish())


def alarms(window: Window, earlier: Iterable[Window]) -> bool:
    """Whether a window is notified of, given the ones before it, newest first.

    The first window of a streak of drifted windows of one version is. A later one is only if all
    before it in the streak could be noise and it could not: a column with a long tail is above its
    limit most of the time, and must not hide real drift.
    """
    streak = list(takewhile(lambda w: w.drifted and w.version == window.version, earlier))
    surer = not window.could_be_noise and all(w.could_be_noise for w in streak)
    return window.drifted and (not streak or surer)


def alarm(window: Window) -> str:
    """The notification about a drifted window."""
    first = window.breaches[0]
    noise = "It could be noise." if window.could_be_noise else ""
    return (
        f"Live traffic has drifted from the rows that version {window.version} was trained on: "
        f"{first.text} {first.far or noise}"
    ).rstrip()
