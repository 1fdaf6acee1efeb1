"""Overview: required actions, the live version, and the latest jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console.figures import error_trend, feedback_error
from console.queries import forward_scores, live_traffic, overview
from console.text import formatting
from console.text.batch_ledger import first_batch
from console.web import job_widgets, reading, session, widgets
from console.web.panels.overview import coming, health, required
from console.web.panels.promotion import dialogs, newer_batches
from core.domain.jobs import JobKind
from core.domain.metrics import ERROR_OF, METRICS, MetricUnit, error_in
from core.domain.number_format import signed_percent
from core.domain.promotions import Promotion
from core.rules.access.roles import Right
from core.rules.drift.recommendation import ErrorChange
from core.rules.model.metric_comparison import signed

_REFRESH = 5.0
_FEEDBACK_TTL = 15.0


def live(seen: overview.Overview) -> None:
    """The live version: since when, by whom, its evaluation, and the way back."""
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
        row = st.container(horizontal=True)
        with row:
            widgets.evidence_link(promotion.version)
        back(seen, row)
        evaluation(promotion)
        forward(promotion.version)
        feedback(promotion.metrics, session.desk().dataset.target.unit)


def back(seen: overview.Overview, row: DeltaGenerator) -> None:
    """A button that rolls back to the version before."""
    live, before = seen.status.live, seen.before
    if live is None or before is None:
        row.caption("There is no earlier version to roll back to.")
        return
    label, key = f"Roll back to version {before.version}…", "overview-roll-back"
    busy = any(job.kind is JobKind.PROMOTE for job in seen.status.open_jobs)
    if widgets.button(row, label, ":material/undo:", Right.DECIDE, disabled=busy, key=key):
        dialogs.roll_back(live.version, before)


def evaluation(promotion: Promotion) -> None:
    """The metrics of the live version's evaluation."""
    metrics = promotion.metrics
    unit = session.desk().dataset.target.unit
    if promotion.dossier:
        rows = formatting.count(promotion.dossier.candidate.rows, "held-out row")
        st.markdown(f"**At its evaluation**, on {rows}")
    lines = [
        f"| {METRICS[name].heading} | {formatting.metric(name, metrics[name], unit)} |"
        for name in METRICS
        if name in metrics
    ]
    if lines:
        st.markdown("\n".join(["| Metric | Value |", "|---|---:|", *lines]))


def errors(seen: overview.Overview) -> None:
    """The live version's error on the held-out rows of the latest batches."""
    known = [
        (f"{batch.epoch}/{batch.number}", error)
        for batch, score in zip(seen.batches, seen.errors, strict=True)
        if (error := error_in(score.metrics)) is not None
    ]
    if not known:
        return
    names, values = zip(*known, strict=True)
    metric, unit = _error(), session.desk().dataset.target.unit
    st.subheader("Error by batch", anchor=False)
    st.plotly_chart(
        error_trend.error_trend(names, values, seen.approved, metric, unit),
        key="trend",
        config={"displayModeBar": False},
        alt=error_trend.alt_text(names, values, metric, unit),
    )
    change = _rise(metric, seen.change) if seen.change else None
    if change is not None and seen.change:
        st.caption(
            f"On the rows of each batch that the live version was not trained on. On the newest: "
            f"{change} against "
            f"{formatting.count(seen.change.earlier_rows, 'held-out row')} of "
            f"{formatting.count(seen.change.earlier_batches, 'earlier batch')} of this epoch."
        )


def _rise(metric: str, change: ErrorChange) -> str | None:
    """The change of the error: of a share in points, else relative to the error before."""
    if change.before is None or change.change is None:
        return None
    if METRICS[metric].unit is MetricUnit.SHARE:
        return signed(metric, change.now - change.before)
    return signed_percent(change.change)


def forward(version: int) -> None:
    """The live version on the batches that are newer than it."""
    report = reading.query(forward_scores.forward_report, version)
    if report and report.rows:
        st.markdown("**On batches newer than the model**")
        newer_batches.fact(report)
        newer_batches.table(report, session.desk().dataset, key="forward")


def _error() -> str:
    """The metric of batches and feedback."""
    return ERROR_OF[session.desk().dataset.task]


def feedback(evaluated: Mapping[str, float], unit: str) -> None:
    """The error from feedback (actual values), compared with the error at evaluation."""
    error = reading.query_cached(_FEEDBACK_TTL, live_traffic.feedback_error)
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
    seen = reading.query(overview.overview)
    if seen is None:
        return
    if seen.is_empty:
        first_day()
        return
    disagreement = reading.query_cached(10.0, overview.disagreement) or []
    from_feedback = reading.query_cached(_FEEDBACK_TTL, overview.from_feedback) or []
    health.strip(seen)
    left, right = st.columns([3, 2], gap="large")
    with left:
        required.listing([*disagreement, *from_feedback, *seen.needs])
        errors(seen)
        coming.listing(seen.schedules)
    with right:
        live(seen)
        runs(seen)


page()
