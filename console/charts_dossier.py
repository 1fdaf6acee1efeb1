"""The dossier's figures, as plain dictionaries: intervals, slices, predictions and residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from console import words
from core.dataset import METRICS
from core.records import figure

CANDIDATE = "#0f8b8d"
CHAMPION = "#c98a2b"
_GRID = "rgba(128,128,128,0.25)"
_ZERO = "rgba(128,128,128,0.9)"


def _layout(height: int, **more: Any) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 28, "b": 36},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {"orientation": "h", "y": 1.12, "x": 0},
    } | more


def intervals(dossier: Mapping[str, Any]) -> dict[str, Any]:
    """Each metric's difference to the champion with its 95 % interval, relative to the champion.

    To the right is better, whatever the metric: errors are drawn with their sign turned.
    """
    champion = dossier["champion"]["metrics"]
    names, x, plus, minus, texts, colours = [], [], [], [], [], []
    for name, d in dossier["differences"].items():
        scale = (1.0 - champion[name]) if METRICS[name] else champion[name]
        if not scale:
            continue
        sign = 1.0 if METRICS[name] else -1.0
        middle, ends = (
            sign * d["difference"] / scale,
            sorted((sign * d["low"] / scale, sign * d["high"] / scale)),
        )
        names.append(words.METRICS[name])
        x.append(middle)
        minus.append(middle - ends[0])
        plus.append(ends[1] - middle)
        colours.append(CANDIDATE if ends[0] > 0 else CHAMPION if ends[1] < 0 else "#8a8f94")
        texts.append(f"{middle:+.1%} ({ends[0]:+.1%} to {ends[1]:+.1%})")
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": names,
        "error_x": {
            "type": "data", "array": plus, "arrayminus": minus, "thickness": 2, "width": 6,
            "color": "#8a8f94",
        },
        "marker": {"size": 11, "color": colours, "symbol": "diamond"},
        "customdata": texts,
        "hovertemplate": "%{y}: %{customdata}<extra></extra>",
    }  # fmt: skip
    layout = _layout(
        60 + 42 * max(len(names), 1),
        showlegend=False,
        xaxis={
            "tickformat": "+.0%",
            "gridcolor": _GRID,
            "zeroline": True,
            "zerolinecolor": _ZERO,
            "zerolinewidth": 2,
            "title": {"text": "worse  ·  better than the champion", "font": {"size": 12}},
        },
        yaxis={"autorange": "reversed", "automargin": True},
    )
    return {"data": [trace], "layout": layout}


def slices(found: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> dict[str, Any]:
    """Both models' mean absolute error on each slice, as pairs of points."""
    names = [f"{labels.get(s['by'], s['by'])}: {s['value']} ({s['rows']:,})" for s in found]
    traces: list[dict[str, Any]] = []
    for key, name, colour, symbol in (
        ("champion", "Champion", CHAMPION, "circle-open"),
        ("candidate", "Candidate", CANDIDATE, "diamond"),
    ):
        values = [s[key] for s in found]
        if any(value is not None for value in values):
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": values,
                    "y": names,
                    "marker": {"size": 10, "color": colour, "symbol": symbol, "line": {"width": 2}},
                    "hovertemplate": "%{y}<br>" + name + ": %{x:,.4g}<extra></extra>",
                }
            )
    layout = _layout(
        70 + 24 * max(len(names), 1),
        xaxis={"gridcolor": _GRID, "rangemode": "tozero", "title": {"text": "mean absolute error"}},
        yaxis={"autorange": "reversed", "automargin": True, "gridcolor": _GRID},
    )
    return {"data": traces, "layout": layout}


