"""The live version's error from reported actual values, on the Overview page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from console.figures import feedback_error
from console.queries import live_traffic
from console.text import formatting
from console.web import reading, session, widgets
from core.domain.metrics import ERROR_OF, METRICS, error_in
from core.rules.model.feedback_error import Bucket
from core.rules.model.metric_comparison import signed, signed_change
from core.rules.ops.live_alerts import says_something

_TTL = 15.0
_FEWEST_POINTS = 2


def answers(*, silent: bool = False) -> live_traffic.FeedbackError | None:
    """The error over time, cached."""
    return reading.query_cached(_TTL, live_traffic.feedback_error, silent=silent)


def show(error: live_traffic.FeedbackError, evaluated: Mapping[str, float]) -> None:
    """The error from feedback beside the one at the evaluation, and its course."""
    st.subheader("Error from feedback", anchor=False)
    if not error.over_time:
        st.caption(
            "No actual value has been reported. Send one with "
            f"`{widgets.with_dataset('driftdesk feedback PREDICTION_ID ACTUAL')}` or "
            "`POST /feedback`, or on a prediction's page."
        )
        return
    dataset = session.desk().dataset
    metric = ERROR_OF[dataset.task]
    if error.live:
        _figures(error.live, metric, evaluated, dataset.target.unit)
    if len(error.over_time) >= _FEWEST_POINTS:
        version = error.live.versions[0] if error.live else None
        st.plotly_chart(
            feedback_error.feedback_error(error.over_time, evaluated, version, metric),
            key="feedback",
            config={"displayModeBar": False},
            alt=feedback_error.alt_text(error.over_time, evaluated, metric),
        )
        st.caption(
            f"A point covers about {formatting.count(error.over_time[-1].count, 'prediction')}; "
            "open points include other versions. The dashed line is the error at evaluation."
        )
    st.caption(
        f"{formatting.count(error.count, 'prediction')} with feedback, "
        f"{error.live.count if error.live else 0:,} of the live version."
    )


def _figures(live: Bucket, metric: str, evaluated: Mapping[str, float], unit: str) -> None:
    """The live version's errors; grey while there are too few answers to judge."""
    colour = "inverse" if says_something(live.count) else "off"
    look: dict[str, Any] = {"delta_color": colour, "width": "content"}
    row = st.container(horizontal=True)
    value, judged = formatting.metric(metric, live.error, unit), error_in(evaluated)
    since = f"{signed_change(metric, live.error, judged)} since evaluation" if judged else None
    row.metric(METRICS[metric].heading, value, since, **look)
    if live.mdape is not None:
        value, then = formatting.metric("mdape", live.mdape), evaluated.get("mdape")
        since = f"{signed('mdape', live.mdape - then)} since evaluation" if then else None
        row.metric(METRICS["mdape"].heading, value, since, **look)
