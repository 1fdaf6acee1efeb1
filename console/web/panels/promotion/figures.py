"""Single figures of a dossier: the tile of a metric, and the table of the team's own metrics."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console.text import formatting
from console.web import sorted_cells, widgets
from core.domain.dossier import Dossier
from core.domain.metrics import Metric, MetricUnit
from core.rules.model.metric_comparison import change, sense

_FITS = 24
"""The length of a heading that a tile shows whole; the help has the others."""


def tile(
    row: DeltaGenerator, metric: Metric, value: float, champion: float | None, unit: str
) -> None:
    """One metric of the candidate, with its difference to the champion if there is one."""
    delta = None
    look: dict[str, Any] = {"delta_color": "gray", "delta_arrow": "off", "width": _width(metric)}
    if champion is not None:
        delta = change(metric, value, champion)
        look["delta_color"] = formatting.SENSES[sense(metric, value, champion)]
        look["help"] = f"Champion: {formatting.metric(metric, champion, unit)}"
    if len(metric.heading) > _FITS:
        look["help"] = f"{widgets.plain(metric.heading)}. {look.get('help', '')}".strip()
    row.metric(widgets.plain(metric.heading), formatting.metric(metric, value, unit), delta, **look)


def _width(metric: Metric) -> int:
    """Of a tile in pixels, so that a classifier's seven stand beside each other."""
    return 150 if metric.unit is MetricUnit.NONE else 190


def own_metrics(full: Dossier, unit: str) -> None:
    """The values of the team's own metrics for each model."""
    if not full.own_metrics:
        return
    st.caption("Metrics of your own code on the same rows, without confidence intervals.")
    widgets.table(
        [
            {
                "Metric": own.metric.heading,
                **{
                    name: sorted_cells.metric(own.metric, value, unit)
                    for name, value in (
                        ("Candidate", own.candidate),
                        ("Champion", own.champion),
                        (full.task.constant.capitalize(), own.baseline),
                    )
                },
                "Better": "higher" if own.metric.higher_is_better else "lower",
            }
            for own in full.own_metrics
        ],
        alt="Your own metrics of candidate, champion and baseline",
    )
