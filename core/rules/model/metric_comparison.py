"""Which of two figures of one metric is better, by how much, and the words for it. Pure.

Pages, the command line, gates and notices all ask here, so that one difference is told in one way.
"""

from __future__ import annotations

import math
from enum import StrEnum

from core.domain.dataset import Dataset
from core.domain.dossier import Difference
from core.domain.metrics import ERROR_OF, METRICS, Metric, MetricUnit
from core.domain.number_format import figure, signed_percent

_THOUSAND = 1000.0


class Sense(StrEnum):
    """What a difference means for the one that is looked at."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "the same"


def sense(metric: str | Metric, value: float, reference: float) -> Sense:
    """Whether `value` is better than `reference`; what is not finite is worse than anything."""
    if not math.isfinite(value):
        return Sense.WORSE
    if not math.isfinite(reference):
        return Sense.BETTER
    if value == reference:
        return Sense.SAME
    return Sense.BETTER if (value > reference) is _known(metric).higher_is_better else Sense.WORSE


def improvement(metric: str | Metric, value: float, reference: float) -> float:
    """By how much `value` is better, relative to `reference`; negative is worse.

    For an error it is the share by which it fell. For R², whose zero means nothing in particular,
    it is the share of the variance left unexplained by `reference` that `value` explains. Where
    `reference` is perfect (an error of 0, an R² of 1) there is nothing to divide by: the same is
    0, and anything worse is infinitely worse.
    """
    which = sense(metric, value, reference)
    if which is Sense.SAME:
        return 0.0
    if not (math.isfinite(value) and math.isfinite(reference)):
        return math.inf if which is Sense.BETTER else -math.inf
    return relative_gain(metric, value - reference, reference)


def relative_gain(metric: str | Metric, difference: float, reference: float) -> float:
    """A difference to `reference` as `improvement` measures it: relative, and positive is better.

    Infinite where `reference` is perfect.
    """
    higher = _known(metric).higher_is_better
    gain, scale = (difference, 1.0 - reference) if higher else (-difference, reference)
    return gain / scale if scale > 0 else math.copysign(math.inf, gain)


def certainty(metric: str | Metric, difference: Difference) -> Sense:
    """The sense of a significant difference; SAME if its interval covers zero."""
    if not (difference.low > 0 or difference.high < 0):
        return Sense.SAME
    is_higher = difference.low > 0
    return Sense.BETTER if is_higher is _known(metric).higher_is_better else Sense.WORSE


def amount(metric: str | Metric, value: float) -> str:
    """A metric's value, with the digits that it has everywhere."""
    if _known(metric).unit is MetricUnit.SHARE:
        return percent(value)
    return figure(value) if _known(metric).unit is MetricUnit.TARGET else f"{value:z.3f}"


def error_amount(dataset: Dataset, error: float) -> str:
    """The error of a batch, segment or bucket as text, with its unit."""
    figure = amount(ERROR_OF[dataset.task], error)
    unit = "" if dataset.task.is_classifier else dataset.target.unit
    return f"{figure} {unit}" if unit else figure


def change(metric: str | Metric, value: float, reference: float) -> str:
    """How `value` differs from `reference`, in words that cannot be misread.

    An amount is told relative to the reference ("7.5 % worse"), a share in points ("0.9 points
    worse"), a figure without a unit as the difference ("0.050 better"), and what is equal as "the
    same".
    """
    which = sense(metric, value, reference)
    if which is Sense.SAME:
        return which.value
    if not (math.isfinite(value) and math.isfinite(reference)):
        return which.value
    apart = abs(value - reference)
    if _known(metric).unit is MetricUnit.NONE:
        return f"{_at_least(apart, 3)} {which}"
    if _known(metric).unit is MetricUnit.SHARE:
        return f"{_at_least(100 * apart, 1)} points {which}"
    gain = abs(improvement(metric, value, reference))
    if math.isinf(gain):
        return f"{figure(apart)} {which}, from 0"
    return f"{_at_least(100 * gain, 1)} % {which}"


