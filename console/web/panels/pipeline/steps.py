"""The pipeline's steps with their buttons and last results, and the running jobs."""

from __future__ import annotations

from typing import Any, Literal

import streamlit as st

from console.actions import pipeline
from console.queries import status as status_queries
from console.text import formatting, health_strip
from console.text.batch_ledger import trains_on
from console.web import acting, addresses, job_widgets, page_state, reading, session, widgets
from console.web.panels.pipeline import training
from console.web.panels.pipeline.schedules import next_by_itself
from console.web.panels.pipeline.upload import upload_file
from console.web.select import select
from core.domain.batches import EpochState
from core.domain.jobs import Job, JobKind, JobState
from core.domain.sources import UploadSource, takes_uploads
from core.rules.access.roles import Right
from core.rules.data.epoch_ending import Ending

_LONGEST_NOTE = 140
"""A result in a step's box; the pages that it leads to have all of it."""


@widgets.dialog("End the epoch")
def confirm_end(ending: Ending, *, restart: bool = False, then_train: bool = False) -> None:
    """Say what the end of the epoch removes, before a restart or an ingest ends it."""
    st.write(
        f"{ending.coming} The source starts again with its first batch, and epoch "
        f"{ending.epoch + 1} begins.".strip()
    )
    st.write(f"{ending.counts} Profiles, drift reports, models and the audit log are kept.")
    if restart:
        widgets.reason("restart-reason", "Reason (optional)")

    def go_on() -> None:
        reason = page_state.get_state("restart-reason") if restart else ""
        options = {"restart": restart, "then_train": then_train, "ends": ending.epoch}
        acting.act("The restart is queued.", pipeline.request_ingest, reason=reason, **options)

    widgets.confirm("Restart and ingest the first batch", go_on)


def steps(status: status_queries.Status) -> None:
    """Ingest, check drift, train: each with its button and its last result."""
    open_kinds = {job.kind for job in status.open_jobs}
    ingest, drift, train = st.columns(3)
    with ingest.container(border=True, height="stretch"):
        _ingest(status, busy=JobKind.INGEST in open_kinds)
        _last(status, JobKind.INGEST, "No batch has been ingested yet.")
    with drift.container(border=True, height="stretch"):
        icon, done = ":material/difference:", "The comparison is queued."
        nothing = status.last_batch is None
        kind = _look(status, JobKind.DRIFT)
        _button("Check drift", icon, done, pipeline.request_drift, disabled=nothing, type=kind)
        compared = status.last_compared
        verdict = compared.sentence if compared else ""
        _last(status, JobKind.DRIFT, "Runs automatically after each ingest.", now=verdict)
    with train.container(border=True, height="stretch"):
        _train(status, busy=JobKind.TRAIN in open_kinds)
        is_offered = _review(status)
        untrained = "No model has been trained yet."
        _last(status, JobKind.TRAIN, untrained, leads_on=not is_offered)


def _review(status: status_queries.Status) -> bool:
    """A filled button to the recommended candidate, if that is the next sensible step."""
    candidate = status.to_review
    if candidate is None or status.open_jobs:
        return False
    label, icon = f"Review version {candidate.version}", ":material/approval:"
    if st.button(label, key="review", icon=icon, type="primary", width="stretch"):
        addresses.switch("promotion", {"version": str(candidate.version)})
    return True


def _look(status: status_queries.Status, kind: JobKind) -> Literal["primary", "secondary"]:
    """The look of a step's button: filled for the next sensible step."""
    return "primary" if status.next_step is kind else "secondary"


def _ingest(status: status_queries.Status, *, busy: bool) -> None:
    ending, icon = status.ending, ":material/download:"
    source = session.desk().dataset.source
    is_upload = isinstance(source, UploadSource)
    if ending and ending.coming:
        st.caption(widgets.plain(ending.coming))
    if ending is None or not status.ends_next:
        done = "Ingest is queued."
        _button(
            "Ingest next batch",
            icon,
            done,
            pipeline.request_ingest,
            disabled=busy,
            type=_look(status, JobKind.INGEST) if not is_upload else "secondary",
        )
    else:
        help_ = "This ends the epoch and asks for confirmation first."
        look = widgets.only(Right.RUN, disabled=busy, help=help_)
        look |= {"type": _look(status, JobKind.INGEST), "width": "stretch"}
        if st.button("Ingest next batch…", key="ingest-ends", icon=icon, **look):
            confirm_end(ending)
    if not takes_uploads(source):
        return
    look = widgets.only(Right.RUN, disabled=busy, help="A file becomes the next batch.")
    look |= {"icon": ":material/upload_file:", "width": "stretch"}
    kind = _look(status, JobKind.INGEST) if is_upload else "secondary"
    if st.button("Upload a file…", key="open-upload", type=kind, **look):
        upload_file()


def _earlier_epoch(status: status_queries.Status) -> int | None:
    """The earlier epoch selected for training; None for the current one, the default."""
    kept = [r for r in status.rows if status.epoch and r.epoch != status.epoch.number]
    if not kept or status.epoch is None:
        return None
    names = {0: f"Epoch {status.epoch.number}, the current one"} | {
        r.epoch: f"Epoch {r.epoch} ({r.rows:,} kept rows)" for r in kept
    }
    chosen = select(st, "Train on", names, "train-on")
    return chosen or None


