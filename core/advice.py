"""Does it matter? Drift, the champion's error and its columns' importance to one recommendation.

Pure. Block what looks broken; retrain where real drift meets a column that the champion leans on,
or where its error has risen; ignore the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import sqrt
from typing import Any

from core.dataset import Dataset
from core.records import DriftReport, Finding, StatChange, figure

ROSE = 0.10
"""The relative rise of the error from which on it may be called one."""

SURE = 2.0
"""How many standard errors a rise must have to be more than chance."""

FEWEST_SCORED = 20
"""Fewer held-out rows than this say nothing about an error."""

MATTERS = 0.01
"""A column matters when shuffling it makes the champion's error at least this much larger."""

_MOST = 10.0
"""Drift counts up to ten times its limit: beyond that, more is not worse."""


class Recommendation(StrEnum):
    """What to do about a batch."""

    IGNORE = "ignore"
    RETRAIN = "retrain"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class BatchScore:
    """How one version does on one batch's held-out rows, which no version has seen.

    `spread` is the standard deviation of the absolute error, in the target's unit. `note` says
    why there are no metrics, where there are none.
    """

    batch_id: int
    version: int
    rows: int
    metrics: dict[str, float]
    spread: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class ErrorChange:
    """A version's mean absolute error on this batch beside that on earlier ones.

    `before` is None where there is no earlier batch to compare with.
    """

    version: int
    rows: int
    now: float
    before: float | None
    earlier_batches: int
    earlier_rows: int
    rose: bool

    @property
    def change(self) -> float | None:
        """The relative change of the error."""
        return (self.now - self.before) / self.before if self.before else None


