"""Plotly figures of the dossier: intervals, slices, predictions, residuals, importance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from console.figures import style
from console.figures.style import GRID
from console.text import formatting
from core.domain.dossier import Difference, Points, Score, Slice
from core.domain.metrics import ERROR, METRICS, MetricUnit
from core.domain.number_format import figure
from core.rules.model.metric_comparison import (
    Sense,
    certainty,
    change,
    interval_in_words,
    relative_gain,
)

CANDIDATE = "#0f8b8d"
CHAMPION = "#c98a2b"
_UNCLEAR = "#8a8f94"
_COLOURS = {Sense.BETTER: CANDIDATE, Sense.WORSE: CHAMPION, Sense.SAME: _UNCLEAR}
_EDGE = 0.3
_ZERO = "rgba(128,128,128,0.9)"


def _layout(height: int, **more: Any) -> dict[str, Any]:
    return (
        {
            "height": height,
            "margin": {"l": 8, "r": 16, "t": 28, "b": 36},
            "legend": {"orientation": "h", "y": 1.12, "x": 0},
        }
        | style.TRANSPARENT
        | more
    )


def intervals(
    candidate: Score, champion: Score, differences: Mapping[str, Difference], unit: str = ""
) -> dict[str, Any]:
    """Each metric's improvement over the champion with its 95 % confidence interval, in per cent.

    Right of zero is better for every metric: errors as their relative reduction, R² as the
    relative reduction of the unexplained variance. The text at each point is the axis's quantity,
    and in brackets the change as the figures say it, that of R² as a plain difference. A metric in
    which the champion is perfect has no relative change and is in the table only.
    """
    names, x, plus, minus, texts, changes, colours = [], [], [], [], [], [], []
    ends: list[float] = []
    for name, d in differences.items():
        mine, theirs = candidate.metrics[name], champion.metrics[name]
        gains = [
            100 * relative_gain(name, value, theirs) for value in (d.difference, d.low, d.high)
        ]
        if not all(map(math.isfinite, gains)):
            continue
        middle, (low, high) = gains[0], sorted(gains[1:])
        ends += [low, high]
        metric = METRICS[name]
        if name == "r2":
            names.append(f"{metric.heading} (reduction of 1 \u2212 {metric.heading})")
        else:
            names.append(
                f"1 \u2212 {metric.heading}" if metric.higher_is_better else metric.heading
            )
        x.append(middle)
        minus.append(middle - low)
        plus.append(high - middle)
        colours.append(_COLOURS[certainty(name, d)])
        changes.append(_label(name, middle, mine, theirs))
        texts.append(f"{changes[-1]}<br>95 % CI: {interval_in_words(name, d, unit)}")
    trace = style.points("markers+text", x, names) | {
        "text": changes, "textposition": _inwards(x, _around_zero(ends)), "textfont": {"size": 11},
        "cliponaxis": False,
        "error_x": {
            "type": "data", "array": plus, "arrayminus": minus, "thickness": 2, "width": 6,
            "color": "#8a8f94",
        },
        "marker": {"size": 11, "color": colours, "symbol": "diamond"},
        "customdata": texts,
        "hovertemplate": "%{y}: %{customdata}<extra></extra>",
    }  # fmt: skip
    layout = _layout(
        72 + 48 * max(len(names), 1),
        showlegend=False,
        xaxis={
            "range": _around_zero(ends),
            "gridcolor": GRID,
            "zeroline": True,
            "zerolinecolor": _ZERO,
            "zerolinewidth": 2,
            "title": style.title("← worse · change relative to the champion · better →"),
        }
        | style.PER_CENT,
        yaxis=style.EVERY_NAME | {"autorange": "reversed"},
    )
    return {"data": [trace], "layout": layout}


def _label(metric: str, gain: float, value: float, reference: float) -> str:
    """A point's place on the axis in words, with the change where that is told in another unit."""
    told = change(metric, value, reference)
    if METRICS[metric].unit is MetricUnit.TARGET or not gain:
        return told
    size = f"{abs(gain):,.1f}"
    place = f"{size} %" if float(size.replace(",", "")) else "less than 0.1 %"
    apart, _, which = told.rpartition(" ")
    return f"{place} {which} ({apart})"


def _inwards(values: Sequence[float], span: Sequence[float]) -> list[str]:
    """Where the label of each point is: one near an edge leads inwards, so that none is cut."""
    low, high = span
    places = [(value - low) / (high - low) for value in values]
    return [
        "top left" if p > 1 - _EDGE else "top right" if p < _EDGE else "top center" for p in places
    ]


