"""The live model's error on the latest batches, with the error that it was approved with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.figures import style
from console.text import formatting
from core.domain.metrics import METRICS, MetricUnit


def error_trend(
    batches: Sequence[str], values: Sequence[float], approved: float | None, metric: str, unit: str
) -> dict[str, Any]:
    """A line over the batches, oldest first, and a dashed line at the error of the approval.

    `batches` are the labels EPOCH/NUMBER of `values`.
    """
    is_share = METRICS[metric].unit is MetricUnit.SHARE
    scale = 100 if is_share else 1
    trace = style.points("lines+markers", batches, [scale * value for value in values]) | {
        "text": [formatting.metric(metric, value, unit) for value in values],
        "line": {"color": style.CURRENT, "width": 2},
        "marker": {"size": 8, "color": style.CURRENT},
        "hovertemplate": "batch %{x}: %{text}<extra></extra>",
        "cliponaxis": False,
    }
    name = METRICS[metric].heading + (f" ({unit})" if unit and not is_share else "")
    highest = scale * max([*values, approved or 0.0])
    layout = style.layout(
        240,
        top=24,
        bottom=48,
        **style.TRANSPARENT,
        xaxis=style.batch_names(batches) | {"title": style.title("Batch (epoch/number)")},
        yaxis=style.from_zero()
        | (style.PER_CENT if is_share else {"tickformat": ",.3~s"})
        | {"title": style.title(name), "nticks": 5, "range": [0, highest * 1.15]},
    )
    if approved is not None:
        layout["shapes"] = [style.line_across("y", scale * approved, style.LIMIT, "dash")]
        layout["annotations"] = [
            {
                "xref": "paper", "x": 0, "xanchor": "left",
                "yref": "paper", "y": 1, "yanchor": "bottom",  # nothing is drawn up there
                "text": f"- - approved with {formatting.metric(metric, approved, unit)}",
                "showarrow": False, "font": {"size": 11},
            }
        ]  # fmt: skip
    return {"data": [trace], "layout": layout}


def alt_text(batches: Sequence[str], values: Sequence[float], metric: str, unit: str) -> str:
    """The same for screen readers."""
    each = (
        f"{batch}: {formatting.metric(metric, value, unit)}"
        for batch, value in zip(batches, values, strict=True)
    )
    return f"{METRICS[metric].heading} by batch, oldest first. {', '.join(each)}."
