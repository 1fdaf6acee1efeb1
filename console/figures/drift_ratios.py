"""Plotly figures of drift ratios, as dictionaries: Plotly Express takes five times as long."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

from console.figures import style
from console.text.formatting import percent
from core.domain.drift import Finding, StatChange
from core.domain.number_format import figure

COLOURS = {Finding.WITHIN: "#5b8fa8", Finding.BREACH: "#d1495b", Finding.UNDEFINED: "#9a9a9a"}
NOISE = "#b08ea2"
BAND = "rgba(128,128,128,0.28)"
TITLES = {"mean": "Mean", "std": "Spread (std)", "50": "Median", "75": "Upper quartile"}

_PATTERNS = {Finding.WITHIN: "", Finding.BREACH: "/", Finding.UNDEFINED: "x"}
_FLOOR = 1e-4
_ROOM = 60


def ratios(
    shown: Sequence[StatChange], names: Sequence[str], title: str, *, largest: float
) -> dict[str, Any]:
    """Drift ratios as bars with their limits and noise bands, one bar for each name.

    The axis is logarithmic, since ratios of one batch range from 0 to over 10,000 %, and equal
    for charts with the same `largest`. Breaches are also hatched, and those that could be noise
    dotted, so that colour is not the only sign.
    """
    ends = log10(_FLOOR), log10(max(largest, 1) * _ROOM)  # room for the label beside the bar
    axis = {
        "type": "log",
        "range": list(ends),
        "tickvals": [0.001, 0.01, 0.1, 1, 10, 100],
        "ticktext": ["", "1 %", "10 %", "100 %", "", "10,000 %"],
        "title": style.title("Relative change, log scale", 11),
        "tickangle": 0,
        "gridcolor": style.GRID,
    }
    layout = style.layout(
        84 + 40 * max(len(shown), 4), top=36, bottom=42,
        title=style.title(title, 14) | {"x": 0.02, "y": 0.98}, bargap=0.35, barmode="overlay",
        xaxis=axis, yaxis={"autorange": "reversed", "automargin": True},
    )  # fmt: skip
    end = 10 ** ends[1] / (_ROOM / 2)
    data = [
        _bands(shown, names, end),
        _bars(shown, names),
        _limits(shown, names),
        _labels(shown, names, end),
    ]
    return {"data": data, "layout": layout}


def _bands(shown: Sequence[StatChange], names: Sequence[str], end: float) -> dict[str, Any]:
    return style.bars([min(max(c.band or 0, _FLOOR), end) for c in shown], names) | {
        "width": [0.95] * len(shown),
        "marker": {"color": BAND, "line": {"width": 1, "color": "rgba(128,128,128,0.7)"}},
        "customdata": [percent(c.band) if c.band is not None else "unknown" for c in shown],
        "hovertemplate": "noise band up to %{customdata}<extra></extra>",
    }


def _bars(shown: Sequence[StatChange], names: Sequence[str]) -> dict[str, Any]:
    return style.bars([max(c.ratio or 0, _FLOOR) for c in shown], names) | {
        "width": [0.55] * len(shown),
        "marker": {
            "color": [NOISE if c.could_be_noise else COLOURS[c.finding] for c in shown],
            "pattern": {
                "shape": ["." if c.could_be_noise else _PATTERNS[c.finding] for c in shown],
                **style.HATCH,
            },
        },
        "customdata": [
            [
                c.name,
                percent(c.ratio),
                _number(c.reference),
                _number(c.current),
                percent(c.limit),
                percent(c.band) if c.band is not None else "unknown",
                "<br>could be noise" if c.could_be_noise else "",
            ]
            for c in shown
        ],
        "hovertemplate": (
            "%{customdata[0]}: %{customdata[1]} (limit %{customdata[4]})"
            "<br>%{customdata[2]} → %{customdata[3]}"
            "<br>noise band up to %{customdata[5]}%{customdata[6]}<extra></extra>"
        ),
    }


def _labels(shown: Sequence[StatChange], names: Sequence[str], end: float) -> dict[str, Any]:
    """Each ratio as text, to the right of its bar, band and limit."""
    x = [max(c.ratio or _FLOOR, min(c.band or _FLOOR, end), c.limit) * 1.25 for c in shown]
    return style.points("text", x, names) | {
        "text": [percent(c.ratio) + (" ~" if c.could_be_noise else "") for c in shown],
        "textposition": "middle right",
        "cliponaxis": False,
        "hoverinfo": "skip",
    }


def _limits(shown: Sequence[StatChange], names: Sequence[str]) -> dict[str, Any]:
    mark = {"symbol": "line-ns-open", "size": 26, "line": {"width": 3}, "color": style.LIMIT}
    return style.points("markers", [c.limit for c in shown], names, marker=mark) | {
        "customdata": [percent(c.limit) for c in shown],
        "hovertemplate": "limit %{customdata}<extra></extra>",
    }


def _number(value: float | None) -> str:
    return "none" if value is None else figure(value)