def _around_zero(values: Sequence[float]) -> list[float]:
    """An axis range over the values that includes zero."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    room = 0.08 * (high - low or 1.0)
    return [low - room, high + room]


def slices(
    segments: Sequence[Slice], labels: Mapping[str, str], error: str = ERROR
) -> dict[str, Any]:
    """The error of both models on each segment; `error` names its metric."""
    is_share = METRICS[error].unit is MetricUnit.SHARE
    form = ":.1f} %" if is_share else ":,.4g}"
    names = [
        f"{labels.get(s.by, s.by)}: {s.value} ({formatting.count(s.rows, 'row')})" for s in segments
    ]
    traces: list[dict[str, Any]] = []
    for name, values, colour, symbol in (
        ("Champion", [s.champion for s in segments], CHAMPION, "circle-open"),
        ("Candidate", [s.candidate for s in segments], CANDIDATE, "diamond"),
    ):
        if any(value is not None for value in values):
            drawn = style.per_cent(values) if is_share else values
            mark = {"size": 10, "color": colour, "symbol": symbol, "line": {"width": 2}}
            hover = "%{y}<br>" + name + ": %{x" + form + "<extra></extra>"
            more = {"name": name, "marker": mark, "hovertemplate": hover}
            traces.append(style.points("markers", drawn, names) | more)
    layout = _layout(
        70 + 24 * max(len(names), 1),
        xaxis={
            "gridcolor": GRID,
            "rangemode": "tozero",
            "title": {"text": METRICS[error].name},
        }
        | (style.PER_CENT if is_share else {}),
        yaxis=style.EVERY_NAME | {"autorange": "reversed", "gridcolor": GRID},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
    )
    return {"data": traces, "layout": layout}


def predictions(points: Points, *, log: bool, unit: str) -> dict[str, Any]:
    """Predicted against actual values, with the line of exact predictions."""
    actual = points.actual
    low, high = min(actual, default=0), max(actual, default=1)
    kind = "log" if log and low > 0 else "linear"
    axis = {"type": kind, "gridcolor": GRID} | (style.log_ticks(low, high) if kind == "log" else {})
    suffix = f" ({unit})" if unit else ""
    line = {"color": _ZERO, "dash": "dot", "width": 1.5}
    exact = style.points("lines", [low, high], [low, high], line=line)
    traces = [exact | {"hoverinfo": "skip", "showlegend": False}]
    traces += [_cloud(name, actual, values, values) for name, values in _models(points)]
    layout = _layout(
        360,
        xaxis=axis | {"title": {"text": f"actual{suffix}"}},
        yaxis=axis | {"title": {"text": f"predicted{suffix}"}},
    )
    return {"data": traces, "layout": layout}


def residuals(points: Points, *, log: bool, unit: str) -> dict[str, Any]:
    """The relative error of each prediction against the actual value."""
    actual = points.actual
    kind = "log" if log and min(actual, default=0) > 0 else "linear"
    traces = [
        _cloud(
            name,
            actual,
            values,
            [(p - a) / abs(a) if a else 0.0 for a, p in zip(actual, values, strict=True)],
        )
        for name, values in _models(points)
    ]
    layout = _layout(
        360,
        xaxis={
            "type": kind,
            "gridcolor": GRID,
            "title": {"text": f"actual{f' ({unit})' if unit else ''}"},
        }
        | (style.log_ticks(min(actual), max(actual)) if kind == "log" else {}),
        yaxis={
            "tickvals": [-1, -0.5, 0, 0.5, 1, 1.5, 2],
            "ticktext": [_signed(100 * t) for t in (-1, -0.5, 0, 0.5, 1, 1.5, 2)],
            "gridcolor": GRID,
            "range": [-1.05, 2.05],
            "zeroline": True,
            "zerolinecolor": _ZERO,
            "title": {"text": "relative error (predicted \u2212 actual)"},
        },
    )
    return {"data": traces, "layout": layout}


def _models(points: Points) -> list[tuple[str, Sequence[float]]]:
    """Each model's name and predictions, the champion's first."""
    champion = [] if points.champion is None else [("Champion", points.champion)]
    return [*champion, ("Candidate", points.candidate)]


def _cloud(
    name: str, actual: Sequence[float], predicted: Sequence[float], y: Sequence[float]
) -> dict[str, Any]:
    mine = name == "Candidate"
    return style.points("markers", actual, y, name=name) | {
        "customdata": [[figure(a), figure(p)] for a, p in zip(actual, predicted, strict=True)],
        "marker": {
            "size": 6,
            "opacity": 0.6,
            "color": CANDIDATE if mine else CHAMPION,
            "symbol": "diamond" if mine else "circle-open",
        },
        "hovertemplate": "actual %{customdata[0]}<br>predicted %{customdata[1]}<extra></extra>",
    }


def _signed(per_cent: float) -> str:
    """A whole per cent with its sign; "0 %" if it rounds to zero."""
    text = f"{per_cent:+,.0f} %"
    return text if set("123456789") & set(text) else "0 %"


def importance(increases: Mapping[str, float], labels: Mapping[str, str]) -> dict[str, Any]:
    """Permutation importance: the increase of the error when a column is shuffled, descending."""
    order = sorted(increases, key=lambda name: -increases[name])
    lengths = [max(100 * increases[name], 0.0) for name in order]
    trace = style.bars(lengths, [labels.get(name, name) for name in order]) | {
        "text": [_signed(100 * increases[name]) for name in order],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": CANDIDATE},
        "hovertemplate": "%{y}: error %{text} when shuffled<extra></extra>",
    }
    layout = _layout(
        60 + 26 * max(len(order), 1),
        showlegend=False,
        xaxis=style.PER_CENT | {"gridcolor": GRID},
        yaxis=style.EVERY_NAME | {"autorange": "reversed"},
    )
    return {"data": [trace], "layout": layout}
