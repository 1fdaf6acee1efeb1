"""Cells of a data grid that are read as words and sorted as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from console.text import formatting
from core.domain.dossier import Difference
from core.domain.metrics import Metric
from core.rules.model import metric_comparison

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler


class Shown(NamedTuple):
    """A cell with the number that sorts it and the text that shows it; None sorts last."""

    number: float | None
    text: str


def as_grid(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]] | Styler:
    """The rows as Streamlit's grid takes them, each `Shown` cell as a number with its text."""
    named = dict.fromkeys(n for row in rows for n, v in row.items() if isinstance(v, Shown))
    if not named:
        return rows
    plain = [{n: v.number if isinstance(v, Shown) else v for n, v in row.items()} for row in rows]
    frame = pd.DataFrame(plain, columns=list(rows[0]))
    frame = frame.astype(dict.fromkeys(named, "float64"))
    styled = frame.style
    for name in named:
        numbers = frame[name].tolist()
        texts = [row[name].text if isinstance(row.get(name), Shown) else "-" for row in rows]
        by_number = dict(zip(numbers, texts, strict=True))
        is_known = not frame[name].isna().any()
        if is_known and all(by_number[n] == text for n, text in zip(numbers, texts, strict=True)):
            styled.format(_of(by_number), subset=[name])
            continue
        for place, text in enumerate(texts):  # slower: two cells have one number, or one has none
            styled.format(_always(text), subset=pd.IndexSlice[place, [name]])
    return styled


def _of(texts: Mapping[Any, str]) -> Callable[[Any], str]:
    return lambda number: texts[number]


def _always(text: str) -> Callable[[Any], str]:
    return lambda _number: text


def metric(name: str | Metric, value: float | None, unit: str = "", missing: str = "-") -> Shown:
    """A metric's value; `missing` is shown where there is none."""
    return Shown(value, missing if value is None else formatting.metric(name, value, unit))


def change(name: str, value: float, reference: float | None) -> Shown:
    """How a value differs from a reference in words; what got better most sorts first from above.

    The number is the relative improvement, as gates measure it.
    """
    if reference is None:
        return Shown(None, "-")
    words = metric_comparison.change(name, value, reference)
    return Shown(metric_comparison.improvement(name, value, reference), words)


def interval(name: str, difference: Difference, reference: float, unit: str = "") -> Shown:
    """A difference's interval in words, sorted as its change is."""
    words = metric_comparison.interval_in_words(name, difference, unit)
    return Shown(metric_comparison.relative_gain(name, difference.difference, reference), words)
