"""Widgets of jobs, shared by several pages."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console.actions import pipeline
from console.queries import service_checks, stalled_jobs
from console.text import formatting
from console.web import page_state, reading, session, widgets
from core.domain.batches import BatchState
from core.domain.job_results import (
    BatchCompared,
    BatchNotStored,
    BatchStored,
    JobResult,
    NoNewBatch,
    VersionJudged,
    VersionPromoted,
    VersionProposed,
    VersionsCompared,
    sentence,
)
from core.domain.jobs import RETRYABLE, Job, JobState, LogLine
from core.rules.access.roles import right_for

_STALLED_TTL = 2.0
_QUEUE_SECONDS = 0.3
"""How long a page waits for the queue's answer, which takes milliseconds."""


def job_badge(job: Job) -> str:
    """A job's state; a warning if its batch came again with other content, a note if none came."""
    if isinstance(job.result, NoNewBatch):
        return ":gray-badge[no new batch]"
    if not _conflicts(job):
        return widgets.badge(job.state)
    return f":orange-badge[{formatting.STATES[BatchState.CONFLICT][1]}]"


def _conflicts(job: Job) -> bool:
    return isinstance(job.result, BatchNotStored) and job.result.state is BatchState.CONFLICT


def ended_epoch(job: Job) -> bool:
    """Whether an ingest's batch ended an epoch, whose rows left training."""
    return isinstance(job.result, BatchStored) and bool(job.result.ended)


def job_card(job: Job) -> None:
    """A job: state, progress, result or error, and actions."""
    when = formatting.ago(job.requested_at, widgets.now())
    took = formatting.duration(job.started_at, job.finished_at or widgets.now())
    st.markdown(
        f"{job_badge(job)} **{job.kind.value} {job.id}** · requested {when} by "
        f"{widgets.plain(job.actor)}" + (f" · {took}" if job.started_at else ""),
        help=f"{job.requested_at:%Y-%m-%d %H:%M:%S} UTC, attempt {job.attempt}",
    )
    if job.state is JobState.RUNNING:
        st.progress(job.progress, text=widgets.plain(job.stage or "starting"))
    if stuck := why_it_waits(job):
        st.warning(widgets.plain(stuck), icon=":material/hourglass_disabled:")
    show_outcome(job)
    _job_buttons(job)


def job_line(job: Job) -> None:
    """An open job in one line, with a link to its page."""
    row = st.container(horizontal=True, vertical_alignment="center")
    stage = why_it_waits(job) or (job.stage if job.state is JobState.RUNNING else "")
    row.markdown(
        f"{job_badge(job)} **{job.kind.value} {job.id}** {widgets.plain(stage)}", width="content"
    )
    with row:
        widgets.page_link("pipeline", "Follow it", {"job": str(job.id)})


def show_outcome(job: Job, note: str = "") -> None:
    """A job's error or result; `note` replaces a result that may be out of date."""
    text = job.error or note or job_note(job)
    if job.error or _conflicts(job) or ended_epoch(job):
        st.warning(widgets.plain(text), icon=":material/report:")
    elif text:
        st.caption(widgets.plain(text))


def queue_fault() -> str:
    """Why the queue takes no job now; empty if it does. A queue that hangs is not waited for."""
    services = session.watch().look(_QUEUE_SECONDS, service_checks.QUEUE)
    return next((service.says for service in services if service.healthy is False), "")


def show_queue_fault() -> None:
    """What stands still and what works while the queue is away; nothing if it is there."""
    if says := queue_fault():
        st.error(
            f"**The queue is away, so no job starts.** {widgets.plain(says)}  \n"
            "What you request now is recorded, and starts by itself once the queue is back. "
            "Everything on record can be viewed, and the live version keeps answering.",
            icon=":material/cloud_off:",
        )


def why_it_waits(job: Job) -> str:
    """Why an open job makes no progress, from Redis (cached); empty if nothing is wrong."""
    if job.state.is_over:
        return ""
    if queue_fault():
        is_running = job.state is JobState.RUNNING
        return "" if is_running else "It is recorded, and starts once the queue is back."
    stuck = reading.neighbour(stalled_jobs.stuck, ttl=_STALLED_TTL).value or {}
    return stuck.get(job.id, "")


def leads_on(result: JobResult | None) -> None:
    """A link to what a finished job made, for a look at it; nothing if it made nothing."""
    match result:
        case VersionProposed(version=version) | VersionJudged(judged=version):
            query = {"version": str(version)}
            widgets.page_link("promotion", f"Review version {version}", query)
        case VersionsCompared(version=version, against=other):
            query = {"version": str(version), "against": str(other)}
            widgets.page_link("promotion", f"See both versions, {version} and {other}", query)
        case BatchStored(epoch=epoch, batch=number):
            # On this page itself: a page link to the page that is shown leaves its address.
            label, key = f"Open batch {number}", f"open-batch-{epoch}/{number}"
            widgets.go_button(st, label, key, _open_batch, f"{epoch}/{number}")
        case BatchCompared(epoch=epoch, batch=int(number)):
            query = {"batch": f"{epoch}/{number}"}
            widgets.page_link("drift", f"See the drift of batch {number}", query)
        case VersionPromoted(version=version):
            widgets.page_link("predict", f"Try version {version}")


def _open_batch(address: str) -> None:
    st.query_params.pop("job", None)
    page_state.note_address("batch", address)


def job_note(job: Job) -> str:
    """A finished job's result in a sentence; a verdict about a batch may have changed since."""
    prefix = "At that time: " if isinstance(job.result, BatchCompared) else ""
    return prefix + sentence(job.result)


def _job_buttons(job: Job) -> None:
    if not job.state.is_over:
        stopping = "Stopping…" if job.cancel_requested else None
        look = widgets.only(right_for(job), disabled=job.cancel_requested, help=stopping)
        done = f"Job {job.id} is being cancelled."
        icon = ":material/stop_circle:"
        widgets.act_button(
            st, "Cancel", f"cancel-{job.id}", done, pipeline.cancel, job.id, icon=icon, **look
        )
    else:
        retry_button(st, job)


def retry_button(where: DeltaGenerator | ModuleType, job: Job, **look: Any) -> None:
    """A button that retries a job, if it failed or was cancelled."""
    if job.state in RETRYABLE:
        look |= {"icon": ":material/replay:", **widgets.only(right_for(job))}
        done = f"Job {job.id} is queued again."
        widgets.act_button(where, "Retry", f"retry-{job.id}", done, pipeline.retry, job.id, **look)


def job_log(lines: Sequence[LogLine]) -> None:
    """Lines of a job's log."""
    text = "\n".join(f"{line.at:%H:%M:%S}  {line.level:<7}  {line.message}" for line in lines)
    st.code(text or "No log lines yet.", language=None, wrap_lines=True)
