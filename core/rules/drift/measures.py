"""The additional measures of a column, from the profiles of two batches. Pure.

Categories are compared by the Jensen-Shannon distance of their shares (Lin, "Divergence measures
based on the Shannon entropy", IEEE Transactions on Information Theory 37, 1991; its square root,
with logarithms to base 2, is a metric from 0 to 1: Endres and Schindelin, 2003). The others are the
share of values that the reference does not have, the difference of the shares of empty values, and
the difference of means in standard deviations of the reference. A profile keeps the most common
categories; the counts of the others are assumed to be as similar as possible, so that a measure is
never too large because of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import Column, Dataset, Role
from core.domain.drift import Finding, Measure, Measured, Reason
from core.domain.number_format import figure, percent
from core.domain.profiles import ColumnProfile
from core.domain.safe_text import printable
from core.rules.data.quality import null_share
from core.rules.drift.thresholds import judged

_NAMED = 3
"""The maximum number of categories that a sentence names."""

_LONGEST = 40
"""The maximum number of characters of a category that are shown."""

_REST = "all other values"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shares:
    """The categories of two profiles, with the number of rows on each side.

    `names` ends with `_REST`, the rows of values that at least one profile does not keep.
    `reference_complete` says that all values of the reference are known.
    """

    names: tuple[str, ...]
    reference: Floats
    current: Floats
    reference_complete: bool

    @property
    def known_before(self) -> NDArray[np.bool_]:
        """Which categories the reference has."""
        return self.reference > 0


def shares(reference: ColumnProfile, current: ColumnProfile) -> Shares:
    """The categories of two profiles, with the number of rows on each side.

    If a profile does not keep a category, that side has at most as many rows of it as of its rarest
    kept one. Within this bound the count is assumed that makes the sides most similar. Categories
    that are too rare on both sides together for this bound to be negligible are part of the rest.
    The choice depends only on the sum of both sides, so it does not favour categories that differ
    by chance.
    """
    names = sorted({*reference.categories, *current.categories})
    sides = (reference, current)
    most = [_unseen_at_most(p) for p in sides]
    counts = [np.array([p.categories.get(n, 0) for n in names], dtype=np.float64) for p in sides]
    alike = [
        np.floor(theirs * here.count / max(there.count, 1))
        for theirs, here, there in zip(counts[::-1], sides, sides[::-1], strict=True)
    ]
    filled = [
        np.where(mine == 0, np.minimum(same, hidden), mine)
        for mine, same, hidden in zip(counts, alike, most, strict=True)
    ]
    apart = filled[0] + filled[1] > 2 * max(most)
    counts_apart = [of[apart] for of in filled]
    ends = []
    for of, here in zip(counts_apart, sides, strict=True):
        fits = np.floor(of * min(1.0, here.count / max(float(of.sum()), 1.0)))
        ends.append(np.append(fits, here.count - float(fits.sum())))
    named = tuple(name for name, is_apart in zip(names, apart, strict=True) if is_apart)
    return Shares((*named, _REST), ends[0], ends[1], is_complete(reference))


def is_complete(profile: ColumnProfile) -> bool:
    """Whether a profile has every category of its column, with exact counts."""
    return profile.is_complete


def _unseen_at_most(profile: ColumnProfile) -> float:
    """The maximum number of rows of a category that the profile does not keep."""
    if is_complete(profile):
        return 0.0
    rarest = min(profile.categories.values(), default=profile.count)
    return float(rarest + np.ceil(profile.error * profile.count))


def distance(reference: Floats, current: Floats) -> Floats:
    """The Jensen-Shannon distance of counts along the last axis, from 0 to 1."""
    p = reference / np.maximum(reference.sum(axis=-1, keepdims=True), 1.0)
    q = current / np.maximum(current.sum(axis=-1, keepdims=True), 1.0)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / middle), 0.0)
        terms += np.where(q > 0, q * np.log2(q / middle), 0.0)
    divergence: Floats = np.clip(terms.sum(axis=-1) / 2, 0.0, 1.0)
    return np.sqrt(divergence)


def measure(
    reference: Iterable[ColumnProfile], current: Iterable[ColumnProfile], dataset: Dataset
) -> tuple[Measured, ...]:
    """All measures of the columns that both sides have, in the order of the columns."""
    before = {p.column: p for p in reference}
    after = {p.column: p for p in current}
    return tuple(
        _measured(column, which, before[column.name], after[column.name])
        for column in dataset.columns
        for which in column.measures
        if column.name in before and column.name in after
    )


def _measured(column: Column, which: Measure, then: ColumnProfile, now: ColumnProfile) -> Measured:
    sides, unseen = _SIDES[which](then, now)
    before, after, value = sides
    if value is not None and not isfinite(value):
        value = None
    limit = column.measure_limits[which]
    return Measured(
        column.name, which, before, after, value, limit, judged(value, limit), unseen=unseen
    )


_Sides = tuple[tuple[float | None, float | None, float | None], bool]
"""(reference, batch, difference), and whether the batch has values that were never seen before."""


def _mix(then: ColumnProfile, now: ColumnProfile) -> _Sides:
    if not (then.categories and now.categories):
        return (None, None, None), False
    both = shares(then, now)
    return (None, None, float(distance(both.reference, both.current))), then.distinct == 1


def _new(then: ColumnProfile, now: ColumnProfile) -> _Sides:
    """Undefined unless all values of the reference are known; MIX covers the other cases."""
    if not (then.categories and now.categories and is_complete(then)):
        return (None, None, None), False
    both = shares(then, now)
    share = float(both.current[~both.known_before].sum()) / now.count
    return (0.0, share, share), share > 0


def _nulls(then: ColumnProfile, now: ColumnProfile) -> _Sides:
    if not (then.count + then.nulls and now.count + now.nulls):
        return (None, None, None), False
    before, after = null_share(then), null_share(now)
    return (before, after, abs(after - before)), before == 0 < after


def _shift(then: ColumnProfile, now: ColumnProfile) -> _Sides:
    """In reference deviations; if that is 0, in the batch's; if both are 0, the shift is 1."""
    if then.mean is None or now.mean is None:
        return (then.mean, now.mean, None), False
    away = abs(now.mean - then.mean)
    unit = then.std or now.std or away or 1.0
    return (then.mean, now.mean, away / unit), not then.std and away > 0


