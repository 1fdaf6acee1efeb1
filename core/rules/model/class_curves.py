"""Curves of a classifier: ROC, precision by recall, and calibration, in at most 50 points. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.domain.dossier import ClassFigures, Curve
from core.rules.model.class_metrics import BINS, Answers, Floats, bins_of, confusion

MOST_POINTS = 50
MOST_CURVES = 10
"""With more classes than this, curves are the mean of all classes."""

Line = tuple[Floats, Floats]
_GRID = np.linspace(0.0, 1.0, MOST_POINTS)


def class_figures(
    answers: Answers, classes: Sequence[str], threshold: float | None = None
) -> ClassFigures:
    """The confusion matrix and the curves; `classes` names the columns of the probabilities."""
    counts = confusion(answers).astype(int).tolist()
    return ClassFigures(
        confusion=tuple(map(tuple, counts)),
        roc=_curves(answers, classes, _roc),
        precision_recall=_curves(answers, classes, _precision_recall),
        calibration=_calibration(answers, classes),
        threshold=threshold,
    )


def _places(answers: Answers, classes: Sequence[str]) -> list[int]:
    """The classes that have curves: those with rows of the class and rows of others."""
    rows = np.bincount(answers.actual, minlength=len(classes))
    return [place for place in answers.ranked if 0 < rows[place] < len(answers.actual)]


def _curves(
    answers: Answers, classes: Sequence[str], line: Callable[[Floats, Floats], Line]
) -> tuple[Curve, ...]:
    places = _places(answers, classes)
    lines = []
    for place in places:
        of_class, others = answers.ranked[place].counts(np.ones(len(answers.actual)))
        lines.append(line(of_class[::-1], others[::-1]))
    if len(places) > MOST_CURVES:
        grid = _GRID[1:]
        mean = np.mean([[y[0], *np.interp(grid, x, y)] for x, y in lines], axis=0)
        return (_curve("", (np.concatenate([[0.0], grid]), mean)),)
    return tuple(_curve(classes[p], _thinned(each)) for p, each in zip(places, lines, strict=True))


def _roc(of_class: Floats, others: Floats) -> Line:
    """The true positive rate by the false positive rate; the rows come most probable first."""
    true_positives = np.concatenate([[0.0], np.cumsum(of_class)])
    wrong = np.concatenate([[0.0], np.cumsum(others)])
    return wrong / wrong[-1], true_positives / true_positives[-1]


def _precision_recall(of_class: Floats, others: Floats) -> Line:
    """Precision by recall; the rows come most probable first."""
    true_positives, predicted = np.cumsum(of_class), np.cumsum(of_class + others)
    precision = true_positives / predicted
    return np.concatenate([[0.0], true_positives / true_positives[-1]]), np.concatenate(
        [precision[:1], precision]
    )


def _calibration(answers: Answers, classes: Sequence[str]) -> tuple[Curve, ...]:
    """The share of rows of a class by its mean probability, by bin; empty bins are left out."""
    places = _places(answers, classes)
    if len(places) > MOST_CURVES:
        pairs = [(answers.probabilities[:, p], answers.actual == p) for p in places]
        probability, happened = (np.concatenate(part) for part in zip(*pairs, strict=True))
        return (_curve("", _by_bin(probability, happened.astype(np.float64))),)
    return tuple(
        _curve(
            classes[p],
            _by_bin(answers.probabilities[:, p], (answers.actual == p).astype(np.float64)),
        )
        for p in places
    )


def _by_bin(probability: Floats, happened: Floats) -> Line:
    bin_ = bins_of(probability)
    rows = np.bincount(bin_, minlength=BINS)
    there = rows > 0
    mean, share = (np.bincount(bin_, v, BINS)[there] / rows[there] for v in (probability, happened))
    return mean, share


def _thinned(line: Line) -> Line:
    """At most `MOST_POINTS` points of a line, evenly spread along it, including both ends."""
    x, y = line
    if len(x) <= MOST_POINTS:
        return line
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    nearest = np.searchsorted(along, _GRID * along[-1])
    places = np.unique(np.clip(nearest, 0, len(x) - 1))
    return x[places], y[places]


def _curve(of: str, line: Line) -> Curve:
    x, y = (tuple(float(f"{v:.4g}") for v in values) for values in line)
    return Curve(of, x, y)
