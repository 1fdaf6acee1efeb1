"""The Drift page's other figures: distributions overlaid, and errors batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Any

from console.charts import GRID
from core.advice import BatchScore
from core.records import figure
from core.shape import Overlay

REFERENCE, CURRENT = "#8c8c8c", "#17958d"


def distribution(
    seen: Overlay, names: tuple[str, str], unit: str, *, logarithmic: bool
) -> dict[str, Any]:
    """Two shapes over each other: the reference as an area, the current as a line."""
    axis: dict[str, Any] = {
        "title": {"text": unit, "font": {"size": 12}},
        "type": "log" if logarithmic else "linear",
        "gridcolor": GRID,
    }
    if logarithmic:
        ticks = _decades(seen.edges[0], seen.edges[-1])
        axis |= {"tickvals": ticks, "ticktext": [figure(t) for t in ticks]}
    if seen.values and not logarithmic:
        data = [
            _columns(seen.values, seen.reference, names[0], REFERENCE, ""),
            _columns(seen.values, seen.current, names[1], CURRENT, "/"),
        ]
    else:
        data = [
            _stairs(seen.edges, seen.reference, names[0], REFERENCE, fill=True),
            _stairs(seen.edges, seen.current, names[1], CURRENT, fill=False),
        ]
    return {
        "data": data,
        "layout": {
            "height": 340,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 40},
            "barmode": "group",
            "bargap": 0.2,
            "legend": {"orientation": "h", "y": 1.08, "x": 0},
            "xaxis": axis,
            "yaxis": {
                "tickformat": ".0%",
                "title": {"text": "share of rows", "font": {"size": 12}},
                "gridcolor": GRID,
                "rangemode": "tozero",
            },
        },
    }


def _decades(low: float, high: float) -> list[float]:
    """Round places on a logarithmic axis: 1, 2 and 5 of each decade, or decades alone if many."""
    first, last = floor(log10(low)), ceil(log10(high))
    steps = (1, 2, 5) if last - first <= 3 else (1,)  # noqa: PLR2004
    every = range(first, last + 1, max((last - first) // 8, 1))
    return [s * 10.0**n for n in every for s in steps if low <= s * 10.0**n <= high]


def _columns(
    values: Sequence[float], shares: Sequence[float], name: str, colour: str, pattern: str
) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": list(values),
        "y": list(shares),
        "name": name,
        "marker": {"color": colour, "pattern": {"shape": pattern}},
        "hovertemplate": "%{x:,}: %{y:.1%}<extra>" + name + "</extra>",
    }


def _stairs(
    edges: Sequence[float], shares: Sequence[float], name: str, colour: str, *, fill: bool
) -> dict[str, Any]:
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": list(edges),
        "y": [*shares, shares[-1]],
        "name": name,
        "line": {"shape": "hv", "color": colour, "width": 1 if fill else 2.5},
        "hovertemplate": "from %{x:,.4g}: %{y:.1%}<extra>" + name + "</extra>",
    }
    if fill:
        trace |= {"fill": "tozeroy", "fillcolor": "rgba(140,140,140,0.35)"}
    return trace


def errors(found: Sequence[tuple[int, BatchScore]], chosen: int, unit: str) -> dict[str, Any]:
    """One version's mean absolute error by batch, with two standard errors either way."""
    known = [(n, s) for n, s in found if "mae" in s.metrics]
    names = [str(n) for n, _ in known]
    return {
        "data": [
            {
                "type": "bar",
                "x": names,
                "y": [s.metrics["mae"] for _, s in known],
                "error_y": {
                    "type": "data",
                    "array": [2 * s.spread / s.rows**0.5 for _, s in known],
                    "color": "#777777",
                },
                "marker": {
                    "color": [CURRENT if s.batch_id == chosen else REFERENCE for _, s in known],
                    "pattern": {"shape": ["/" if s.batch_id == chosen else "" for _, s in known]},
                },
                "customdata": [[f"{s.rows:,}", figure(s.metrics["mae"])] for _, s in known],
                "hovertemplate": (
                    "batch %{x}: %{customdata[1]} on %{customdata[0]} held-out rows<extra></extra>"
                ),
            }
        ],
        "layout": {
            "height": 280,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 40},
            "showlegend": False,
            "xaxis": {"type": "category", "tickangle": 0, "title": {"text": "batch"}},
            "yaxis": {
                "title": {"text": f"mean absolute error{f' ({unit})' if unit else ''}"},
                "gridcolor": GRID,
                "rangemode": "tozero",
            },
        },
    }
