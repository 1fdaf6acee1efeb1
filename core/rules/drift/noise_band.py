"""The noise band: how large a drift ratio gets between two samples of the same data. Pure.

A permutation test (Lehmann and Romano, "Testing Statistical Hypotheses", 2005, section 15.2): if
two batches were samples of the same data, every division of all their rows into two groups of the
same sizes would be equally likely. The band is a quantile of the ratios over random divisions. It
assumes nothing about the tails of the distribution, and that rows are independent: batches whose
rows come in clusters differ by more.

Only profiles are kept, not the rows, so the divisions are simulated: of numbers in
`core.rules.drift.number_noise`, of categories and nulls in `core.rules.drift.category_noise`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from core.domain.drift import DriftReport, Measure
from core.domain.profiles import ColumnProfile
from core.rules.drift import category_noise, number_noise
from core.rules.drift.number_noise import DIVISIONS

FALSE_ALARMS = 0.05
"""The chance that any check of a batch without change is beyond its band, all checks together."""

_LARGEST = 1e9

Floats = NDArray[np.float64]


def annotate(
    report: DriftReport,
    reference: Iterable[ColumnProfile],
    current: Iterable[ColumnProfile],
    *,
    share: float = 1.0,
) -> DriftReport:
    """The report with the band of each ratio and measure, if the profiles suffice to compute it.

    Reasons of the rule that could be noise are marked and come last; those of measures are left
    out, because columns of many categories always differ somewhat. The report gets a `share` of
    `FALSE_ALARMS`, and each of its checks gets an equal part of it (Bonferroni correction).
    """
    before = {p.column: p for p in reference}
    after = {p.column: p for p in current}
    known = [check for check in report.checks if check.known]
    part = share * FALSE_ALARMS / max(len(known), 1)
    by_column = {
        column: bands(before[column], after[column], part)
        for column in dict.fromkeys(check.column for check in known)
    }
    changes = tuple(
        replace(c, band=by_column[c.column][c.statistic] + c.error)
        if c.known and c.statistic in by_column[c.column]
        else c
        for c in report.changes
    )
    measures = tuple(
        replace(m, band=by_column[m.column].get(m.measure)) if m.known else m
        for m in report.measures
    )
    report = replace(report, changes=changes, measures=measures)
    noise = {check.name for check in report.checks if check.could_be_noise}
    reasons = [replace(r, could_be_noise=r.change in noise) for r in report.reasons]
    return replace(
        report,
        reasons=tuple(sorted(reasons, key=lambda reason: reason.could_be_noise)),
        measure_reasons=tuple(r for r in report.measure_reasons if r.change not in noise),
    )


def bands(
    reference: ColumnProfile, current: ColumnProfile, false_alarms: float
) -> dict[str, float]:
    """For each statistic and measure the value exceeded by chance with probability `false_alarms`.

    A statistic is missing if a profile has no tails. The same profiles always give the same bands.
    """
    if min(reference.count + reference.nulls, current.count + current.nulls) < 1:
        return {}
    rng = np.random.default_rng(_seed(reference, current))
    draws: dict[str, Floats] = {}
    if reference.tails and current.tails and min(reference.count, current.count) > 0:
        draws = number_noise.draws(reference, current, rng)
    if reference.categories and current.categories:
        draws |= category_noise.draws(reference, current, rng, DIVISIONS)
    draws[Measure.NULLS] = category_noise.nulls(reference, current, rng, DIVISIONS)
    return {name: min(_exceeded(of, false_alarms), _LARGEST) for name, of in draws.items()}


def _exceeded(draws: Floats, chance: float) -> float:
    """The value that the draws exceed with that probability.

    Below 1 / (`DIVISIONS` + 1) it is extrapolated from the largest draw, in proportion to the
    quantiles of a normal distribution.
    """
    place = math.floor(chance * (DIVISIONS + 1))
    if place >= 1:
        return float(np.partition(draws, -place)[-place])
    z = NormalDist().inv_cdf
    return float(draws.max()) * z(1 - chance / 2) / z(1 - 0.5 / (DIVISIONS + 1))


def _seed(reference: ColumnProfile, current: ColumnProfile) -> int:
    content = repr(
        [
            (p.column, p.count, p.mean, p.std, p.grid, *sorted(p.categories.items()))
            for p in (reference, current)
        ]
    )
    return int.from_bytes(blake2b(content.encode(), digest_size=8).digest(), "big")
