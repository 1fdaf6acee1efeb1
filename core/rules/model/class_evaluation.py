"""Two classifiers on the same held-out rows: differences with intervals, and the baseline. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.domain.dossier import Baseline, Difference
from core.rules.model.class_metrics import Answers, Floats, Places, score
from core.rules.model.classes import CERTAIN
from core.rules.model.paired_bootstrap import RESAMPLES

MOST_VALUES, MANY_ROWS = 20_000, 2_000
"""The maximum size of a resample: so many probabilities, or so many rows if that is more."""

_SEED = 20261124


def differences(candidate: Answers, other: Answers) -> dict[str, Difference]:
    """Candidate minus other in every metric, with paired-bootstrap intervals.

    Each resample draws rows with replacement, as counts of each row, the same for both models
    (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 16). If there are many
    rows, n, only m are resampled, and the deviations are scaled by sqrt(m / n) (Bickel, Götze and
    van Zwet, "Resampling Fewer than n Observations", Statistica Sinica 1997), so that time and
    memory stay bounded.
    """
    rng = np.random.default_rng(_SEED)
    now, before = score(candidate), score(other)
    rows = len(candidate.actual)
    most = max(MOST_VALUES // candidate.classes, MANY_ROWS)
    shrink = 1.0
    if rows > most:
        part = rng.permutation(rows)[:most]
        candidate, other = candidate.of(part), other.of(part)
        rows, shrink = most, (most / rows) ** 0.5
    middle = {name: a - b for (name, a), b in zip(score(candidate).items(), score(other).values(),
                                                  strict=True)}  # fmt: skip
    resampled: dict[str, list[float]] = {name: [] for name in now}
    for _ in range(RESAMPLES):
        weights = np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(np.float64)
        a, b = score(candidate, weights), score(other, weights)
        for name, values in resampled.items():
            values.append(a[name] - b[name] - middle[name])
    intervals = {}
    for name, values in resampled.items():
        difference = now[name] - before[name]
        low, high = difference + shrink * np.quantile(values, [0.025, 0.975])
        intervals[name] = Difference(difference, float(low), float(high))
    return intervals


def baseline(learned: Places, classes: Sequence[str], candidate: Answers) -> Baseline | None:
    """The candidate compared with the class shares of the training rows as every answer.

    `learned` has the index of each training row's class in `classes`. Returns None if it is empty.
    """
    if len(learned) == 0:
        return None
    shares = np.bincount(learned, minlength=len(classes) + 1)[:-1] / len(learned)
    answers = constant(shares, candidate.actual, is_binary=candidate.is_binary)
    return Baseline(
        float(shares.max()),
        score(answers),
        differences(candidate, answers),
        {label: float(s) for label, s in zip(classes, shares, strict=True) if s},
    )


def constant(shares: Floats, actual: Places, *, is_binary: bool) -> Answers:
    """The class shares as the probabilities of every row; the most common class is answered."""
    rows = len(actual)
    answered = np.full(rows, int(np.argmax(shares)), dtype=np.intp)
    return Answers(actual, np.tile(shares, (rows, 1)), answered, is_binary)


def losses(actual: NDArray[np.float64], probabilities: Floats) -> Floats:
    """The log loss of each row; `actual` is the index of its class, or k for an unknown class."""
    padded = np.column_stack([probabilities, np.zeros(len(probabilities))])
    true = padded[np.arange(len(padded)), actual.astype(np.intp)]
    found: Floats = -np.log(np.clip(true, CERTAIN, 1.0))
    return found