_SIDES = {
    Measure.MIX: _mix, Measure.NEW: _new, Measure.NULLS: _nulls, Measure.SHIFT: _shift,
}  # fmt: skip


# Sentences


def reasons(
    measured: Sequence[Measured],
    reference: Iterable[ColumnProfile],
    current: Iterable[ColumnProfile],
    dataset: Dataset,
) -> tuple[Reason, ...]:
    """A sentence for each breach, the largest in multiples of its limit first."""
    before = {p.column: p for p in reference}
    after = {p.column: p for p in current}
    breaches = [m for m in measured if m.finding is Finding.BREACH]
    breaches.sort(key=lambda m: m.drift, reverse=True)
    return tuple(
        Reason(in_words(m, dataset, before[m.column], after[m.column]), m.name, m.could_be_noise)
        for m in breaches
    )


def in_words(measured: Measured, dataset: Dataset, then: ColumnProfile, now: ColumnProfile) -> str:
    """One breach as a sentence, such as "Status: 20.0 % of the values are new (limit 5 %): …"."""
    column, value = dataset.column(measured.column), measured.value or 0.0
    name = column.label
    match measured.measure:
        case Measure.MIX:
            is_target = column.role is Role.TARGET
            what = "class shares" if is_target else "shares of its values"
            return (
                f"{name}: the {what} changed by {_short(value)} (Jensen-Shannon distance, limit "
                f"{measured.limit:g}): {_movers(then, now)}."
            )
        case Measure.NEW:
            named = sorted(
                ((n, v) for v, n in now.categories.items() if v not in then.categories),
                key=lambda pair: (-pair[0], pair[1]),
            )
            listed = ", ".join(f"{_shown(v)} ({percent(n / now.count)})" for n, v in named[:_NAMED])
            listed = listed or "all of them rare"
            return (
                f"{name}: {percent(value)} of the values are new (limit "
                f"{measured.limit * 100:g} %): {listed}."
            )
        case Measure.NULLS:
            verb = "rose" if (measured.current or 0.0) > (measured.reference or 0.0) else "fell"
            return (
                f"{name}: the share of empty values {verb} from {percent(measured.reference or 0)} "
                f"to {percent(measured.current or 0)} (limit {measured.limit * 100:g} percentage "
                "points)."
            )
        case Measure.SHIFT:
            before, after = measured.reference or 0.0, measured.current or 0.0
            verb = "rose" if after > before else "fell"
            unit = f" {column.unit}" if column.unit else ""
            return (
                f"{name}: the mean {verb} by {_short(value)} standard "
                f"deviations (limit {measured.limit:g}): from {figure(before)} to "
                f"{figure(after)}{unit}."
            )


def _movers(then: ColumnProfile, now: ColumnProfile) -> str:
    both = shares(then, now)
    before, after = both.reference / then.count, both.current / now.count
    most = np.argsort(-np.abs(after - before), kind="stable")[:_NAMED]
    return ", ".join(
        f"{_shown(both.names[i])} from {percent(float(before[i]))} to {percent(float(after[i]))}"
        for i in most
        if before[i] != after[i]
    )


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 100 else figure(value)  # noqa: PLR2004


def _shown(category: str) -> str:
    text = printable(category)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
