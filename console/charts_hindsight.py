"""The error over time, from feedback, as a plain dictionary for Plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from console import words
from console.charts import GRID, LIMIT
from core.hindsight import Bucket

LINE = "#17958d"
_TOP, _BOTTOM = [0.6, 1.0], [0.0, 0.4]
_FULL, _OPEN = "circle", "circle-open"


def hindsight(
    found: Sequence[Bucket], judged: Mapping[str, float], live: int | None
) -> dict[str, Any]:
    """Mean absolute error above, median absolute % error below, each beside the one at judging.

    A full point is the live version's alone; an open one has answers of others.
    """
    data = [
        _line(found, "mae", [b.mae for b in found], live, "y"),
        _line(found, "mdape", [b.mdape for b in found], live, "y2"),
    ]
    layout = {
        "height": 280,
        "margin": {"l": 8, "r": 8, "t": 24, "b": 24},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "xaxis": {"type": "date", "anchor": "y2", "gridcolor": GRID, "nticks": 4, "tickangle": 0},
        "yaxis": _axis(_TOP, ",.3~s"),
        "yaxis2": _axis(_BOTTOM, ".0%"),
        "shapes": [_level(judged[m], y) for m, y in (("mae", "y"), ("mdape", "y2")) if m in judged],
        "annotations": [_title("mae", _TOP[1]), _title("mdape", _BOTTOM[1])],
    }
    return {"data": data, "layout": layout}


def _line(
    found: Sequence[Bucket],
    metric: str,
    values: Sequence[float | None],
    live: int | None,
    axis: str,
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [b.until.isoformat() for b in found],
        "y": list(values),
        "yaxis": axis,
        "line": {"color": LINE, "width": 2},
        "marker": {
            "size": 8,
            "color": LINE,
            "symbol": [_FULL if b.versions == (live,) else _OPEN for b in found],
            "line": {"width": 2, "color": LINE},
        },
        "customdata": [
            [
                words.metric(metric, value),
                words.span(b.since, b.until),
                f"{b.count:,}",
                ", ".join(map(str, b.versions)),
            ]
            for b, value in zip(found, values, strict=True)
        ],
        "hovertemplate": (
            "%{customdata[0]}<br>%{customdata[2]} answers, %{customdata[1]}"
            "<br>version %{customdata[3]}<extra></extra>"
        ),
    }


def _axis(domain: list[float], form: str) -> dict[str, Any]:
    return {
        "domain": domain,
        "gridcolor": GRID,
        "rangemode": "tozero",
        "nticks": 4,
        "tickformat": form,
        "automargin": True,
    }


def _level(value: float, axis: str) -> dict[str, Any]:
    """The error at judging, as a dashed line from side to side."""
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "yref": axis,
        "y0": value,
        "y1": value,
        "line": {"color": LIMIT, "width": 2, "dash": "dash"},
    }


def _title(metric: str, top: float) -> dict[str, Any]:
    return {
        "text": words.METRICS[metric],
        "xref": "paper",
        "x": 0,
        "xanchor": "left",
        "yref": "paper",
        "y": top,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12},
    }


def told(found: Sequence[Bucket], judged: Mapping[str, float]) -> str:
    """The same in words, for those who do not see it."""
    errors = ", ".join(words.metric("mae", b.mae) for b in found)
    beside = f"; at judging {words.metric('mae', judged['mae'])}" if "mae" in judged else ""
    return f"Mean absolute error from feedback, oldest first: {errors}{beside}."
