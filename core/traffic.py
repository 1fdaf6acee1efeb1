"""Live traffic: requests in windows, compared with the rows that the champion learned from. Pure.

What is asked is read by the rules by which serving reads it, and compared by `core.drift` under the
same limits as a batch. There is no target in a request, so none is compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Any

import numpy as np

from core.contract import Contract, describe, read_row
from core.dataset import Dataset
from core.drift import compare
from core.errors import BadRow
from core.noise import annotate
from core.profile import Profiler
from core.records import ColumnProfile, DriftReport, Finding

Profiles = tuple[ColumnProfile, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was recorded; `inputs` is None where the record is no object."""

    id: str
    at: datetime
    inputs: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Window:
    """Requests that followed each other, in the order of time and id, up to `last_id`.

    `version` is whose training rows they were compared with: the one that was live when the window
    was cut. `rows` counts every request, `unreadable` those of them that this version would refuse;
    they are in no figure.
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
        """Whether any statistic is above its limit."""
        return self.report.retrain

    @property
    def could_be_noise(self) -> bool:
        """Whether each of its breaches lies within what drawing alone can do."""
        broken = [c for c in self.report.changes if c.finding is Finding.BREACH]
        return bool(broken) and all(c.could_be_noise for c in broken)


def cut(
    requests: Sequence[Request], version: int, reference: Profiles, dataset: Dataset
) -> tuple[Window, Profiles]:
    """Make a window of these requests, at least one; also the profiles that it was judged by.

    `reference` profiles the rows that the version was trained on, and says which columns it takes;
    `dataset` has the limits in force.
    """
    learned = {p.column for p in reference}
    features = tuple(c for c in dataset.features if c.name in learned)
    contract = describe(replace(dataset, columns=(*features, dataset.target)), reference)
    taken = replace(dataset, columns=features)
    rows = _readable(requests, contract, learned - set(dataset.names))
    current = _profiles(rows, taken)
    report = _surest_first(annotate(compare(reference, current, taken), reference, current))
    if not rows:
        said = f"Version {version} would refuse every request, so there is nothing to compare."
        report = replace(report, reasons=(said,))
    first, last = requests[0], requests[-1]
    unreadable = len(requests) - len(rows)
    window = Window(version, first.at, last.at, last.id, len(requests), unreadable, report)
    return window, current


def _surest_first(report: DriftReport) -> DriftReport:
    """Breaches that could be noise come last: a window is small, and its first reason is told."""
    noise = {c.name for c in report.changes if c.could_be_noise}
    reasons = sorted(report.reasons, key=lambda reason: reason.split(" ", 1)[0] in noise)
    return replace(report, reasons=tuple(reasons))


def _readable(
    requests: Sequence[Request], contract: Contract, forgotten: set[str]
) -> list[dict[str, float | str]]:
    """The requests that the version would answer, read as it reads them.

    What it learned from though the dataset file has it no more is passed over: of such columns
    nothing is known but that serving takes them.
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
    profiler = Profiler(taken)
    for column in taken.columns:
        values = [row[column.name] for row in rows]
        if column.is_text:
            profiler.add(column.name, [str(v) or None for v in values])
        else:
            profiler.add(column.name, np.array(values, dtype=np.float64))
    with np.errstate(over="ignore", invalid="ignore"):
        return tuple(_storable(p) for p in profiler.finish())


def _storable(profile: ColumnProfile) -> ColumnProfile:
    """A profile without figures beyond every float: anybody may ask about 1e308 square feet."""
    return replace(
        profile,
        mean=_finite(profile.mean),
        std=_finite(profile.std),
        q50=_finite(profile.q50),
        q75=_finite(profile.q75),
        grid=profile.grid if np.isfinite(profile.grid).all() else (),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def alarms(window: Window, earlier: Iterable[Window]) -> bool:
    """Whether a window is told of, given the ones before it, the newest first.

    It is when it broke a limit, unless the one before it had broken one, too, against the same
    version's rows: as long as that goes on, once is enough. Only where all that went before could
    be noise and this one could not, it is told of once more: a column with a long tail is above
    its limit most of the time, and must not hide what comes after it.
    """
    streak = list(takewhile(lambda w: w.drifted and w.version == window.version, earlier))
    surer = not window.could_be_noise and all(w.could_be_noise for w in streak)
    return window.drifted and (not streak or surer)


def alarm(window: Window) -> str:
    """What to tell of a window that broke a limit."""
    noise = " It could be noise." if window.could_be_noise else ""
    return (
        f"Live traffic has drifted from the rows that version {window.version} was trained on: "
        f"{window.report.reasons[0]}{noise}"
    )
