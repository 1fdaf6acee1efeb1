"""The additional drift measures as text, for the pages and the command line."""

from __future__ import annotations

from collections.abc import Collection

from console.text.formatting import STATES
from core.domain.drift import Finding, Measure, Measured, StatChange, distorts
from core.domain.number_format import figure, percent

NAMES = {
    Measure.MIX: "Mix of categories",
    Measure.NEW: "New values",
    Measure.NULLS: "Empty values",
    Measure.SHIFT: "Shift of the mean",
}

WHERE = (
    "Limits of the additional measures: the dataset file sets them, under [limits] or in a "
    "column's limits."
)
"""Above these limits, because they cannot be changed where the others are."""


def value(measure: Measure, difference: float | None) -> str:
    """A difference, a limit or a band in the measure's unit; "-" if it is unknown."""
    if difference is None:
        return "-"
    if measure is Measure.NULLS:
        return f"{100 * difference:.1f} points"
    if measure is Measure.NEW:
        return percent(difference)
    return f"{difference:.3g} sd" if measure is Measure.SHIFT else f"{difference:.3g}"


def side(measure: Measure, of_one_side: float | None) -> str:
    """The figure of one side: a share or a mean; "-" if there is none."""
    if of_one_side is None:
        return "-"
    return figure(of_one_side) if measure is Measure.SHIFT else percent(of_one_side)


UNITS = {
    Measure.MIX: "0 to 1",
    Measure.NEW: "%",
    Measure.NULLS: "% points",
    Measure.SHIFT: "sd",
}
"""The unit of a measure's difference, limit and band, where they are numbers of a table."""


def number(measure: Measure, difference: float | None) -> float | None:
    """A difference, a limit or a band as a number in that unit, so that a table sorts by it."""
    if difference is None:
        return None
    return 100 * difference if measure in _SHARES else difference


_SHARES = (Measure.NEW, Measure.NULLS)


def finding(check: StatChange | Measured, far: Collection[str] = ()) -> str:
    """A finding in words, such as "breach, could be noise".

    `far` has the columns with values far outside the former range.
    """
    word = STATES[check.finding][1]
    if check.finding is Finding.BREACH and distorts(check, far):
        return f"{word}, far values"
    return f"{word}, could be noise" if check.could_be_noise else word
