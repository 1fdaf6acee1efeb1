"""Figures as plain dictionaries: Plotly Express would cost five times the server's time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.words import percent
from core.dataset import STATISTICS
from core.records import Finding, StatChange

COLOURS = {Finding.WITHIN: "#5b8fa8", Finding.BREACH: "#d1495b", Finding.UNDEFINED: "#9a9a9a"}
_PATTERNS = {Finding.WITHIN: "", Finding.BREACH: "/", Finding.UNDEFINED: "x"}
_TITLES = {"mean": "Mean", "std": "Spread (std)", "50": "Median", "75": "Upper quartile"}
_FLOOR = 1e-4


def ratios(changes: Sequence[StatChange], labels: dict[str, str]) -> dict[str, Any]:
    """The ratios of one report as bars against their limits, a panel for each statistic.

    The axis is logarithmic: one batch's ratios span from nothing to tens of thousands of per cent.
    Breaches are hatched as well as red, so that colour is not the only sign.
    """
    panels = [[c for c in changes if c.statistic == s] for s in STATISTICS]
    data: list[dict[str, Any]] = []
    layout = _layout(len(panels))
    top = max([c.ratio or 0 for c in changes] + [c.limit for c in changes], default=1) * 3
    for n, panel in enumerate(panels, start=1):
        axis = "" if n == 1 else str(n)
        data += [_bars(panel, labels, axis), _limits(panel, labels, axis)]
        layout[f"xaxis{axis}"] |= {"range": _log_range(top)}
        layout["annotations"].append(_heading(n, len(panels)))
    return {"data": data, "layout": layout}


def _bars(panel: Sequence[StatChange], labels: dict[str, str], axis: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "x": [max(c.ratio or 0, _FLOOR) for c in panel],
        "y": [labels[c.column] for c in panel],
        "text": [percent(c.ratio) for c in panel],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {
            "color": [COLOURS[c.finding] for c in panel],
            "pattern": {
                "shape": [_PATTERNS[c.finding] for c in panel],
                "fillmode": "overlay",
                "fgcolor": "rgba(255,255,255,0.55)",
            },
        },
        "customdata": [
            [c.name, _number(c.reference), _number(c.current), percent(c.limit)] for c in panel
        ],
        "hovertemplate": (
            "%{customdata[0]}: %{text} (limit %{customdata[3]})"
            "<br>%{customdata[1]} → %{customdata[2]}<extra></extra>"
        ),
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "showlegend": False,
    }


def _limits(panel: Sequence[StatChange], labels: dict[str, str], axis: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [c.limit for c in panel],
        "y": [labels[c.column] for c in panel],
        "marker": {"symbol": "line-ns-open", "size": 26, "line": {"width": 3}, "color": "#e09f3e"},
        "name": "limit",
        "hovertemplate": "limit %{x:.0%}<extra></extra>",
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "showlegend": axis == "",
    }


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:,.6g}"


def _log_range(top: float) -> list[float]:
    from math import log10  # noqa: PLC0415

    return [log10(_FLOOR), log10(max(top, 1) * 10)]


def _layout(panels: int) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "height": 300,
        "margin": {"l": 10, "r": 10, "t": 40, "b": 40},
        "annotations": [],
        "legend": {"orientation": "h", "y": -0.12, "x": 0},
        "bargap": 0.35,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    for n in range(1, panels + 1):
        axis = "" if n == 1 else str(n)
        layout[f"xaxis{axis}"] = {
            "type": "log",
            "domain": _domain(n, panels),
            "anchor": f"y{axis}",
            "tickvals": [0.001, 0.01, 0.15, 1, 10, 100],
            "ticktext": ["0.1 %", "1 %", "15 %", "100 %", "1,000 %", "10,000 %"],
            "gridcolor": "rgba(128,128,128,0.2)",
        }
        layout[f"yaxis{axis}"] = {
            "anchor": f"x{axis}",
            "autorange": "reversed",
            "showticklabels": n == 1,
            "automargin": True,
        }
    return layout


def _domain(n: int, panels: int) -> list[float]:
    width = 1 / panels
    return [(n - 1) * width + (0.02 if n > 1 else 0), n * width - 0.02]


def _heading(n: int, panels: int) -> dict[str, Any]:
    return {
        "text": f"<b>{_TITLES[STATISTICS[n - 1]]}</b>",
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": _domain(n, panels)[0],
        "y": 1.14,
        "xanchor": "left",
    }
