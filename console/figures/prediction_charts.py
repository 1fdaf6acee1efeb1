"""Plotly figures of one prediction: its interval and its feature contributions."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import exp, log, log10
from typing import Any

from console.figures import style
from console.text.contributions import Step
from console.text.prediction import Answer, amount, probability_words
from core.domain.number_format import figure

UP, DOWN, ANSWER, POINT, START = "#2a7f9e", "#c8553d", "#1d8a86", "#e09f3e", "#8a8f98"
_FEWEST_DECADES, _FEWEST_TICKS = 0.2, 2
_LEAST_ON_LOG = 1e-6
_SHORT_AXIS = 6
_ROW, _FRAME = 34, 84
_BAR = 28
_LONGEST = 22
_SHARES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999)

MOST_BARS = 10
"""The maximum number of classes in the chart; the most probable ones are drawn."""


def inert(text: str, longest: int = _LONGEST) -> str:
    """Text from data, shortened and escaped, because Plotly renders some HTML."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return escape(cut, quote=False)


def interval(answer: Answer, unit: str, *, on_log: bool) -> dict[str, Any]:
    """The prediction interval as a line with the prediction on it; needs `low` and `high`."""
    low, high = answer.low or 0.0, answer.high or 0.0
    at = [low, answer.prediction, high]
    is_log = on_log and low > _LEAST_ON_LOG
    axis = _axis(at, is_log=is_log, room=0.12)
    trace = style.points("lines+markers+text", at, [0, 0, 0]) | {
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
            f"lower end: {amount(low, unit)}",
            f"prediction: {amount(answer.prediction, unit)}",
            f"upper end: {amount(high, unit)}",
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


def contributions(steps: Sequence[Step], *, on_log: bool, of_class: bool = False) -> dict[str, Any]:
    """A waterfall chart from the typical row to this one, one bar for each feature.

    Positive and negative effects differ in colour, hatching and sign. On a log axis equal effects
    have equal lengths. With `of_class` the axis is in log odds and its ticks are probabilities, so
    equal effects have equal lengths there, too.
    """
    ends = [end for s in steps for end in (s.start, s.end)]
    is_log = on_log and min(ends, default=0.0) > _LEAST_ON_LOG
    # Numeric positions, because two fields may share a label.
    names = [f"{inert(s.label)}<br><i>{inert(s.value)}</i>" for s in steps]
    places = list(range(len(steps)))
    bars = style.bars([s.end - s.start for s in steps], places) | {
        "base": [s.start for s in steps],
        "marker": {
            "color": [UP if s.effect >= 0 else DOWN for s in steps],
            "pattern": {"shape": ["" if s.effect >= 0 else "/" for s in steps], **style.HATCH},
        },
        "hovertext": [
            f"{inert(s.label, 60)} = {inert(s.value, 60)}: {s.words}<br>{s.ends[0]} → {s.ends[1]}"
            for s in steps
        ],
        "hoverinfo": "text",
    }
    labels = style.points("text", [s.end for s in steps], places) | {
        "text": [f" {_arrow(s)} {s.words} " for s in steps],
        "textposition": [f"middle {'right' if s.effect >= 0 else 'left'}" for s in steps],
        "hoverinfo": "skip",
        "cliponaxis": False,
    }
    between = [(s.start, s.ends[0], -0.75) for s in steps[:1]]
    between += [(s.end, s.ends[1], len(steps) - 0.25) for s in steps[-1:]]
    marks = style.points("text", [at for at, _, _ in between], [y for _, _, y in between]) | {
        "text": [
            f"{'typical row' if n == 0 else 'this row'}: {text}"
            for n, (_, text, _) in enumerate(between)
        ],
        "textposition": "middle center",
        "hoverinfo": "skip",
        "cliponaxis": False,
    }
    axis = _axis(ends, is_log=is_log, room=0.3, before=0.3)
    if is_log:
        axis["title"] = style.title("logarithmic: equal effects have equal lengths")
    layout = _layout(_ROW * len(steps) + _FRAME) | {
        "bargap": 0.4,
        "xaxis": axis
        | (_probabilities(axis["range"]) if of_class else {})
        | {"gridcolor": style.GRID},
        "yaxis": {
            "tickvals": places,
            "ticktext": names,
            "autorange": "reversed",
            **style.EVERY_TICK,
            "fixedrange": True,
            "zeroline": False,
            "showgrid": False,
        },
        "shapes": [
            style.line_across("x", at, colour, "dot", layer="below")
            for (at, _, _), colour in zip(between, (START, ANSWER), strict=False)
        ],
    }
    return {"data": [bars, labels, marks], "layout": layout}


def _probabilities(odds: Sequence[float]) -> dict[str, Any]:
    """Ticks of an axis between two log odds as probabilities: two at least, and few enough to fit.

    They are familiar ones if the axis is long, else in even steps.
    """
    low, high = odds
    ticks: dict[float, float] = {}
    for p in _SHARES:
        at = log(p / (1 - p))
        if low <= at <= high and at - max(ticks, default=-99.0) >= (high - low) / 6:
            ticks[at] = p
    if len(ticks) < _FEWEST_TICKS:
        first, last = (1 / (1 + exp(-end)) for end in odds)
        ticks = {log(p / (1 - p)): p for p in style.even_ticks(first, last) if 0 < p < 1}
    return {
        "tickvals": list(ticks),
        "ticktext": [f"{100 * p:.10g} %" for p in ticks.values()],
        "title": style.title("probability"),
    }


def probabilities(answer: Answer) -> dict[str, Any]:
    """The probability of each class as bars, the most probable first; the answer is marked.

    Classes in the prediction set are filled, others hatched.
    """
    ordered = sorted(answer.probabilities.items(), key=lambda item: -item[1])[:MOST_BARS]
    inside = set(answer.inside or ()) | {answer.label}
    places = list(range(len(ordered)))
    bars = style.bars([p for _, p in ordered], places) | {
        "marker": {
            "color": [ANSWER if label == answer.label else style.REFERENCE for label, _ in ordered],
            "pattern": {
                "shape": ["" if label in inside else "/" for label, _ in ordered],
                **style.HATCH,
            },
        },
        "text": [probability_words(p) for _, p in ordered],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertext": [f"{inert(label, 60)}: {probability_words(p)}" for label, p in ordered],
        "hoverinfo": "text",
    }
    layout = _layout(_BAR * len(ordered) + 24) | {
        "bargap": 0.3,
        "xaxis": {"range": [0, 1.15], "visible": False, "fixedrange": True},
        "yaxis": {
            "tickvals": places,
            "ticktext": [
                f"<b>{inert(label)}</b>" if label == answer.label else inert(label)
                for label, _ in ordered
            ],
            "autorange": "reversed",
            **style.EVERY_TICK,
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
        "margin": {"l": 8, "r": 12, "t": 4, "b": 4},
    }
    return {"data": [bars], "layout": layout}


def _arrow(step: Step) -> str:
    """The direction of the effect; empty if the effect rounds to zero."""
    if step.is_zero:
        return ""
    return "▲" if step.effect >= 0 else "▼"


def _axis(
    values: Sequence[float], *, is_log: bool, room: float, before: float = 0.12
) -> dict[str, Any]:
    """An axis over the values, with room for their labels, as shares of the values' range."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if is_log:
        low, high = log10(low), log10(high)
    wide = max(high - low, _FEWEST_DECADES if is_log else abs(high) * 0.01, 1e-9)
    axis = {"range": [low - wide * before, high + wide * room], "tickangle": 0, "fixedrange": True}
    if not is_log:
        low, high = axis["range"]  # type: ignore[misc]
        return axis | {"type": "linear", "zeroline": False} | _even(low, high)
    low, high = (10**end for end in axis["range"])  # type: ignore[attr-defined]
    ticks = style.log_ticks if high / low > _SHORT_AXIS else _even
    return axis | {"type": "log"} | ticks(low, high)


def _even(low: float, high: float) -> dict[str, Any]:
    """Ticks in even steps, with texts that differ."""
    ticks = style.even_ticks(low, high)
    return {"tickvals": ticks, "ticktext": [figure(t) for t in ticks]}


def _layout(height: int) -> dict[str, Any]:
    margin = {"l": 8, "r": 12, "t": 8, "b": 32}
    return style.layout(height, margin=margin, **style.TRANSPARENT)
