"""Plotly figures of the Drift page: overlaid distributions, and the error by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.figures import style
from console.figures.prediction_charts import inert
from console.figures.style import CURRENT, REFERENCE
from console.text import formatting
from core.domain.metrics import ERROR, METRICS, MetricUnit, error_in
from core.domain.number_format import figure
from core.domain.profiles import ColumnProfile
from core.rules.data.profile_bins import Overlay
from core.rules.drift.recommendation import BatchScore

MOST_CLASSES = 30
"""The most classes whose shares are drawn."""

_FEW_CLASSES = 8
"""How many of them a low figure has."""

_HEIGHT = 340


def distribution(
    shape: Overlay, names: tuple[str, str], unit: str, *, logarithmic: bool, height: int = _HEIGHT
) -> dict[str, Any]:
    """Two overlaid distributions: the reference as an area, the current one as a line.

    A low figure has neither legend nor title of the vertical axis.
    """
    kind = "log" if logarithmic else "linear"
    axis = {"title": style.title(unit), "type": kind, "gridcolor": style.GRID}
    if logarithmic:
        axis |= style.log_ticks(shape.edges[0], shape.edges[-1])
    if shape.values and not logarithmic:
        data = [
            _columns(shape.values, shape.reference, names[0], REFERENCE, ""),
            _columns(shape.values, shape.current, names[1], CURRENT, "/"),
        ]
    else:
        data = [
            _stairs(shape.edges, shape.reference, names[0], REFERENCE, fill=True),
            _stairs(shape.edges, shape.current, names[1], CURRENT, fill=False),
        ]
    return {"data": data, "layout": _layout(axis, height)}


def _layout(axis: dict[str, Any], height: int) -> dict[str, Any]:
    shares, is_whole = style.from_zero() | style.PER_CENT, height >= _HEIGHT
    if is_whole:
        shares["title"] = style.title("share of rows")
    return style.layout(height, barmode="group", bargap=0.2, showlegend=is_whole) | {
        "legend": {"orientation": "h", "y": 1.08, "x": 0},
        "xaxis": axis,
        "yaxis": shares,
    }


def class_shares(
    before: ColumnProfile,
    after: ColumnProfile,
    names: tuple[str, str],
    *,
    height: int = _HEIGHT,
) -> dict[str, Any]:
    """The share of each category in both profiles, the most common ones of the reference first.

    Of many categories those with the largest shares on either side are shown.
    """
    classes = _largest(before, after, MOST_CLASSES if height >= _HEIGHT else _FEW_CLASSES)
    places = list(range(len(classes)))
    data = [
        _columns(places, _shares(profile, classes), name, colour, pattern)
        | {"hovertext": [f"{inert(label, 60)}, {name}" for label in classes]}
        | {"hovertemplate": "%{hovertext}: %{y:.1f} %<extra></extra>"}
        for profile, name, colour, pattern in (
            (before, names[0], REFERENCE, ""),
            (after, names[1], CURRENT, "/"),
        )
    ]
    axis = {"tickvals": places, "ticktext": [inert(c) for c in classes], "automargin": True}
    return {"data": data, "layout": _layout(axis, height)}


def _largest(before: ColumnProfile, after: ColumnProfile, most: int) -> list[str]:
    every = list(dict.fromkeys([*before.categories, *after.categories]))
    sides = zip(_shares(before, every), _shares(after, every), strict=True)
    largest = [max(pair) for pair in sides]
    order = sorted(range(len(every)), key=lambda n: -largest[n])[:most]
    return [every[n] for n in sorted(order)]


def _shares(profile: ColumnProfile, classes: Sequence[str]) -> list[float]:
    return [profile.categories.get(label, 0) / (profile.count or 1) for label in classes]


def _columns(
    values: Sequence[float], shares: Sequence[float], name: str, colour: str, pattern: str
) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": list(values),
        "y": style.per_cent(shares),
        "name": name,
        "marker": {"color": colour, "pattern": {"shape": pattern}},
        "hovertemplate": "%{x:,}: %{y:.1f} %<extra>" + name + "</extra>",
    }


def _stairs(
    edges: Sequence[float], shares: Sequence[float], name: str, colour: str, *, fill: bool
) -> dict[str, Any]:
    trace = style.points("lines", edges, style.per_cent([*shares, shares[-1]])) | {
        "name": name,
        "line": {"shape": "hv", "color": colour, "width": 1 if fill else 2.5},
        "hovertemplate": "from %{x:,.4g}: %{y:.1f} %<extra>" + name + "</extra>",
    }
    if fill:
        trace |= {"fill": "tozeroy", "fillcolor": "rgba(140,140,140,0.35)"}
    return trace


def errors(
    scores: Sequence[tuple[int, BatchScore]], chosen: int, unit: str, metric: str = ERROR
) -> dict[str, Any]:
    """One version's error by batch, ± two standard errors; `metric` names the error.

    The bars of uncertainty end at 0, and those of a share at 1.
    """
    errors = [(n, s, error_in(s.metrics)) for n, s in scores]
    scored = [(n, s, e) for n, s, e in errors if e is not None]
    names = [str(n) for n, *_ in scored]
    is_share = METRICS[metric].unit is MetricUnit.SHARE
    heading = METRICS[metric].name + (f" ({unit})" if unit and not is_share else "")
    as_text, scale = (formatting.percent, 100) if is_share else (figure, 1)
    apart = [(scale * e, 2 * scale * s.spread / s.rows**0.5) for _, s, e in scored]
    return {
        "data": [
            {
                "type": "bar",
                "x": names,
                "y": [scale * e for *_, e in scored],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [min(two, scale - e) if is_share else two for e, two in apart],
                    "arrayminus": [min(two, e) for e, two in apart],
                    "color": "#777777",
                },
                "marker": {
                    "color": [
                        CURRENT if s.batch_id == chosen else REFERENCE for _, s, _e in scored
                    ],
                    "pattern": {
                        "shape": ["/" if s.batch_id == chosen else "" for _, s, _e in scored]
                    },
                },
                "customdata": [[f"{s.rows:,}", as_text(e)] for _, s, e in scored],
                "hovertemplate": (
                    "batch %{x}: %{customdata[1]} on %{customdata[0]} held-out rows<extra></extra>"
                ),
            }
        ],
        "layout": style.layout(280)
        | {
            "xaxis": {"type": "category", "tickangle": 0, "title": {"text": "batch"}},
            "yaxis": style.from_zero()
            | {"title": {"text": heading}}
            | (style.PER_CENT if is_share else {}),
        },
    }