def _train(status: status_queries.Status, *, busy: bool) -> None:
    icon, why = ":material/model_training:", status.batches.why_a_reason
    help_ = trains_on(status.batches.usable)
    epoch = _earlier_epoch(status)
    if epoch:
        label, help_ = training.on_epoch(epoch), ""
    elif why and status.last_batch:
        label, help_ = "Train anyway", f"{help_} Asks for a reason. {widgets.plain(why)}"
    else:
        done, nothing = "Training is queued.", status.last_batch is None
        kind = _look(status, JobKind.TRAIN)
        _button(
            "Train", icon, done, pipeline.request_train, disabled=nothing or busy, type=kind,
            help=help_,
        )  # fmt: skip
        return
    look = widgets.only(Right.RUN, disabled=busy, help=help_)
    if st.button(label, key=label, icon=icon, width="stretch", **look):
        training.ask_why(epoch)


def _button(
    label: str,
    icon: str,
    done: str,
    action: Any,
    *,
    disabled: bool,
    help: str | None = None,  # noqa: A002 - Streamlit's word
    **options: Any,
) -> None:
    allowed = widgets.only(Right.RUN, disabled=disabled, help=help)
    look = {"icon": icon, "width": "stretch", **allowed}
    widgets.act_button(st, label, None, done, action, **look, **options)


def _last(
    status: status_queries.Status,
    kind: JobKind,
    nothing: str,
    now: str = "",
    *,
    leads_on: bool = True,
) -> None:
    job = status.last_jobs.get(kind)
    if job is None:
        st.caption(widgets.plain(now) or nothing)
        return
    result(job, now)
    if leads_on and job.state.is_over:
        job_widgets.leads_on(job.result)


def result(job: Job, now: str = "") -> None:
    """A job's state and result in two lines, with progress while it runs.

    `now` replaces a result that may be out of date.
    """
    when = job.finished_at or job.requested_at
    took = ""
    if job.started_at and job.finished_at:
        took = f" · took {formatting.duration(job.started_at, job.finished_at)}"
    st.markdown(
        f"{job_widgets.job_badge(job)} {widgets.when(when)}{took}",
        help=f"Job {job.id}, {widgets.exact(when)}",
    )
    if job.state is JobState.RUNNING:
        st.progress(job.progress, text=widgets.plain(job.stage or "starting"))
    elif stuck := job_widgets.why_it_waits(job):
        st.warning(widgets.plain(stuck), icon=":material/hourglass_disabled:")
    else:
        note = now or job_widgets.job_note(job)
        if not job_widgets.ended_epoch(job):
            note = formatting.shorten(note, _LONGEST_NOTE)
        job_widgets.show_outcome(job, note)


def more(status: status_queries.Status) -> None:
    """Buttons for all steps and for a restart of the source."""
    busy = any(job.kind is JobKind.INGEST for job in status.open_jobs)
    row = st.container(horizontal=True, vertical_alignment="center")
    follow = "Ingest, check drift, and train if the batch has drifted."
    look = widgets.only(Right.RUN, disabled=busy, help=follow)
    if status.ending and status.ends_next:
        if row.button("Run all…", key="run-all-ends", icon=":material/fast_forward:", **look):
            confirm_end(status.ending, then_train=True)
    else:
        look |= {"icon": ":material/fast_forward:", "kwargs": {"then_train": True}}
        done = "Ingest is queued; drift and training follow."
        widgets.act_button(row, "Run all", None, done, pipeline.request_ingest, **look)
    look = {"icon": ":material/restart_alt:", **widgets.only(Right.RESTART, disabled=busy)}
    if status.ending and row.button("Restart source", key="restart-source", **look):
        confirm_end(status.ending, restart=True)
    with row:
        next_by_itself()


def headline(status: status_queries.Status) -> None:
    """The state of the pipeline in one line, once there is an epoch; and what is held."""
    epoch, newest = status.epoch, status.batches.newest
    if epoch is None:
        return
    ended = ":gray-badge[data ended]" if epoch.state is EpochState.EXHAUSTED else ""
    fact, last = health_strip.newest_batch(newest), status.last_batch
    verdict = f":{fact.tone.value}-badge[{widgets.plain(fact.note)}]" if newest else ""
    number = last.number if last else "none"
    st.markdown(
        f"Epoch **{epoch.number}** {ended} · Newest batch **{number}** {verdict} · "
        f"Live version **{status.live_version or 'none'}**",
        help=widgets.plain(newest.sentence) if newest else None,
    )
    for held in status.held:
        st.warning(
            f"Batch {held.number} is held: {widgets.plain(held.hold_reason or '')} It is excluded "
            "from comparisons and training. Release it under **Batches** if it is valid.",
            icon=":material/pause_circle:",
        )


def open_jobs(jobs: list[Job]) -> None:
    """The open jobs with their logs."""
    if not jobs:
        return
    st.subheader("Running jobs", anchor=False)
    for job in jobs:
        with st.container(border=True):
            job_widgets.job_card(job)
            if st.toggle("Log", key=f"log-{job.id}", value=True):
                job_widgets.job_log(reading.query(status_queries.job_log, job.id) or [])
