"""How far a column drifted, in words: which figure, and how many times its limit. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from console.text.measures import NAMES
from core.domain.drift import Finding, Measure, StoredReport
from core.domain.number_format import percent
from core.rules.drift.column_weights import MOST_TIMES, ColumnWeight
from core.rules.drift.compare import WORDS
from core.rules.drift.references import against

_LISTED = 3
"""The most columns that a sentence names."""

_FIGURES = WORDS | {measure.value: NAMES[measure].lower() for measure in Measure}


def figure_of(weight: ColumnWeight) -> str:
    """The statistic or measure that drifted most; "drift" where it is not on record."""
    return _FIGURES.get(weight.by, "drift")


def times(weight: ColumnWeight) -> str:
    """The drift in multiples of the limit: "7.6 times its limit"."""
    is_most = weight.drift >= MOST_TIMES
    amount = f"at least {MOST_TIMES:g}" if is_most else f"{weight.drift:.1f}"
    return f"{amount} times its limit"


def with_importance(weight: ColumnWeight) -> str:
    """The figure, its drift, and the column's importance if it is known."""
    importance = f", importance {percent(weight.importance)}" if weight.importance else ""
    return f"{figure_of(weight)} {times(weight)}{importance}"


def other_reference(report: StoredReport, beyond: Sequence[ColumnWeight]) -> str:
    """What the comparison with another reference found, in a sentence that names it.

    `beyond` are the columns beyond a limit there, the weightiest first.
    """
    breaches = sum(c.finding is Finding.BREACH for c in report.report.changes)
    measured = len(report.report.measure_reasons)
    found = [f"{breaches} above the limit of the drift rule" if breaches else "no breach"]
    if measured:
        noun = "measure" if measured == 1 else "measures"
        found.append(f"{measured} additional {noun} beyond limit and noise")
    sentence = f"Against {against(report)}: {', '.join(found)}."
    if not beyond:
        return sentence
    named = "; ".join(f"{w.label}, {figure_of(w)} {times(w)}" for w in beyond[:_LISTED])
    more = f"; and {len(beyond) - _LISTED} more" if len(beyond) > _LISTED else ""
    return f"{sentence} Columns beyond their limit there: {named}{more}."