@dataclass(frozen=True, slots=True)
class ColumnWeight:
    """A column by how much it drifted and how much the champion leans on it.

    `drift` is the largest ratio / limit that could not be noise, at most 10; `importance` is the
    relative rise of the error when the column is shuffled, None where it is not known. `weight` is
    their product, or the drift alone.
    """

    column: str
    label: str
    drift: float
    importance: float | None
    is_target: bool
    weight: float

    @property
    def matters(self) -> bool:
        """Whether it is real drift in what the champion leans on, or predicts."""
        known = self.importance is not None and not self.is_target
        return self.drift > 1 and (not known or (self.importance or 0.0) >= MATTERS)


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation, why, and what it rests on."""

    recommendation: Recommendation
    reasons: tuple[str, ...]
    error: ErrorChange | None
    error_note: str
    columns: tuple[ColumnWeight, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the store and for programs."""
        return asdict(self) | {
            "recommendation": self.recommendation.value,
            "reasons": list(self.reasons),
            "columns": [asdict(c) for c in self.columns],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Advice:
        """What `to_json` made, again."""
        error = document["error"]
        return cls(
            Recommendation(document["recommendation"]),
            tuple(document["reasons"]),
            ErrorChange(**error) if error else None,
            document["error_note"],
            tuple(ColumnWeight(**c) for c in document["columns"]),
        )


def error_change(now: BatchScore, earlier: Sequence[BatchScore]) -> ErrorChange | None:
    """The error now beside the earlier ones', each batch by its rows; None without a score now.

    It rose when it is `ROSE` larger and the difference is `SURE` standard errors of both.
    """
    if "mae" not in now.metrics:
        return None
    known = [s for s in earlier if "mae" in s.metrics and s.version == now.version]
    rows = sum(s.rows for s in known)
    mae = now.metrics["mae"]
    if not rows:
        return ErrorChange(now.version, now.rows, mae, None, 0, 0, False)
    before = sum(s.rows * s.metrics["mae"] for s in known) / rows
    variance = sum(s.rows * s.spread**2 for s in known) / rows
    chance = sqrt(now.spread**2 / now.rows + variance / rows)
    rose = mae > before * (1 + ROSE) and mae - before > SURE * chance
    return ErrorChange(now.version, now.rows, mae, before, len(known), rows, rose)


def rank(
    changes: Iterable[StatChange], importance: Mapping[str, float] | None, dataset: Dataset
) -> tuple[ColumnWeight, ...]:
    """The compared columns by drift times importance, the heaviest first.

    The target has no importance of its own. Its drift is a drift of the very thing that is
    predicted, so it counts as much as the most important column does.
    """
    drifted = dict.fromkeys((c.name for c in dataset.compared), 0.0)
    for c in changes:
        if c.column in drifted and c.ratio is not None and not within_band(c):
            drifted[c.column] = max(drifted[c.column], min(c.ratio / c.limit, _MOST))
    most = max([*(importance or {}).values(), 0.0]) or 1.0
    weights = []
    for column in dataset.compared:
        is_target = column.name == dataset.target.name
        known = (importance or {}).get(column.name)
        counted = most if is_target and importance else known
        drift = drifted[column.name]
        weight = drift * (1.0 if counted is None else max(counted, 0.0))
        weights.append(ColumnWeight(column.name, column.label, drift, known, is_target, weight))
    return tuple(sorted(weights, key=lambda w: (-w.weight, -w.drift)))


def within_band(change: StatChange) -> bool:
    """Whether two draws from the same data could differ as much, breach or not."""
    return change.band is not None and change.ratio is not None and change.ratio <= change.band


def advise(
    dataset: Dataset,
    reports: Sequence[DriftReport],
    *,
    faults: Sequence[str] = (),
    champion: int | None,
    error: ErrorChange | None,
    error_note: str = "",
    importance: Mapping[str, float] | None = None,
) -> Advice:
    """Recommend what to do about a batch, from every comparison that was made of it.

    `faults` are of `core.broken`; `champion` is the live version, if any; `error_note` says why
    its error is not known, where it is not.
    """
    changes = [c for report in reports for c in report.changes]
    weights = rank(changes, importance, dataset)
    breaches = [c for c in changes if c.finding is Finding.BREACH]
    real = [c for c in breaches if not c.could_be_noise]
    reasons = [_error_words(error, error_note, dataset)] if champion else []
    if faults:
        recommendation = Recommendation.BLOCK
        reasons = [*faults, "Look at the source before anything is trained on this batch."]
    elif champion is None:
        recommendation = Recommendation.RETRAIN
        reasons = ["No model is live yet, so there is nothing that could be kept."]
    else:
        matter = [w for w in weights if w.matters]
        rose = error is not None and error.rose
        retrain = rose or bool(matter)
        recommendation = Recommendation.RETRAIN if retrain else Recommendation.IGNORE
        said = _drift_words(breaches, real, matter, weights)
        lately = {c.column for c in reports[0].changes if c in real} if reports else set()
        if matter and not lately & {w.column for w in matter}:
            said += (
                " It shows against the rows that the model was trained on, and not against the "
                "batch before."
            )
        reasons = [*reasons, said] if rose else [said, *reasons]
    return Advice(recommendation, tuple(reasons), error, error_note, weights)


def _drift_words(
    breaches: Sequence[StatChange],
    real: Sequence[StatChange],
    matter: Sequence[ColumnWeight],
    weights: Sequence[ColumnWeight],
) -> str:
    if matter:
        names = ", ".join(w.label for w in matter[:3])
        more = f" and {len(matter) - 3} more" if len(matter) > 3 else ""  # noqa: PLR2004
        leans = "the model leans on" if matter[0].importance is not None else "may matter"
        what = "the target itself drifted" if matter[0].is_target else f"drift that {leans}"
        return f"This is more than noise, and {what}: {names}{more}."
    if real:
        names = ", ".join(w.label for w in weights if w.drift > 1)
        return f"Only {names} drifted, which the model hardly looks at."
    if breaches:
        count = len({c.name for c in breaches})
        one = "The one breach" if count == 1 else f"All {count} breaches"
        return f"{one} could be noise: two draws from the same data differ as much."
    return "Every statistic is within its limit."


def _error_words(error: ErrorChange | None, note: str, dataset: Dataset) -> str:
    if error is None:
        return note or "The champion's error on this batch is not known."
    unit = f" {dataset.target.unit}" if dataset.target.unit else ""
    head = (
        f"Version {error.version} errs by {figure(error.now)}{unit} on this batch's "
        f"{error.rows:,} held-out rows"
    )
    if error.before is None or error.change is None:
        return f"{head}; there is no earlier batch to compare with."
    verdict = "it rose" if error.rose else "no rise beyond chance"
    if not error.rose and error.change < -ROSE:
        verdict = "it did not rise"
    batches = "batch" if error.earlier_batches == 1 else "batches"
    return (
        f"{head}, {error.change:+.1%} against {figure(error.before)}{unit} on the "
        f"{error.earlier_rows:,} of {error.earlier_batches} earlier {batches}: {verdict}."
    )
