"""Alerts about the live model: its error, and drift of its traffic. Pure.

The verdict about a batch is in `core.rules.drift.batch_verdict`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.metrics import error_in
from core.rules.drift.live_windows import Window
from core.rules.drift.recommendation import FEWEST_SCORED, SURE, BatchScore
from core.rules.model.feedback_error import Bucket
from core.rules.model.metric_comparison import error_amount
from core.rules.ops.batch_names import named_batches

TIMES = 2.0
"""The live model's error is reported from this multiple of the error that it was approved with."""

RAISED = 1.2
"""From this multiple on, an error is higher than the one that was approved, if not an alert."""

THRESHOLDS = (
    f"The live model's error is reported from {TIMES:g} times the error that it was approved with, "
    f"if the rise is significant on at least {FEWEST_SCORED} rows; live traffic, once a statistic "
    "or measure of the newest window is above its limit and beyond its noise band."
)


WINDOWS = 10
"""How many windows of live traffic are looked at, the newest."""

SEEN = "see alert"
"""The audit log's action: a person has seen an alert, and what it is about needs nobody's eye."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person should look into, and why."""

    title: str
    detail: str


def batch_error(
    judged: float | None,
    score: BatchScore,
    number: int,
    dataset: Dataset,
    *,
    epoch: int | None = None,
) -> Alert | None:
    """An alert if the live model's error on a batch is far above that of its evaluation.

    `epoch` is the batch's, if that is not the current one: the title names it.
    `judged` is the error at the evaluation: mean absolute error, or the share of wrong labels;
    `score` is on the batch's held-out rows.
    """
    now = error_in(score.metrics)
    if now is None or judged is None or not says_something(score.rows):
        return None
    chance = score.spread / sqrt(score.rows)
    if now < TIMES * judged or now - judged <= SURE * chance:
        return None
    batch = f"batch {number}" + ("" if epoch is None else f" of epoch {epoch}")
    return _alert(f"on {batch}", judged, now, f"{score.rows:,} held-out rows", dataset)


def says_something(rows: int) -> bool:
    """Whether an error on so many rows or answers is more than an anecdote."""
    return rows >= FEWEST_SCORED


def is_raised(judged: float, now: float) -> bool:
    """Whether an error is clearly higher than the one at the evaluation."""
    return now > RAISED * judged


def open_errors(
    judged: float | None,
    scores: Sequence[BatchScore],
    batches: Iterable[Batch],
    seen: Container[str],
    dataset: Dataset,
    *,
    epoch: int,
) -> tuple[Batch, Alert] | None:
    """The newest batch whose error is alerted about, unless a person has seen it.

    Its alert names the others since the last one that was seen: it stands for them. `scores` are on
    `batches` that do not look broken; `epoch` is the current one.
    """
    by_id = {batch.id: batch for batch in batches}
    found: list[tuple[Batch, Alert]] = []
    for score in sorted(scores, key=lambda s: -s.batch_id):
        batch = by_id[score.batch_id]
        earlier = batch.epoch if batch.epoch != epoch else None
        alert = batch_error(judged, score, batch.number or 0, dataset, epoch=earlier)
        if alert and batch.subject in seen:
            break
        if alert:
            found.append((batch, alert))
    if not found:
        return None
    (newest, alert), others = found[0], [batch for batch, _ in found[1:]]
    told = [
        named_batches([b.number or 0 for b in others if b.epoch == of], capital=False)
        + ("" if of == epoch else f" of epoch {of}")
        for of in dict.fromkeys(b.epoch for b in others)
    ]
    also = f" Also far above it: {' and '.join(told)}." if told else ""
    return newest, replace(alert, detail=f"{alert.detail}{also}")


def feedback_error(judged: float | None, newest: Bucket | None, dataset: Dataset) -> Alert | None:
    """An alert if the error from feedback is far above that of the evaluation."""
    if (
        newest is None
        or judged is None
        or not says_something(newest.count)
        or newest.error < TIMES * judged
    ):
        return None
    if newest.error - judged <= SURE * newest.spread / sqrt(newest.count):
        return None
    return _alert("from feedback", judged, newest.error, f"{newest.count:,} answers", dataset)


def _alert(where: str, judged: float, now: float, rows: str, dataset: Dataset) -> Alert:
    times = f"{now / judged:.3g} times" if judged > 0 else "far beyond"
    return Alert(
        f"Live model's error {where} is {times} the error it was approved with",
        f"{error_amount(dataset, now)} on {rows}, against {error_amount(dataset, judged)}.",
    )


def open_traffic(
    windows: Iterable[Window], live: int | None, seen: Container[str]
) -> tuple[Window, Alert] | None:
    """The newest of these windows that is alerted about, unless a person has seen it.

    It stands for those before it. `seen` has subjects, such as `window:7`.
    """
    for window in sorted(windows, key=lambda w: -w.id):
        if alert := traffic(window, live):
            return None if subject(window) in seen else (window, alert)
    return None


def subject(window: Window) -> str:
    """What an act about a window's alert is on record about."""
    return f"window:{window.id}"


def traffic(window: Window | None, live: int | None) -> Alert | None:
    """An alert if the newest window of live traffic has drifted beyond noise."""
    if window is None or live is None or window.version != live:
        return None
    if not window.drifted or window.could_be_noise:
        return None
    return Alert(
        f"Live traffic has drifted from the rows that version {live} was trained on",
        f"{window.breaches[0].text} The newest window has {window.rows:,} requests.",
    )
