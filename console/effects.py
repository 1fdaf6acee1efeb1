"""The figures of one prediction, as plain dictionaries: its range, and the way to it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from typing import Any

from console.predicting import Answer, Step, amount
from core.records import figure

UP, DOWN, ANSWER, POINT = "#2a7f9e", "#c8553d", "#1d8a86", "#e09f3e"
_FEWEST_DECADES = 0.2
_MANY_DECADES = 4
_LEAST_ON_LOG = 1e-6
_SHORT_WAY = 6
_ROW, _FRAME = 34, 64
_LONGEST = 22
_CLEAR = "rgba(0,0,0,0)"


def inert(text: str, longest: int = _LONGEST) -> str:
    """Text from data for a figure, which takes some HTML; cut to what fits."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return escape(cut, quote=False)


def span(answer: Answer, unit: str, *, on_log: bool) -> dict[str, Any]:
    """The range as a line with the prediction on it; needs `low` and `high`."""
    low, high = answer.low or 0.0, answer.high or 0.0
    at = [low, answer.prediction, high]
    is_log = on_log and low > _LEAST_ON_LOG
    axis = _axis(at, is_log=is_log, room=0.12)
    trace = {
        "type": "scatter",
        "mode": "lines+markers+text",
        "x": at,
        "y": [0, 0, 0],
        "line": {"width": 8, "color": ANSWER},
        "marker": {
            "size": [14, 18, 14],
            "symbol": ["line-ns-open", "diamond", "line-ns-open"],
            "opacity": 1,
            "color": [ANSWER, POINT, ANSWER],
            "line": {"width": 3, "color": [ANSWER, POINT, ANSWER]},
        },
        "text": [figure(x) for x in at],
        "textposition": ["bottom center", "top center", "bottom center"],
        "hovertext": [
            f"low end: {amount(low, unit)}",
            f"prediction: {amount(answer.prediction, unit)}",
            f"high end: {amount(high, unit)}",
        ],
        "hoverinfo": "text",
        "cliponaxis": False,
    }
    layout = _layout(92) | {
        "xaxis": axis | {"visible": False, "fixedrange": True},
        "yaxis": {"visible": False, "range": [-1, 1], "fixedrange": True},
        "margin": {"l": 12, "r": 12, "t": 4, "b": 4},
    }
    return {"data": [trace], "layout": layout}


def way(pushed: Sequence[Step], *, on_log: bool) -> dict[str, Any]:
    """The way from the starting point to the answer, a bar for each field, largest first.

    Up and down differ in colour, hatching and sign; on the log scale equal pushes are of equal
    length wherever they stand.
    """
    ends = [end for s in pushed for end in (s.start, s.end)]
    is_log = on_log and min(ends, default=0.0) > _LEAST_ON_LOG
    # Two fields may have one label, and a bar needs a place of its own.
    names = [f"{inert(s.label)}<br><i>{inert(s.value)}</i>" for s in pushed]
    places = list(range(len(pushed)))
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": places,
        "base": [s.start for s in pushed],
        "x": [s.end - s.start for s in pushed],
        "marker": {
            "color": [UP if s.effect >= 0 else DOWN for s in pushed],
            "pattern": {
                "shape": ["" if s.effect >= 0 else "/" for s in pushed],
                "fillmode": "overlay",
                "fgcolor": "rgba(255,255,255,0.55)",
            },
        },
        "hovertext": [
            f"{inert(s.label, 60)} = {inert(s.value, 60)}: {s.words}"
            f"<br>{figure(s.start)} → {figure(s.end)}"
            for s in pushed
        ],
        "hoverinfo": "text",
    }
    said = {
        "type": "scatter",
        "mode": "text",
        "y": places,
        "x": [max(s.start, s.end) for s in pushed],
        "text": [f"  {_arrow(s)} {s.words}" for s in pushed],
        "textposition": "middle right",
        "hoverinfo": "skip",
        "cliponaxis": False,
    }
    layout = _layout(_ROW * len(pushed) + _FRAME) | {
        "bargap": 0.4,
        "xaxis": _axis(ends, is_log=is_log, room=0.3) | {"gridcolor": "rgba(128,128,128,0.25)"},
        "yaxis": {
            "tickvals": places,
            "ticktext": names,
            "autorange": "reversed",
            "automargin": True,
            "fixedrange": True,
            "zeroline": False,
            "showgrid": False,
        },
        "shapes": [_mark(pushed[-1].end)] if pushed else [],
    }
    return {"data": [bars, said], "layout": layout}


def _arrow(step: Step) -> str:
    """Which way it pushed; none where what is said of it is nothing."""
    if not set("123456789") & set(step.words):
        return ""
    return "▲" if step.effect >= 0 else "▼"


def _mark(at: float) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": at,
        "x1": at,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"color": ANSWER, "width": 2, "dash": "dot"},
    }


def _axis(values: Sequence[float], *, is_log: bool, room: float) -> dict[str, Any]:
    """An axis over the values, with room for what is written beside them."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if is_log:
        low, high = log10(low), log10(high)
    wide = max(high - low, _FEWEST_DECADES if is_log else abs(high) * 0.01, 1e-9)
    axis = {"range": [low - wide * 0.12, high + wide * room], "tickangle": 0, "fixedrange": True}
    if not is_log:
        return axis | {"type": "linear", "nticks": 5, "zeroline": False}
    shown = _ticks(10 ** axis["range"][0], 10 ** axis["range"][1])  # type: ignore[index]
    return axis | {"type": "log", "tickvals": shown, "ticktext": [figure(t) for t in shown]}


def _ticks(low: float, high: float) -> list[float]:
    """Some round values between two: 1, 2 and 5 of each decade, or even steps on a short way."""
    if high / low > _SHORT_WAY:
        decades = range(floor(log10(low)), ceil(log10(high)) + 1)
        marks = (1,) if len(decades) > _MANY_DECADES else (1, 2, 5)
        ticks = [m * 10.0**e for e in decades for m in marks]
    else:
        rough = (high - low) / 4
        size = 10.0 ** floor(log10(rough))
        step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough)
        ticks = [step * n for n in range(ceil(low / step), floor(high / step) + 1)]
    return [t for t in ticks if low <= t <= high]


def _layout(height: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 32},
        "showlegend": False,
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
    }
