"""Colours and parts that several figures share; figures are dictionaries in Plotly's JSON form."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Any

from core.domain.number_format import figure

GRID = "rgba(128,128,128,0.25)"
LIMIT = "#e09f3e"
REFERENCE, CURRENT = "#8c8c8c", "#17958d"
HATCH = {"fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.55)"}
"""The pattern of a hatched bar, without its shape."""

TRANSPARENT: dict[str, Any] = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}

_MANY_DECADES = 3


def png(filename: str) -> dict[str, Any]:
    """A chart's toolbar with one button, which saves a PNG of that name at double size."""
    return {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "png", "filename": filename, "scale": 2},
    }


def layout(height: int, *, top: int = 8, bottom: int = 40, **more: Any) -> dict[str, Any]:
    """A figure's height, its margins, and no legend, unless `more` replaces them."""
    margin = {"l": 8, "r": 8, "t": top, "b": bottom}
    return {"height": height, "margin": margin, "showlegend": False} | more


def bars(x: Sequence[Any], y: Sequence[Any], **more: Any) -> dict[str, Any]:
    """Horizontal bars."""
    return {"type": "bar", "orientation": "h", "x": list(x), "y": list(y)} | more


def points(mode: str, x: Sequence[Any], y: Sequence[Any], **more: Any) -> dict[str, Any]:
    """Markers, lines or texts, as Plotly's `mode` says."""
    return {"type": "scatter", "mode": mode, "x": list(x), "y": list(y)} | more


def title(text: str, size: int = 12) -> dict[str, Any]:
    """A title of an axis or a figure."""
    return {"text": text, "font": {"size": size}}


PER_CENT: dict[str, Any] = {"ticksuffix": " %"}
"""An axis of shares, whose values `per_cent` gives; Plotly's own format has no space."""


def per_cent(shares: Sequence[float | None]) -> list[float | None]:
    """Shares in per cent."""
    return [None if share is None else 100 * share for share in shares]


def from_zero() -> dict[str, Any]:
    """An axis from zero with grid lines."""
    return {"gridcolor": GRID, "rangemode": "tozero"}


def line_across(axis: str, at: float, colour: str, dash: str, **more: Any) -> dict[str, Any]:
    """A line at a value of an axis, such as "x" or "y2", across the whole figure."""
    along, across = axis[0], "y" if axis[0] == "x" else "x"
    return {
        "type": "line",
        f"{along}ref": axis,
        f"{along}0": at,
        f"{along}1": at,
        f"{across}ref": "paper",
        f"{across}0": 0,
        f"{across}1": 1,
        "line": {"color": colour, "width": 2, "dash": dash},
    } | more


EVERY_NAME: dict[str, Any] = {
    "tickmode": "linear", "dtick": 1, "ticklabeloverflow": "allow", "automargin": True,
}  # fmt: skip
"""An axis of names: Plotly by itself leaves out those that seem too close together."""

_UPRIGHT_FROM = 45
"""From so many letters of batches' names on they stand upright, so that each has room."""


def batch_names(names: Sequence[str]) -> dict[str, Any]:
    """A horizontal axis of batches, each with its name."""
    upright = sum(len(name) + 1 for name in names) > _UPRIGHT_FROM
    return EVERY_NAME | {"type": "category", "tickangle": -90 if upright else 0}


EVERY_TICK: dict[str, Any] = {"ticklabeloverflow": "allow", "automargin": True}
"""The same where an axis has `tickvals` of its own: none is left out at the figure's edge."""


def even_ticks(low: float, high: float) -> list[float]:
    """Two to five round values between two others, in even steps; also of a logarithmic axis."""
    rough = (high - low) / 2
    size = 10.0 ** floor(log10(rough))
    step = max(size * m for m in (1, 2, 5) if size * m <= rough)
    return [step * n for n in range(ceil(low / step), floor(high / step) + 1)]


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis: 1, 2 and 5 of each decade, or decades only if there are many."""
    first, last = floor(log10(low)), ceil(log10(high))
    steps = (1, 2, 5) if last - first <= _MANY_DECADES else (1,)
    every = range(first, last + 1, max((last - first) // 8, 1))
    ticks = [s * 10.0**n for n in every for s in steps if low <= s * 10.0**n <= high]
    return {"tickvals": ticks, "ticktext": [figure(t) for t in ticks], "tickangle": 0}
