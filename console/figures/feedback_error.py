"""Plotly figure of the error over time, from feedback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from console.figures import style
from console.text import formatting
from core.domain.metrics import ERROR, METRICS, MetricUnit, error_in
from core.rules.model.feedback_error import Bucket

LINE = style.CURRENT
_TOP, _BOTTOM = [0.6, 1.0], [0.0, 0.4]
_FULL, _OPEN = "circle", "circle-open"


def feedback_error(
    buckets: Sequence[Bucket], judged: Mapping[str, float], live: int | None, metric: str = ERROR
) -> dict[str, Any]:
    """Mean absolute error above, median absolute percentage error below, with those at evaluation.

    For a classifier, only the share of wrong answers. A filled point covers the live version
    only; an open point includes other versions.
    """
    if metric != ERROR:
        return _shares(buckets, judged, live, metric)
    data = [
        _line(buckets, "mae", [b.error for b in buckets], live, "y"),
        _line(buckets, "mdape", [b.mdape for b in buckets], live, "y2"),
    ]
    dates = {"type": "date", "anchor": "y2", "gridcolor": style.GRID, "nticks": 4, "tickangle": 0}
    layout = style.layout(280, top=24, bottom=24, **style.TRANSPARENT) | {
        "xaxis": dates,
        "yaxis": _axis(_TOP) | {"tickformat": ",.3~s"},
        "yaxis2": _axis(_BOTTOM) | style.PER_CENT,
        "shapes": [
            style.line_across(axis, scale * judged[metric], style.LIMIT, "dash")  # at evaluation
            for metric, axis, scale in (("mae", "y", 1), ("mdape", "y2", 100))
            if metric in judged
        ],
        "annotations": [_title("mae", _TOP[1]), _title("mdape", _BOTTOM[1])],
    }
    return {"data": data, "layout": layout}


def _shares(
    buckets: Sequence[Bucket], judged: Mapping[str, float], live: int | None, metric: str
) -> dict[str, Any]:
    """The share of wrong answers."""
    dates = {"type": "date", "gridcolor": style.GRID, "nticks": 4, "tickangle": 0}
    then = error_in(judged)
    layout = style.layout(200, top=24, bottom=24, **style.TRANSPARENT) | {
        "xaxis": dates,
        "yaxis": _axis([0.0, 1.0]) | style.PER_CENT,
        "shapes": [] if then is None else [style.line_across("y", 100 * then, style.LIMIT, "dash")],
        "annotations": [_title(metric, 1.0)],
    }
    return {
        "data": [_line(buckets, metric, [b.error for b in buckets], live, "y")],
        "layout": layout,
    }


def _line(
    buckets: Sequence[Bucket],
    metric: str,
    values: Sequence[float | None],
    live: int | None,
    axis: str,
) -> dict[str, Any]:
    drawn = style.per_cent(values) if METRICS[metric].unit is MetricUnit.SHARE else values
    return style.points("lines+markers", [b.until.isoformat() for b in buckets], drawn) | {
        "yaxis": axis,
        "line": {"color": LINE, "width": 2},
        "marker": {
            "size": 8,
            "color": LINE,
            "symbol": [_FULL if b.versions == (live,) else _OPEN for b in buckets],
            "line": {"width": 2, "color": LINE},
        },
        "customdata": [
            [
                formatting.metric(metric, value),
                formatting.span(b.since, b.until),
                f"{b.count:,}",
                ", ".join(map(str, b.versions)),
            ]
            for b, value in zip(buckets, values, strict=True)
        ],
        "hovertemplate": (
            "%{customdata[0]}<br>%{customdata[2]} predictions, %{customdata[1]}"
            "<br>version %{customdata[3]}<extra></extra>"
        ),
    }


def _axis(domain: list[float]) -> dict[str, Any]:
    return style.from_zero() | {"domain": domain, "nticks": 4, "automargin": True}


def _title(metric: str, top: float) -> dict[str, Any]:
    return {
        "text": METRICS[metric].heading,
        "xref": "paper",
        "x": 0,
        "xanchor": "left",
        "yref": "paper",
        "y": top,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12},
    }


def alt_text(buckets: Sequence[Bucket], judged: Mapping[str, float], metric: str = ERROR) -> str:
    """The chart as text, for screen readers."""
    errors = ", ".join(formatting.metric(metric, b.error) for b in buckets)
    then = error_in(judged)
    beside = "" if then is None else f"; at evaluation {formatting.metric(metric, then)}"
    name = METRICS[metric].name
    return f"{name[0].upper()}{name[1:]} from feedback, oldest first: {errors}{beside}."
