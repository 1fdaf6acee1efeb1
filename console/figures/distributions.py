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

_FEW_CLASSES = 5
"""How many of them a low figure has."""

_HEIGHT, _ROW = 340, 22
_LETTERS, _FEW_LETTERS = 28, 16
"""The longest name of a category beside a bar, and beside one of a low figure."""


def distribution(
    shape: Overlay, names: tuple[str, str], unit: str, *, logarithmic: bool, height: int = _HEIGHT
) -> dict[str, Any]:
    """Two overlaid distributions: the reference as an area, the current one as a line.

    A low figure has neither a legend nor titles of its axes.
    """
    kind = "log" if logarithmic else "linear"
    axis: dict[str, Any] = {"type": kind, "gridcolor": style.GRID}
    if height >= _HEIGHT:
        axis["title"] = style.title(unit)
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
    return {"data": data, "layout": _layout(height, xaxis=axis, yaxis=_share_axis(height))}


def _share_axis(height: int) -> dict[str, Any]:
    if height < _HEIGHT:
        return style.from_zero() | style.PER_CENT | {"nticks": 4}
    return style.from_zero() | style.PER_CENT | {"title": style.title("share of rows")}


def _layout(height: int, **axes: Any) -> dict[str, Any]:
    is_whole = height >= _HEIGHT
    look: dict[str, Any] = {"barmode": "group", "bargap": 0.15, "showlegend": is_whole}
    return (
        style.layout(height, bottom=40 if is_whole else 22, **look)
        | axes
        | {
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        }
    )


def class_shares(
    before: ColumnProfile,
    after: ColumnProfile,
    names: tuple[str, str],
    *,
    height: int = _HEIGHT,
) -> dict[str, Any]:
    """The share of each category in both profiles, the most common ones of the reference first.

    Of many categories those with the largest shares on either side are shown. Bars are horizontal,
    so that each has its name beside it.
    """
    is_whole = height >= _HEIGHT
    classes = _largest(before, after, MOST_CLASSES if is_whole else _FEW_CLASSES)
    places = list(range(len(classes)))
    data = [
        style.bars(style.per_cent(_shares(profile, classes)), places)
        | {"name": name, "marker": {"color": colour, "pattern": {"shape": pattern}}}
        | {"hovertext": [f"{inert(label, 60)}, {name}" for label in classes]}
        | {"hovertemplate": "%{hovertext}: %{x:.1f} %<extra></extra>"}
        for profile, name, colour, pattern in (
            (before, names[0], REFERENCE, ""),
            (after, names[1], CURRENT, "/"),
        )
    ]
    letters = _LETTERS if is_whole else _FEW_LETTERS
    axis = style.EVERY_TICK | {
        "tickvals": places,
        "ticktext": [inert(c, letters) for c in classes],
        "tickfont": {"size": 12 if is_whole else 10},
        "autorange": "reversed",
        "showgrid": False,
        "zeroline": False,
    }
    high = max(height, 70 + _ROW * len(classes)) if is_whole else height
    return {"data": data, "layout": _layout(high, xaxis=_share_axis(height), yaxis=axis)}


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
            "xaxis": style.batch_names(names) | {"title": {"text": "batch"}},
            "yaxis": style.from_zero()
            | {"title": {"text": heading}}
            | (style.PER_CENT if is_share else {}),
        },
    }
