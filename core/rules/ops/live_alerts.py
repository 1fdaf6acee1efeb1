"""Alerts about the live model: its error, and drift of its traffic. Pure.

The verdict about a batch is in `core.rules.drift.batch_verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from core.domain.dataset import Dataset
from core.domain.metrics import error_in
from core.rules.drift.live_windows import Window
from core.rules.drift.recommendation import FEWEST_SCORED, SURE, BatchScore
from core.rules.model.feedback_error import Bucket
from core.rules.model.metric_comparison import error_amount

TIMES = 2.0
"""The live model's error is reported from this multiple of the error that it was approved with."""

THRESHOLDS = (
    f"The live model's error is reported from {TIMES:g} times the error that it was approved with, "
    f"if the rise is significant on at least {FEWEST_SCORED} rows; live traffic, once a statistic "
    "or measure of the newest window is above its limit and beyond its noise band."
)


SEEN = "see alert"
"""The audit log's action: a person has seen an alert, and what it is about needs nobody's eye."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person should look into, and why."""

    title: str
    detail: str


def batch_error(
    judged: float | None, score: BatchScore, number: int, dataset: Dataset
) -> Alert | None:
    """An alert if the live model's error on a batch is far above that of its evaluation.

    `judged` is the error at the evaluation: mean absolute error, or the share of wrong labels;
    `score` is on the batch's held-out rows.
    """
    now = error_in(score.metrics)
    if now is None or judged is None or score.rows < FEWEST_SCORED:
        return None
    chance = score.spread / sqrt(score.rows)
    if now < TIMES * judged or now - judged <= SURE * chance:
        return None
    return _alert(f"on batch {number}", judged, now, f"{score.rows:,} held-out rows", dataset)


def feedback_error(judged: float | None, newest: Bucket | None, dataset: Dataset) -> Alert | None:
    """An alert if the error from feedback is far above that of the evaluation."""
    if (
        newest is None
        or judged is None
        or newest.count < FEWEST_SCORED
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
