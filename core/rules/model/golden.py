"""When a prediction counts as the one that was published. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

TOLERANCE = 1e-6
"""Relative to the prediction, or to the median one if that is larger: machines sum differently.

A target that crosses zero has predictions that are small beside the sums they come from.
"""


def first_difference(
    published: Sequence[float | Sequence[float]], given: Sequence[float | Sequence[float]]
) -> tuple[float, float] | None:
    """The first published prediction that differs from the one given, with that; None if all agree.

    A prediction is a number, or the probability of each class; probabilities are compared by their
    absolute difference.
    """
    of_classes = any(isinstance(prediction, Sequence) for prediction in published)
    expected, answers = _flat(published), _flat(given)
    if len(expected) != len(answers):
        return float(len(expected)), float(len(answers))
    usual = 1.0 if of_classes else statistics.median(map(abs, expected or [1.0]))
    for wants, answer in zip(expected, answers, strict=True):
        if not abs(answer - wants) <= TOLERANCE * max(abs(wants), usual, 1e-3):
            return wants, answer
    return None


def _flat(predictions: Sequence[float | Sequence[float]]) -> list[float]:
    return [p for each in predictions for p in (each if isinstance(each, Sequence) else [each])]
