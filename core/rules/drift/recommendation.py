"""The recommendation about a batch, from drift, the champion's error and feature importance. Pure.

Block what looks broken; retrain if drift beyond noise is in a column that is important to the
champion, or has values that no training row had, or if the champion's error rose; ignore the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import sqrt
from typing import Any

from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Finding, distorts
from core.domain.metrics import ERROR_OF, error_in
from core.rules.data.far_values import FarValues
from core.rules.drift.column_weights import Check, ColumnWeight, rank
from core.rules.model.metric_comparison import error_amount, signed_change

ROSE = 0.10
"""The least relative rise of the error."""

SURE = 2.0
"""The number of standard errors from which a rise is more than chance."""

FEWEST_SCORED = 20
"""The fewest held-out rows for a statement about an error."""

CHECK = "Correct it at the source, or hold the batch, before anything is trained on it."
"""What to do about values far outside the former range."""

EARLIER = 5
"""How many earlier batches an error is compared with."""


class Recommendation(StrEnum):
    """What to do about a batch."""

    IGNORE = "ignore"
    RETRAIN = "retrain"
    BLOCK = "block"


SCORED_BATCHES = 12
"""For how many of the epoch's latest batches the live version's error is known and shown."""


@dataclass(frozen=True, slots=True)
class BatchScore:
    """The metrics of one version on one batch's held-out rows.

    `spread` is the standard deviation of the rows' errors: absolute errors in the target's unit, or
    1 for a wrong label and 0 for a right one. `note` says why there are no metrics, if there are
    none.
    """

    batch_id: int
    version: int
    rows: int
    metrics: dict[str, float]
    spread: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class ErrorChange:
    """A version's error on this batch and on earlier ones: mean absolute error, or error rate.

    `before` is None without an earlier batch to compare with.
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
class Advice:
    """A recommendation, its reasons, and the figures behind it.

    `no_champion` says that its reason is that no model was live; a live version outdates it.
    `far` has a sentence for each column with values far outside the former range; they come first
    among the reasons.
    """

    recommendation: Recommendation
    reasons: tuple[str, ...]
    error: ErrorChange | None
    error_note: str
    columns: tuple[ColumnWeight, ...]
    no_champion: bool = False
    far: tuple[str, ...] = ()

    @property
    def lead(self) -> str:
        """The reasons that a verdict repeats: the far values, and the first of the others."""
        return " ".join(self.reasons[: len(self.far) + 1])

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"recommendation": self.recommendation.value}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Advice:
        """The inverse of `to_json`."""
        error = document["error"]
        return cls(
            Recommendation(document["recommendation"]),
            tuple(document["reasons"]),
            ErrorChange(**error) if error else None,
            document["error_note"],
            tuple(ColumnWeight(**c) for c in document["columns"]),
            bool(document.get("no_champion")),
            tuple(document.get("far", ())),
        )


def earlier(stored: Iterable[Batch], batch: Batch) -> list[Batch]:
    """The batches that a batch's error is compared with: the last `EARLIER` of its own epoch.

    Earlier epochs are excluded, because the source sends the same batches after each restart.
    """
    before = [b for b in stored if b.epoch == batch.epoch and b.id < batch.id]
    return sorted(before, key=lambda b: b.id)[-EARLIER:]


def error_change(now: BatchScore, earlier: Sequence[BatchScore]) -> ErrorChange | None:
    """The error now and on earlier batches, weighted by rows; None without a score now.

    It rose if it is larger by `ROSE` and the difference exceeds `SURE` standard errors.
    """
    error = error_in(now.metrics)
    if error is None:
        return None
    errors = [(s, error_in(s.metrics)) for s in earlier if s.version == now.version]
    known = [(s, e) for s, e in errors if e is not None]
    rows = sum(s.rows for s, _ in known)
    if not rows:
        return ErrorChange(now.version, now.rows, error, None, 0, 0, False)
    before = sum(s.rows * e for s, e in known) / rows
    variance = sum(s.rows * s.spread**2 for s, _ in known) / rows
    chance = sqrt(now.spread**2 / now.rows + variance / rows)
    rose = error > before * (1 + ROSE) and error - before > SURE * chance
    return ErrorChange(now.version, now.rows, error, before, len(known), rows, rose)


