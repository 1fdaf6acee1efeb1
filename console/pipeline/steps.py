"""The steps: a button for each, with its last result beside it, and what runs right now."""

from __future__ import annotations

from typing import Any

import streamlit as st

from console import actions, parts, queries, session, words
from console.pipeline.schedules import next_by_itself
from core.records import EpochState, Job, JobKind, JobState
from core.roles import Right


@parts.dialog("Restart the source")
def confirm_restart(epoch: int) -> None:
    """Say what a restart replaces before it is asked for."""
    st.write(
        f"The source starts over and a new epoch begins. Its first batch **replaces the rows** "
        f"of epoch {epoch}. Profiles, drift reports, models and the audit trail stay."
    )

    def restart() -> None:
        session.act("The restart is queued.", actions.request_ingest, restart=True)

    parts.confirm("Restart and ingest the first batch", restart)


@parts.dialog("Train anyway")
def ask_why_train() -> None:
    """Training that the data does not ask for goes on record with a reason."""
    parts.reason("train-reason", "Why train now?")

    def train() -> None:
        reason = session.field("train-reason")
        session.act("Training is queued.", actions.request_train, reason=reason)

    parts.confirm("Train", train)


def steps(status: queries.Status) -> None:
    """Ingest, check drift, train: each with its button and what it last came to."""
    open_kinds = {job.kind for job in status.open_jobs}
    ingest, drift, train = st.columns(3)
    with ingest.container(border=True, height="stretch"):
        _button(
            "Ingest next batch",
            ":material/download:",
            "Ingest is queued.",
            actions.request_ingest,
            type="primary",
            disabled=JobKind.INGEST in open_kinds,
        )
        _last(status, JobKind.INGEST, "No batch has come in yet.")
    with drift.container(border=True, height="stretch"):
        _button(
            "Check drift",
            ":material/difference:",
            "The comparison is queued.",
            actions.request_drift,
            disabled=status.last_batch is None,
        )
        _last(status, JobKind.DRIFT, "It follows each ingest by itself.")
    with train.container(border=True, height="stretch"):
        _train(status, busy=JobKind.TRAIN in open_kinds)
        _last(status, JobKind.TRAIN, "No model has been trained yet.")


def _train(status: queries.Status, *, busy: bool) -> None:
    asked = bool(status.report and status.report.report.retrain)
    if asked or status.last_batch is None:
        _button(
            "Train",
            ":material/model_training:",
            "Training is queued.",
            actions.request_train,
            disabled=status.last_batch is None or busy,
        )
    elif st.button(
        "Train anyway",
        icon=":material/model_training:",
        width="stretch",
        **parts.only(
            Right.RUN,
            disabled=busy,
            help="The newest batch asks for no training, so this asks you why.",
        ),
    ):
        ask_why_train()


def _button(
    label: str, icon: str, done: str, action: Any, *, disabled: bool, **options: Any
) -> None:
    st.button(
        label,
        icon=icon,
        width="stretch",
        on_click=session.act,
        args=(done, action),
        **parts.only(Right.RUN, disabled=disabled),
        **options,
    )


def _last(status: queries.Status, kind: JobKind, nothing: str) -> None:
    job = status.last_jobs.get(kind)
    if job is None:
        st.caption(nothing)
        return
    result(job)


def result(job: Job) -> None:
    """What a job came to, in two lines; how far it is while it runs."""
    when = job.finished_at or job.requested_at
    took = (
        f" · took {words.duration(job.started_at, job.finished_at)}"
        if job.started_at and job.finished_at
        else ""
    )
    st.markdown(
        f"{parts.badge(job.state)} {words.ago(when, parts.now())}{took}",
        help=f"Job {job.id}, {when:%Y-%m-%d %H:%M:%S} UTC",
    )
    if job.state is JobState.RUNNING:
        st.progress(job.progress, text=parts.plain(job.stage or "starting"))
    elif said := job.error or parts.job_note(job):
        st.caption(parts.plain(said))


def more(status: queries.Status) -> None:
    """What goes beyond one step: all of them, and starting over."""
    busy = any(job.kind is JobKind.INGEST for job in status.open_jobs)
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button(
        "Run all",
        icon=":material/fast_forward:",
        on_click=session.act,
        args=("Ingest is queued; drift and training follow.", actions.request_ingest),
        kwargs={"then_train": True},
        **parts.only(
            Right.RUN,
            disabled=busy,
            help="Ingest, check drift, and train if the batch has drifted.",
        ),
    )
    if status.epoch and row.button(
        "Restart source", icon=":material/restart_alt:", **parts.only(Right.RESTART, disabled=busy)
    ):
        confirm_restart(status.epoch.number)
    with row:
        next_by_itself()


def headline(status: queries.Status) -> None:
    """Where the pipeline stands, in four figures."""
    row = st.container(horizontal=True, gap="medium")
    epoch = status.epoch
    ended = epoch is not None and epoch.state is EpochState.EXHAUSTED
    number = f"{epoch.number}{' (data ended)' if ended else ''}" if epoch else "-"
    row.metric("Epoch", number, width="content")
    batch = status.last_batch
    row.metric("Last batch", f"{batch.number}" if batch else "-", width="content")
    verdict = "-"
    if status.report:
        verdict = "retrain" if status.report.report.retrain else "no drift"
    row.metric("Verdict", verdict, width="content")
    row.metric("Live version", str(status.live.version) if status.live else "none", width="content")


def under_way(jobs: list[Job]) -> None:
    """The jobs that are not over, with their logs."""
    if not jobs:
        return
    st.subheader("Under way", anchor=False)
    for job in jobs:
        with st.container(border=True):
            parts.job_card(job)
            if st.toggle("Log", key=f"log-{job.id}", value=True):
                parts.job_log(job)
