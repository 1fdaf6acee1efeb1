"""The additional drift measures as text, for the pages and the command line."""

from __future__ import annotations

from console.text.formatting import STATES
from core.domain.drift import Measure, Measured
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


def outcome(measured: Measured) -> str:
    """A difference as text, such as "0.3, breach (noise band 0.04)"."""
    word = STATES[measured.finding][1]
    if not measured.known:
        return word
    noise = ", could be noise" if measured.could_be_noise else ""
    band = f" (noise band {value(measured.measure, measured.band)})" if measured.band else ""
    return f"{value(measured.measure, measured.value)}, {word}{noise}{band}"
