"""Figures as plain dictionaries: Plotly Express would cost five times the server's time."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

from console.words import percent
from core.records import Finding, StatChange, figure

COLOURS = {Finding.WITHIN: "#5b8fa8", Finding.BREACH: "#d1495b", Finding.UNDEFINED: "#9a9a9a"}
NOISE = "#b08ea2"
LIMIT = "#e09f3e"
BAND = "rgba(128,128,128,0.28)"
GRID = "rgba(128,128,128,0.25)"
TITLES = {"mean": "Mean", "std": "Spread (std)", "50": "Median", "75": "Upper quartile"}

_PATTERNS = {Finding.WITHIN: "", Finding.BREACH: "/", Finding.UNDEFINED: "x"}
_FLOOR = 1e-4
_ROOM = 60


def png(filename: str) -> dict[str, Any]:
    """A chart's toolbar: one button, which saves it as a PNG of that name at twice its size."""
    return {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "png", "filename": filename, "scale": 2},
    }


def ratios(
    shown: Sequence[StatChange], names: Sequence[str], title: str, *, largest: float
) -> dict[str, Any]:
    """Ratios as bars against their limits and their no-drift bands, one bar a name.

    The axis is logarithmic and the same for every chart that is given the same `largest`: one
    batch's ratios span from nothing to tens of thousands of per cent. Breaches are hatched as
    well as red, and those that could be noise are dotted, so that colour is not the only sign.
    """
    ends = log10(_FLOOR), log10(max(largest, 1) * _ROOM)  # room for the figure behind the bar
    layout = {
        "height": 70 + 40 * max(len(shown), 4),
        "margin": {"l": 8, "r": 8, "t": 36, "b": 28},
        "title": {"text": title, "font": {"size": 14}, "x": 0.02, "y": 0.98},
        "bargap": 0.35,
        "barmode": "overlay",
        "showlegend": False,
        "xaxis": {
            "type": "log",
            "range": list(ends),
            "tickvals": [0.001, 0.01, 0.1, 1, 10, 100],
            "ticktext": ["", "1%", "", "100%", "", "10,000%"],
            "tickangle": 0,
            "gridcolor": GRID,
        },
        "yaxis": {"autorange": "reversed", "automargin": True},
    }
    end = 10 ** ends[1] / (_ROOM / 2)
    data = [
        _bands(shown, names, end),
        _bars(shown, names),
        _limits(shown, names),
        _told(shown, names, end),
    ]
    return {"data": data, "layout": layout}


def _bands(shown: Sequence[StatChange], names: Sequence[str], end: float) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "x": [min(max(c.band or 0, _FLOOR), end) for c in shown],
        "y": list(names),
        "width": [0.95] * len(shown),
        "marker": {"color": BAND, "line": {"width": 1, "color": "rgba(128,128,128,0.7)"}},
        "customdata": [percent(c.band) if c.band is not None else "not known" for c in shown],
        "hovertemplate": "by drawing alone up to %{customdata}<extra></extra>",
    }


def _bars(shown: Sequence[StatChange], names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "x": [max(c.ratio or 0, _FLOOR) for c in shown],
        "y": list(names),
        "width": [0.55] * len(shown),
        "marker": {
            "color": [NOISE if c.could_be_noise else COLOURS[c.finding] for c in shown],
            "pattern": {
                "shape": ["." if c.could_be_noise else _PATTERNS[c.finding] for c in shown],
                "fillmode": "overlay",
                "fgcolor": "rgba(255,255,255,0.55)",
            },
        },
        "customdata": [
            [
                c.name,
                percent(c.ratio),
                _number(c.reference),
                _number(c.current),
                percent(c.limit),
                percent(c.band) if c.band is not None else "not known",
                "<br>could be noise" if c.could_be_noise else "",
            ]
            for c in shown
        ],
        "hovertemplate": (
            "%{customdata[0]}: %{customdata[1]} (limit %{customdata[4]})"
            "<br>%{customdata[2]} → %{customdata[3]}"
            "<br>by drawing alone up to %{customdata[5]}%{customdata[6]}<extra></extra>"
        ),
    }


def _told(shown: Sequence[StatChange], names: Sequence[str], end: float) -> dict[str, Any]:
    """Each ratio as a figure, to the right of everything that is drawn for it."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": [max(c.ratio or _FLOOR, min(c.band or _FLOOR, end), c.limit) * 1.25 for c in shown],
        "y": list(names),
        "text": [percent(c.ratio) + (" ~" if c.could_be_noise else "") for c in shown],
        "textposition": "middle right",
        "cliponaxis": False,
        "hoverinfo": "skip",
    }


def _limits(shown: Sequence[StatChange], names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [c.limit for c in shown],
        "y": list(names),
        "marker": {"symbol": "line-ns-open", "size": 26, "line": {"width": 3}, "color": LIMIT},
        "hovertemplate": "limit %{x:.0%}<extra></extra>",
    }


def _number(value: float | None) -> str:
    return "none" if value is None else figure(value)
