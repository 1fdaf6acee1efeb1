"""Overview: required actions, the live version, and the latest jobs."""

from __future__ import annotations

import streamlit as st

from console.actions.pipeline import request_ingest
from console.figures import error_trend
from console.queries import forward_scores, overview
from console.text import formatting
from console.text.batch_ledger import first_batch
from console.web import job_widgets, reading, session, widgets
from console.web.panels.overview import absence, coming, feedback, health, required
from console.web.panels.promotion import history, newer_batches
from core.domain.metrics import ERROR_OF, METRICS, error_in
from core.domain.promotions import Promotion
from core.domain.sources import UploadSource
from core.rules.access.roles import Right
from core.rules.model.metric_comparison import signed_change

_REFRESH = 5.0
_LONGEST_NOTE = 100


def live(seen: overview.Overview) -> None:
    """The live version: since when, by whom, its evaluation, and the way back."""
    st.subheader("Live", anchor=False)
    promotion = seen.live
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
        history.roll_back(row, promotion.version, seen.before, busy=seen.is_moving)
        if not seen.before:
            row.caption("There is no earlier version to roll back to.")
        evaluation(promotion)
        forward(promotion.version)


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
    dataset = session.desk().dataset
    metric, unit = ERROR_OF[dataset.task], dataset.target.unit
    of_epoch = f"by batch of epoch {seen.batches[-1].epoch}"
    st.subheader(f"{METRICS[metric].heading} {of_epoch}", anchor=False)
    st.plotly_chart(
        error_trend.error_trend(names, values, seen.approved, metric, unit),
        key="trend",
        config={"displayModeBar": False},
        alt=error_trend.alt_text(names, values, metric, unit),
    )
    moved = seen.change
    if moved is None or moved.before is None:
        return
    if change := signed_change(metric, moved.now, moved.before):
        st.caption(
            "On the rows of each batch that the live version was not trained on. On the newest: "
            f"{change} against {formatting.count(moved.earlier_rows, 'held-out row')} of "
            f"{formatting.count(moved.earlier_batches, 'earlier batch')} of this epoch."
        )


def forward(version: int) -> None:
    """The live version on the batches that are newer than it."""
    report = reading.query(forward_scores.forward_report, version)
    if report and report.rows:
        st.markdown("**On batches newer than the model**")
        newer_batches.fact(report)
        newer_batches.table(report, session.desk().dataset, key="forward")


def runs(seen: overview.Overview) -> None:
    """The latest jobs, newest first."""
    st.subheader("Last runs", anchor=False)
    for job in seen.jobs:
        note = job.error or job_widgets.job_note(job)
        has_run = job.started_at and job.finished_at
        took = formatting.duration(job.started_at, job.finished_at) if has_run else ""
        row = st.container(horizontal=True, vertical_alignment="center", gap="small")
        row.markdown(
            f"{widgets.badge(job.state)} **{job.kind.value} {job.id}** · "
            f"{widgets.when(job.requested_at)}{f' · {took}' if took else ''}  \n"
            f":gray[{widgets.plain(formatting.shorten(note, _LONGEST_NOTE))}]",
            help=widgets.exact(job.requested_at),
            width="stretch",
        )
        with row:
            widgets.page_link("pipeline", "Open", {"job": str(job.id)})
    widgets.page_link("pipeline", "All runs")


def first_day() -> None:
    """The first steps on an empty desk, of which the first can be taken here."""
    source = session.desk().dataset.source
    st.markdown("**Welcome.** There is no data yet. Three steps lead to a model that answers:")
    data, model, decision = st.columns(3, border=True)
    with data:
        st.markdown("**1. Get a batch**")
        st.caption(f"{first_batch(source)}. It is compared automatically.")
        if not isinstance(source, UploadSource):
            look = {"icon": ":material/download:", "type": "primary", **widgets.only(Right.RUN)}
            done = "Ingest is queued."
            widgets.act_button(st, "Ingest next batch", None, done, request_ingest, **look)
        else:
            widgets.page_link("pipeline")
    with model:
        st.markdown("**2. Train a model**")
        st.caption(
            "On the batch's rows; a part of them is held out. A model that is no better than the "
            "baseline is not recommended: get another batch, and train again."
        )
        widgets.page_link("pipeline")
    with decision:
        st.markdown("**3. Approve it**")
        st.caption("Its evidence is on the Promotion page. Serving answers with what you approve.")
        widgets.page_link("promotion")


@st.fragment(run_every=_REFRESH)
def page() -> None:
    """The whole page, refreshed automatically."""
    error = feedback.answers(silent=True)
    seen = reading.query(overview.overview, error.live if error else None)
    if seen is None:
        return
    health.strip(seen, error)
    if seen.is_empty:
        first_day()
        return
    told = reading.neighbour(overview.disagreement, seen.as_of, ttl=10.0)
    left, right = st.columns([3, 2], gap="large")
    with left:
        disagreement = told.value or []
        known = {need.title for need in disagreement}  # the services themselves know best
        others = [need for need in seen.needs if need.title not in known]
        required.listing(
            [*disagreement, *others], is_awaited=told.is_awaited, has_model=bool(seen.live)
        )
        absence.listing()
        errors(seen)
        if seen.live and error:
            feedback.show(error, seen.live.metrics)
    with right:
        live(seen)
    with right if seen.live else left:  # without a live version the left side has no charts
        coming.listing(seen.schedules)
        runs(seen)


page()
