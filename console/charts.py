"""Figures as plain dictionaries: Plotly Express would cost five times the server's time."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

from console.words import percent
from core.records import Finding, StatChange, figure

COLOURS = {Finding.WITHIN: "#5b8fa8", Finding.BREACH: "#d1495b", Finding.UNDEFINED: "#9a9a9a"}
_PATTERNS = {Finding.WITHIN: "", Finding.BREACH: "/", Finding.UNDEFINED: "x"}
_TITLES = {"mean": "Mean", "std": "Spread (std)", "50": "Median", "75": "Upper quartile"}
LIMIT = "#e09f3e"
_FLOOR = 1e-4
_ROOM = 40


def ratios(changes: Sequence[StatChange], labels: dict[str, str], statistic: str) -> dict[str, Any]:
    """The ratios of one statistic as bars against their limits, a bar for each column.

    The axis is logarithmic and the same for every statistic: one batch's ratios span from nothing
    to tens of thousands of per cent. Breaches are hatched as well as red, so that colour is not
    the only sign.
    """
    shown = [c for c in changes if c.statistic == statistic]
    top = max([c.ratio or 0 for c in changes] + [c.limit for c in changes], default=1)
    names = [labels[c.column] for c in shown]
    layout = {
        "height": 270,
        "margin": {"l": 8, "r": 8, "t": 36, "b": 28},
        "title": {"text": _TITLES[statistic], "font": {"size": 14}, "x": 0.02, "y": 0.98},
        "bargap": 0.35,
        "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {
            "type": "log",
            # Room for the figure behind the longest bar.
            "range": [log10(_FLOOR), log10(max(top, 1) * _ROOM)],
            "tickvals": [0.001, 0.01, 0.1, 1, 10, 100],
            "ticktext": ["", "1%", "", "100%", "", "10,000%"],
            "tickangle": 0,
            "gridcolor": "rgba(128,128,128,0.25)",
        },
        "yaxis": {"autorange": "reversed", "automargin": True},
    }
    return {"data": [_bars(shown, names), _limits(shown, names)], "layout": layout}


def _bars(shown: Sequence[StatChange], names: list[str]) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "x": [max(c.ratio or 0, _FLOOR) for c in shown],
        "y": names,
        "text": [percent(c.ratio) for c in shown],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {
            "color": [COLOURS[c.finding] for c in shown],
            "pattern": {
                "shape": [_PATTERNS[c.finding] for c in shown],
                "fillmode": "overlay",
                "fgcolor": "rgba(255,255,255,0.55)",
            },
        },
        "customdata": [
            [c.name, _number(c.reference), _number(c.current), percent(c.limit)] for c in shown
        ],
        "hovertemplate": (
            "%{customdata[0]}: %{text} (limit %{customdata[3]})"
            "<br>%{customdata[1]} → %{customdata[2]}<extra></extra>"
        ),
    }


def _limits(shown: Sequence[StatChange], names: list[str]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [c.limit for c in shown],
        "y": names,
        "marker": {"symbol": "line-ns-open", "size": 26, "line": {"width": 3}, "color": LIMIT},
        "hovertemplate": "limit %{x:.0%}<extra></extra>",
    }


def _number(value: float | None) -> str:
    return "none" if value is None else figure(value)
