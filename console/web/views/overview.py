"""Overview: required actions, the live version, and the latest jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from console.figures import dossier_charts, feedback_error
from console.queries import forward_scores, live_traffic, overview
from console.text import formatting
from console.text.batch_ledger import first_batch
from console.web import job_widgets, session, widgets
from console.web.panels.promotion import newer_batches
from core.domain.metrics import ERROR_OF, METRICS, MetricUnit, error_in
from core.domain.number_format import signed_percent
from core.rules.drift.recommendation import ErrorChange
from core.rules.model.metric_comparison import signed
from core.rules.ops import live_alerts

_REFRESH = 5.0
_FEEDBACK_TTL = 15.0


def needs(required: list[overview.Need]) -> None:
    """Each required action with a link to its page."""
    st.subheader("Action required", anchor=False)
    if not required:
        st.success("No action required.", icon=":material/check_circle:")
    for n, need in enumerate(required):
        with st.container(border=True, key=f"need-{n}"):
            colour, word = ("red", "alert") if need.urgent else ("orange", "pending")
            st.markdown(f":{colour}-badge[{word}] **{widgets.plain(need.title)}**")
            if need.detail:
                st.caption(widgets.plain(need.detail))
            if need.page != "overview":
                widgets.page_link(need.page, f"Open {need.page.capitalize()}", need.query or None)
    st.caption(live_alerts.THRESHOLDS)


def live(seen: overview.Overview) -> None:
    """The live version: since when, by whom, and its error."""
    st.subheader("Live", anchor=False)
    promotion = seen.status.live
    if promotion is None:
        st.info("No model is live yet.", icon=":material/hourglass_empty:")
        return
    with st.container(border=True):
        st.markdown(f"### Version {promotion.version} {widgets.badge(promotion.state)}")
        if seen.term:
            st.caption(
                f"Went live {widgets.when(seen.term.since)}, by {widgets.plain(seen.term.by)} "
                f"({widgets.plain(seen.term.action)})",
                help=widgets.exact(seen.term.since),
            )
        metrics = promotion.metrics
        unit = session.desk().dataset.target.unit
        row = st.container(horizontal=True)
        for name in METRICS:
            if name in metrics:
                value = formatting.metric(name, metrics[name], unit)
                row.metric(METRICS[name].heading, value, width=180)
        if promotion.dossier:
            rows = formatting.count(promotion.dossier.candidate.rows, "held-out row")
            st.caption(f"At the evaluation, on {rows}.")
        errors(seen, unit)
        forward(promotion.version)
        feedback(metrics, unit)
        widgets.evidence_link(promotion.version)


def errors(seen: overview.Overview, unit: str) -> None:
    """The live version's error on the held-out rows of the latest batches."""
    errors = [(e, error_in(e.metrics)) for e in seen.errors]
    values = [error for _, error in errors if error is not None]
    if not values:
        return
    metric = _error()
    change = _rise(metric, seen.change) if seen.change else None
    st.metric(
        f"{METRICS[metric].heading} on the newest batch",
        formatting.metric(metric, values[-1], unit),
        change,
        delta_color="inverse",
        help="On rows of the batch that the version was not trained on.",
    )
    if change is not None and seen.change:
        st.caption(
            f"Compared with {formatting.count(seen.change.earlier_rows, 'held-out row')} of "
            f"{formatting.count(seen.change.earlier_batches, 'earlier batch')} of this epoch."
        )
    if values[1:]:
        trend(values)


def _rise(metric: str, change: ErrorChange) -> str | None:
    """The change of the error: of a share in points, else relative to the error before."""
    if change.before is None or change.change is None:
        return None
    if METRICS[metric].unit is MetricUnit.SHARE:
        return signed(metric, change.now - change.before)
    return signed_percent(change.change)


def forward(version: int) -> None:
    """The live version on the batches that are newer than it."""
    report = session.query(forward_scores.forward_report, version)
    if report and report.rows:
        st.markdown("**On batches newer than the model**")
        newer_batches.fact(report)
        newer_batches.table(report, session.desk().dataset, key="forward")


