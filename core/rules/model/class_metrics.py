"""The metrics of a classifier's answers, also of resampled rows. Pure.

Probabilities are scored by log loss (Good, "Rational Decisions", 1952), by the Brier score (Brier,
"Verification of Forecasts Expressed in Terms of Probability", 1950) and by the expected calibration
error in ten bins of equal width (Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated
Probabilities Using Bayesian Binning", AAAI 2015). The area under the ROC curve is the probability
that a row of the class is ranked above a row of another class, where a tie counts half (Hanley and
McNeil, 1982); average precision is the sum of precisions weighted by the steps of recall. Labels
are scored by accuracy and by the mean F1 of the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import NothingToTrainOn
from core.rules.model.classes import CERTAIN

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

BINS = 10
"""Bins of equal width of the calibration error and of the calibration curve."""


@dataclass(frozen=True)
class Answers:
    """A model's answers to rows whose class is known.

    `actual` has the index of each row's class and `answered` that of the answered one, both among
    the columns of `probabilities`, [n, k]. `is_binary`: the model has two classes, of which the
    last is positive, even if there are more columns for classes that the model does not know.
    """

    actual: Places
    probabilities: Floats
    answered: Places
    is_binary: bool

    def __post_init__(self) -> None:
        """Check that there are rows.

        Raises:
            NothingToTrainOn: there are none to score on.
        """
        if len(self.actual) == 0:
            raise NothingToTrainOn(
                "No row is held out, so nothing can be scored. Ingest more rows."
            )

    def of(self, rows: NDArray[np.intp]) -> Answers:
        """The answers to some of the rows."""
        return Answers(
            self.actual[rows], self.probabilities[rows], self.answered[rows], self.is_binary
        )

    @property
    def classes(self) -> int:
        """How many columns there are."""
        return int(self.probabilities.shape[1])

    @cached_property
    def losses(self) -> Floats:
        """The log loss of each row; a probability counts as at least `CERTAIN`."""
        true = self.probabilities[np.arange(len(self.actual)), self.actual]
        losses: Floats = -np.log(np.clip(true, CERTAIN, 1.0))
        return losses

    @cached_property
    def wrong(self) -> Floats:
        """1 for each wrong answer, 0 for each right one."""
        is_wrong: NDArray[np.bool_] = self.answered != self.actual
        return is_wrong.astype(np.float64)

    @cached_property
    def squares(self) -> Floats:
        """The Brier score of each row: of the positive class, or summed over several."""
        if self.is_binary:
            of_positive: Floats = self.probabilities[:, -1] - (self.actual == self.classes - 1)
            return np.square(of_positive)
        true: Floats = self.probabilities[np.arange(len(self.actual)), self.actual]
        of_all: Floats = np.sum(np.square(self.probabilities), axis=1)
        return of_all - 2.0 * true + 1.0

    @cached_property
    def ranked(self) -> dict[int, Ranked]:
        """The rows ranked by probability: of the positive class, or of each known class."""
        known = np.flatnonzero(self.probabilities.any(axis=0)).tolist()
        places = [self.classes - 1] if self.is_binary else known
        return {p: Ranked.by(self.probabilities[:, p], self.actual == p) for p in places}

    @cached_property
    def confidence(self) -> tuple[Floats, Floats, Places]:
        """For calibration: a probability for each row, whether it came true, and its bin.

        It is the positive class's probability in a binary task, else the most probable class's.
        """
        rows = np.arange(len(self.actual))
        place = self.classes - 1 if self.is_binary else np.argmax(self.probabilities, axis=1)
        probability = self.probabilities[rows, place]
        came_true = (self.actual == place).astype(np.float64)
        return probability, came_true, bins_of(probability)


def bins_of(probability: Floats) -> Places:
    """The bin of each probability, of `BINS` of equal width."""
    return np.clip((probability * BINS).astype(np.intp), 0, BINS - 1)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The rank of each row by the probability of one class, lowest first; ties share a rank."""

    rank: Places
    ranks: int
    of_class: Floats

    @classmethod
    def by(cls, probability: Floats, of_class: NDArray[np.bool_]) -> Ranked:
        """Rank the rows."""
        distinct, rank = np.unique(probability, return_inverse=True)
        return cls(rank.reshape(-1), len(distinct), of_class.astype(np.float64))

    def counts(self, weights: Floats) -> tuple[Floats, Floats]:
        """The rows of the class and the others, by rank."""
        of_class = np.bincount(self.rank, weights * self.of_class, self.ranks).astype(np.float64)
        every = np.bincount(self.rank, weights, self.ranks).astype(np.float64)
        return of_class, every - of_class

    def areas(self, weights: Floats) -> tuple[float, float] | None:
        """The area under the ROC curve, and average precision; None if a side has no rows."""
        of_class, others = self.counts(weights)
        rows, rest = of_class.sum(), others.sum()
        if rows == 0 or rest == 0:
            return None
        below = np.cumsum(others) - others
        roc = float(np.sum(of_class * (below + 0.5 * others)) / (rows * rest))
        true_positives = np.cumsum(of_class[::-1])
        predicted = true_positives + np.cumsum(others[::-1])
        precision = np.divide(
            true_positives, predicted, out=np.zeros_like(true_positives), where=predicted > 0
        )
        return roc, float(np.sum(precision * of_class[::-1]) / rows)