def interval_in_words(metric: str | Metric, difference: Difference, unit: str = "") -> str:
    """Where the difference to another model lies, without a sign that has to be interpreted.

    Such as "lower by 29,773 to 32,963 USD", or "from 0.8 points lower to 0.2 points higher"; `unit`
    is the target's. Both ends have the same decimals.
    """
    low, high = difference.low, difference.high
    if low == high == 0:
        return "no difference"
    near, far = sorted((abs(low), abs(high)))
    if not math.isfinite(far):
        return "not finite"
    of = {MetricUnit.TARGET: unit, MetricUnit.SHARE: "points", MetricUnit.NONE: ""}
    named, (least, most) = of[_known(metric).unit], _ends(metric, near, far)
    if not set("123456789") & set(most):
        return f"less than {most[:-1]}1 {named}".rstrip() + " apart"
    if low >= 0 or high <= 0:
        span = most if least == most else f"{least} to {most}"
        return f"{'higher' if high > 0 else 'lower'} by {span} {named}".rstrip()
    below, above = (least, most) if -low == near else (most, least)
    below, above = (f"{end} {named}".rstrip() for end in (below, above))
    return f"from {below} lower to {above} higher"


def _ends(metric: str | Metric, near: float, far: float) -> tuple[str, str]:
    """Two amounts with the same decimals: three significant digits of `far`, the larger."""
    match _known(metric).unit:
        case MetricUnit.SHARE:
            return f"{100 * near:,.1f}", f"{100 * far:,.1f}"
        case MetricUnit.NONE:
            return f"{near:,.3f}", f"{far:,.3f}"
    decimals = max(2 - math.floor(math.log10(far)), 0)
    while decimals and all(f"{end:.{decimals}f}".endswith("0") for end in (near, far)):
        decimals -= 1
    return f"{near:,.{decimals}f}", f"{far:,.{decimals}f}"


def pair_in_words(
    metric: str,
    versions: tuple[int, int],
    values: tuple[float, float],
    difference: Difference | None,
    *,
    rows: int,
    unit: str = "",
) -> str:
    """Two versions in one metric on the same rows, as a sentence about the first of them."""
    (mine, theirs), (value, other) = versions, values
    says = (
        f"The {METRICS[metric].name} of version {mine} is {change(metric, value, other)}: "
        f"{amount(metric, value)} against {amount(metric, other)} of version {theirs}, on the same "
        f"{rows:,} rows."
    )
    if difference is None or difference.low == difference.high == 0:
        return says
    sure = "could be chance" if certainty(metric, difference) is Sense.SAME else "is significant"
    words = interval_in_words(metric, difference, unit)
    return f"{says} The difference {sure} (95 % interval: {words})."


def signed(metric: str | Metric, difference: float) -> str:
    """A difference of two values of a metric, with its sign; a zero has none."""
    is_share = _known(metric).unit is MetricUnit.SHARE
    size = abs(difference)
    text = f"{100 * size:.1f} points" if is_share else amount(metric, size)
    if not set("123456789") & set(text):
        return text
    return f"{'+' if difference > 0 else '-'}{text}"


def signed_change(metric: str | Metric, now: float, before: float) -> str | None:
    """How far an error or a share moved, with its sign: relative to before, a share in points.

    None if an amount was 0 before, so that no ratio exists.
    """
    if _known(metric).unit is MetricUnit.SHARE:
        return signed(metric, now - before)
    return signed_percent(now / before - 1) if before else None


def percent(share: float, decimals: int = 1) -> str:
    """A share as sentences say it."""
    return f"{100 * share:z,.{decimals}f} %"


def _known(metric: str | Metric) -> Metric:
    """A metric by its name in `METRICS`, or one of the team's own as it is."""
    return METRICS[metric] if isinstance(metric, str) else metric


def _at_least(value: float, decimals: int) -> str:
    """A positive figure, never rounded to a zero that would hide a difference."""
    if value >= _THOUSAND:
        return f"{value:,.0f}"
    least = 10.0**-decimals
    rounded = f"{value:.{decimals}f}"
    return rounded if float(rounded) > 0 else f"less than {least:.{decimals}f}"