def trend(values: list[float]) -> None:
    """The error by batch."""
    # The sparkline of st.metric has no text for screen readers.
    st.plotly_chart(
        dossier_charts.trend(values, _error()),
        key="trend",
        config={"displayModeBar": False},
        alt=f"The error on the last {formatting.count(len(values), 'batch')}, oldest first: "
        + ", ".join(formatting.metric(_error(), value) for value in values),
    )


def _error() -> str:
    """The metric of batches and feedback."""
    return ERROR_OF[session.desk().dataset.task]


def feedback(evaluated: Mapping[str, float], unit: str) -> None:
    """The error from feedback (actual values), compared with the error at evaluation."""
    error = session.query_cached(_FEEDBACK_TTL, live_traffic.feedback_error)
    if error is None:
        return
    st.markdown("**From feedback**")
    if not error.over_time:
        st.caption(
            "No feedback (actual values) yet. Send it with `driftdesk feedback PREDICTION_ID "
            "ACTUAL` or `POST /feedback` to see the error over time."
        )
        return
    live, metric, judged = error.live, _error(), error_in(evaluated)
    if live:
        is_share = METRICS[metric].unit is MetricUnit.SHARE
        look: dict[str, Any] = {"delta_color": "inverse", "width": 260 if is_share else 180}
        row = st.container(horizontal=True)
        value = formatting.metric(metric, live.error, unit)
        row.metric(METRICS[metric].heading, value, _since(metric, live.error, judged), **look)
        if live.mdape is not None:
            value, then = formatting.metric("mdape", live.mdape), evaluated.get("mdape")
            since = f"{signed('mdape', live.mdape - then)} since evaluation" if then else None
            row.metric(METRICS["mdape"].heading, value, since, **look)
    st.plotly_chart(
        feedback_error.feedback_error(
            error.over_time, evaluated, live.versions[0] if live else None, metric
        ),
        key="feedback",
        config={"displayModeBar": False},
        alt=feedback_error.alt_text(error.over_time, evaluated, metric),
    )
    st.caption(
        f"{formatting.count(error.count, 'prediction')} with feedback, "
        f"{live.count if live else 0:,} of the live version. A point covers about "
        f"{formatting.count(error.over_time[-1].count, 'prediction')}; open points include other "
        "versions. The dashed line is the error at evaluation."
    )


def _since(metric: str, now: float, then: float | None) -> str | None:
    """The change of the error since the evaluation: relative, that of a share in points."""
    if not then:
        return None
    is_share = METRICS[metric].unit is MetricUnit.SHARE
    change_text = signed(metric, now - then) if is_share else signed_percent(now / then - 1)
    return f"{change_text} since evaluation"


def runs(seen: overview.Overview) -> None:
    """The latest jobs, newest first."""
    st.subheader("Last runs", anchor=False)
    for job in seen.jobs:
        note = job.error or job_widgets.job_note(job)
        took = formatting.duration(job.started_at, job.finished_at) if job.finished_at else ""
        st.markdown(
            f"{widgets.badge(job.state)} **{job.kind.value} {job.id}** · "
            f"{widgets.when(job.requested_at)}{f' · {took}' if took else ''}  \n"
            f":gray[{widgets.plain(formatting.shorten(note))}]",
            help=widgets.exact(job.requested_at),
        )
    widgets.page_link("pipeline", "All runs")


def first_day() -> None:
    """The first steps on an empty desk."""
    st.info(
        f"**Welcome.** There is no data yet. On the Pipeline page, "
        f"{first_batch(session.desk().dataset.source)}, which is compared automatically. Then "
        "train a model and approve it on the Promotion page.",
        icon=":material/flag:",
    )
    widgets.page_link("pipeline")


@st.fragment(run_every=_REFRESH)
def page() -> None:
    """The whole page, refreshed automatically."""
    seen = session.query(overview.overview)
    if seen is None:
        return
    if seen.is_empty:
        first_day()
        return
    disagreement = session.query_cached(10.0, overview.disagreement) or []
    from_feedback = session.query_cached(_FEEDBACK_TTL, overview.from_feedback) or []
    left, right = st.columns([3, 2], gap="large")
    with left:
        needs([*disagreement, *from_feedback, *seen.needs])
    with right:
        live(seen)
        runs(seen)


page()