def score(answers: Answers, weights: Floats | None = None) -> dict[str, float]:
    """The metrics of answers: `core.domain.metrics.METRICS_OF` a classifier, all of them finite.

    `weights` say how often each row counts. Metrics of single classes are averaged over the classes
    with rows; if no class has both rows and other rows, the areas are those of random answers.
    """
    w = np.ones(len(answers.actual)) if weights is None else weights
    total = float(w.sum())
    areas = [a for a in (ranked.areas(w) for ranked in answers.ranked.values()) if a]
    roc, precision = np.mean(areas, axis=0) if areas else (0.5, 0.5)
    return {
        "log_loss": float(w @ answers.losses) / total,
        "roc_auc": float(roc),
        "pr_auc": float(precision),
        "brier": float(w @ answers.squares) / total,
        "accuracy": 1.0 - float(w @ answers.wrong) / total,
        "f1": macro_f1(confusion(answers, w)),
        "calibration_error": _calibration_error(answers, w),
    }


def confusion(answers: Answers, weights: Floats | None = None) -> Floats:
    """Rows by actual class (down) and answered class (across)."""
    k = answers.classes
    cells = np.bincount(answers.actual * k + answers.answered, weights, k * k)
    return cells.astype(np.float64).reshape(k, k)


def macro_f1(counts: Floats) -> float:
    """The mean F1 of the classes that have rows, from a confusion matrix; 0 without any."""
    right, actual, answered = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    there = actual > 0
    if not there.any():
        return 0.0
    return float(np.mean(2 * right[there] / (actual[there] + answered[there])))


def _calibration_error(answers: Answers, weights: Floats) -> float:
    probability, came_true, bin_ = answers.confidence
    apart = np.bincount(bin_, weights * (probability - came_true), BINS)
    return float(np.abs(apart).sum() / weights.sum())


def best_threshold(positive: NDArray[np.bool_], probability: Floats) -> float:
    """The threshold with the best macro F1, in steps of 0.01; of equals, the one nearest to 0.5."""
    steps: Sequence[float] = [n / 100 for n in range(1, 100)]

    def gain(threshold: float) -> tuple[float, float]:
        cells = 2 * positive.astype(np.intp) + (probability >= threshold)
        counts = np.bincount(cells, minlength=4).astype(np.float64).reshape(2, 2)
        return macro_f1(counts), -abs(threshold - 0.5)

    return max(steps, key=gain)