def predictions(points: Mapping[str, Sequence[float]], *, log: bool, unit: str) -> dict[str, Any]:
    """Predicted against actual, with the line on which they are equal."""
    actual = points["actual"]
    low, high = min(actual, default=0), max(actual, default=1)
    kind = "log" if log and low > 0 else "linear"
    axis = {"type": kind, "gridcolor": _GRID}
    suffix = f" ({unit})" if unit else ""
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [low, high],
            "y": [low, high],
            "line": {"color": _ZERO, "dash": "dot", "width": 1.5},
            "hoverinfo": "skip",
            "showlegend": False,
        }
    ]
    traces += [
        _cloud(points, key, points[key]) for key in ("champion", "candidate") if key in points
    ]
    layout = _layout(
        360,
        xaxis=axis | {"title": {"text": f"actual{suffix}"}},
        yaxis=axis | {"title": {"text": f"predicted{suffix}"}},
    )
    return {"data": traces, "layout": layout}


def residuals(points: Mapping[str, Sequence[float]], *, log: bool, unit: str) -> dict[str, Any]:
    """How far off each answer is, relatively, against the actual value."""
    actual = points["actual"]
    kind = "log" if log and min(actual, default=0) > 0 else "linear"
    traces = [
        _cloud(
            points,
            key,
            [(p - a) / abs(a) if a else 0.0 for a, p in zip(actual, points[key], strict=True)],
        )
        for key in ("champion", "candidate")
        if key in points
    ]
    layout = _layout(
        360,
        xaxis={
            "type": kind,
            "gridcolor": _GRID,
            "title": {"text": f"actual{f' ({unit})' if unit else ''}"},
        },
        yaxis={
            "tickformat": "+.0%",
            "gridcolor": _GRID,
            "range": [-1.05, 2.05],
            "zeroline": True,
            "zerolinecolor": _ZERO,
            "title": {"text": "predicted too low  ·  too high"},
        },
    )
    return {"data": traces, "layout": layout}


def _cloud(
    points: Mapping[str, Sequence[float]], key: str, values: Sequence[float]
) -> dict[str, Any]:
    mine = key == "candidate"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": key.capitalize(),
        "x": points["actual"],
        "y": values,
        "customdata": [
            [figure(a), figure(p)] for a, p in zip(points["actual"], points[key], strict=True)
        ],
        "marker": {
            "size": 6,
            "opacity": 0.6,
            "color": CANDIDATE if mine else CHAMPION,
            "symbol": "diamond" if mine else "circle-open",
        },
        "hovertemplate": "actual %{customdata[0]}<br>predicted %{customdata[1]}<extra></extra>",
    }


def importance(found: Mapping[str, float], labels: Mapping[str, str]) -> dict[str, Any]:
    """How much the error grows when a column is shuffled, the largest first."""
    order = sorted(found, key=lambda name: -found[name])
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [max(found[name], 0.0) for name in order],
        "y": [labels.get(name, name) for name in order],
        "text": [f"{found[name]:+.0%}" for name in order],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": CANDIDATE},
        "hovertemplate": "%{y}: %{text} error when shuffled<extra></extra>",
    }
    layout = _layout(
        60 + 26 * max(len(order), 1),
        showlegend=False,
        xaxis={"tickformat": "+.0%", "gridcolor": _GRID},
        yaxis={"autorange": "reversed", "automargin": True},
    )
    return {"data": [trace], "layout": layout}


def course(values: Sequence[float]) -> dict[str, Any]:
    """A figure's way over the last batches, oldest first, without axes: its shape is what tells."""
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "y": list(values),
        "x": [n - len(values) + 1 for n in range(len(values))],
        "text": [figure(value) for value in values],
        "line": {"color": CANDIDATE, "width": 2},
        "marker": {"size": 6, "color": CANDIDATE},
        "hovertemplate": "%{text}<extra></extra>",
    }
    hidden = {"visible": False, "fixedrange": True}
    layout = _layout(
        80,
        margin={"l": 8, "r": 8, "t": 6, "b": 6},
        showlegend=False,
        xaxis=hidden,
        yaxis=hidden | {"rangemode": "tozero"},
    )
    return {"data": [trace], "layout": layout}
