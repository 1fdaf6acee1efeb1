"""Widgets of jobs, shared by several pages."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console.actions import pipeline
from console.queries import stalled_jobs
from console.text import formatting
from console.web import reading, widgets
from core.domain.batches import BatchState
from core.domain.job_results import BatchNotStored, NoNewBatch, VersionProposed, sentence
from core.domain.jobs import RETRYABLE, Job, JobState, LogLine
from core.rules.access.roles import right_for

_STALLED_TTL = 2.0


def job_badge(job: Job) -> str:
    """A job's state; a warning if its batch came again with other content, a note if none came."""
    if isinstance(job.result, NoNewBatch):
        return ":gray-badge[no new batch]"
    if not _conflicts(job):
        return widgets.badge(job.state)
    return f":orange-badge[{formatting.STATES[BatchState.CONFLICT][1]}]"


def _conflicts(job: Job) -> bool:
    return isinstance(job.result, BatchNotStored) and job.result.state is BatchState.CONFLICT


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


def show_outcome(job: Job, note: str = "") -> None:
    """A job's error or result; `note` replaces a result that may be out of date."""
    text = job.error or note or job_note(job)
    if job.error or _conflicts(job):
        st.warning(widgets.plain(text), icon=":material/report:")
    elif text:
        st.caption(widgets.plain(text))


def why_it_waits(job: Job) -> str:
    """Why an open job makes no progress, from Redis (cached); empty if nothing is wrong."""
    if job.state.is_over:
        return ""
    return (reading.query_cached(_STALLED_TTL, stalled_jobs.stuck) or {}).get(job.id, "")


def job_note(job: Job) -> str:
    """A finished job's result in a sentence."""
    result = job.result
    prefix = f"Version {result.version}: " if isinstance(result, VersionProposed) else ""
    return prefix + sentence(result)


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