def advise(
    dataset: Dataset,
    reports: Sequence[DriftReport],
    *,
    faults: Sequence[str] = (),
    far: Sequence[FarValues] = (),
    champion: int | None,
    error: ErrorChange | None,
    error_note: str = "",
    importance: Mapping[str, float] | None = None,
    has_rows: bool = True,
) -> Advice:
    """The recommendation about a batch, from all its comparisons.

    `faults` are of `core.rules.data.quality`, and `far` of `core.rules.data.far_values`; `champion`
    is the live version, if any; `error_note` says why its error is unknown, if it is; without rows
    nothing can be learned from the batch. What far values alone change is no reason to retrain: the
    model would learn from broken values.
    """
    every = [c for report in reports for c in report.checks]
    far_columns = {one.column for one in far}
    weights = rank(every, importance, dataset, far_columns)
    checks = [c for c in every if not distorts(c, far_columns)]
    breaches = [c for c in checks if c.finding is Finding.BREACH]
    real = [c for c in breaches if not c.could_be_noise]
    reasons = [_error_words(error, error_note, dataset)] if champion else []
    if faults:
        recommendation = Recommendation.BLOCK
        reasons = [*faults, "Look at the source before anything is trained on this batch."]
    elif champion is None and not has_rows:
        recommendation = Recommendation.IGNORE
        reasons = ["The batch has no rows, so there is nothing to learn from it."]
    elif champion is None:
        recommendation = Recommendation.RETRAIN
        reasons = ["No model is live yet, so training is needed."]
        if reports and not checks:  # the rule says the same of a batch that stands alone
            reasons = [reason.text for reason in reports[0].reasons]
    else:
        sound = rank(checks, importance, dataset)
        matter = [w for w in sound if w.matters]
        rose = error is not None and error.rose
        retrain = rose or bool(matter)
        recommendation = Recommendation.RETRAIN if retrain else Recommendation.IGNORE
        compared = any(c.known for c in checks)
        sentence = _drift_words(breaches, real, matter, sound, compared=compared)
        if far and not real:
            sentence = _beside_far(breaches)
        lately = {c.column for c in reports[0].checks if c in real} if reports else set()
        if standing := [w.label for w in matter if w.column not in lately]:
            sentence += _not_lately(standing, of_all=len(standing) == len(matter))
        reasons = [*reasons, sentence] if rose else [sentence, *reasons]
    first = champion is None and recommendation is Recommendation.RETRAIN
    told = [one for one in far if not any(fault.startswith(one.label) for fault in faults)]
    facts = tuple(f"{one.says} {CHECK}" for one in told)
    reasons = [*facts, *reasons]
    return Advice(recommendation, tuple(reasons), error, error_note, weights, first, facts)


def _beside_far(breaches: Sequence[Check]) -> str:
    """What there is beside the changes that far values make, if it could all be noise."""
    if not breaches:
        return "Every other statistic is within its limit."
    count = len({c.name for c in breaches})
    others = "The other breach" if count == 1 else f"The {count} other breaches"
    return f"{others} could be noise: two draws from the same data differ as much."


def _not_lately(labels: Sequence[str], *, of_all: bool) -> str:
    """That columns differ from the model's training rows, and not from the batch before."""
    if of_all:
        return (
            " It is a difference to the rows that the model was trained on, not to the batch "
            "before."
        )
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""  # noqa: PLR2004
    verb = "differs" if len(labels) == 1 else "differ"
    return (
        f" {', '.join(labels[:3])}{more} {verb} from the rows that the model was trained on, not "
        "from the batch before."
    )


def _drift_words(
    breaches: Sequence[Check],
    real: Sequence[Check],
    matter: Sequence[ColumnWeight],
    weights: Sequence[ColumnWeight],
    *,
    compared: bool,
) -> str:
    if matter:
        names = ", ".join(w.label for w in matter[:3])
        more = f" and {len(matter) - 3} more" if len(matter) > 3 else ""  # noqa: PLR2004
        known = matter[0].importance is not None
        what = "affects columns that the model depends on" if known else "may affect the model"
        if matter[0].is_target:
            what = "the target itself drifted"
        elif matter[0].unseen:
            what = "the batch has new values"
        return f"Unlikely to be noise; {what}: {names}{more}."
    if real:
        names = ", ".join(w.label for w in weights if w.drift > 1)
        return f"Only {names} drifted, on which the model hardly depends."
    if breaches:
        count = len({c.name for c in breaches})
        one = {1: "The one breach", 2: "Both breaches"}.get(count, f"All {count} breaches")
        return f"{one} could be noise: two draws from the same data differ as much."
    if not compared:
        return "Nothing could be compared, so it is not known whether the data drifted."
    return "Every statistic is within its limit."


def _error_words(error: ErrorChange | None, note: str, dataset: Dataset) -> str:
    if error is None:
        return note or "The champion's error on this batch is not known."
    name = "share of wrong answers" if dataset.task.is_classifier else "error"
    head = f"Version {error.version}'s {name} on this batch"
    now = f"{error_amount(dataset, error.now)} on {error.rows:,} held-out rows"
    if error.before is None:
        return f"{head} is {now}; there is no earlier batch to compare with."
    before, change = error_amount(dataset, error.before), error.change
    moved = signed_change(ERROR_OF[dataset.task], error.now, error.before)
    verdict = "rose" if error.rose else "did not rise significantly"
    if not error.rose and change is not None and change < -ROSE:
        verdict = "did not rise"
    by = f" {moved}" if moved else ""
    batches = "batch" if error.earlier_batches == 1 else "batches"
    return (
        f"{head} {verdict}: {now},{by} against {before} on {error.earlier_rows:,} rows "
        f"of {error.earlier_batches} earlier {batches} of this epoch."
    )
