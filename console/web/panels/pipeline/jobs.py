"""The job history with filters, and one job by its address."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from console.queries import job_history, status
from console.queries.job_history import JobFilter
from console.text import formatting
from console.text.as_json import jsonable
from console.text.batch_ledger import first_batch
from console.text.job_stages import stages
from console.web import job_widgets, reading, session, widgets
from core.domain.job_results import (
    BatchCompared,
    BatchStored,
    VersionProposed,
    next_job,
)
from core.domain.jobs import Job, JobKind, JobState, LogLine
from core.domain.safe_text import key_of

_NEXT: dict[type, str] = {
    BatchStored: "drift check",
    BatchCompared: "training",
    VersionProposed: "promotion",
}
"""The job that one with this result queues."""
_REFRESH = 1.5
_WIDTH = 160
"""Of a filter, in pixels: on a narrow screen two of them share a row."""

_LONGEST_NOTE = 120
"""A note is one line of the list; the job's page has all of it."""


def chosen() -> str:
    """The job id in the address, if any."""
    return str(st.query_params.get("job", ""))


def show(job_id: int | None) -> None:
    """Set the job id in the address, or remove it."""
    if job_id is None:
        st.query_params.pop("job", None)
    else:
        st.query_params["job"] = str(job_id)


def listing() -> None:
    """The matching jobs, page by page."""
    wanted = _filters()
    total = reading.query(job_history.count, wanted)
    if total is None:
        return
    if not total:
        _nothing(wanted)
        return
    shown = st.container(border=True, gap="small")
    foot = st.container(horizontal=True, vertical_alignment="center")
    foot.caption(formatting.count(total, "job"))
    pages = -(-total // job_history.PAGE)
    page = foot.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    with shown:
        for job in reading.query(job_history.jobs, wanted, page) or []:
            _row(job)


def _filters() -> JobFilter:
    row = st.container(horizontal=True)
    look: dict[str, Any] = {"bind": "query-params", "on_change": _first_page, "width": _WIDTH}
    one = look | {"index": None, "placeholder": "Any"}
    kind = row.selectbox("Kind", list(JobKind), format_func=lambda k: k.value, key="kind", **one)
    state = row.selectbox(
        "State", list(JobState), format_func=lambda s: formatting.STATES[s][1], key="state", **one
    )
    names, one["placeholder"] = reading.query(job_history.actors) or [], "Anyone"
    actor = row.selectbox("Requested by", names, key="by", **one)
    day = row.date_input("Day (UTC)", value=None, key="day", format="YYYY-MM-DD", **look)
    text = row.text_input(
        "Search", placeholder="Job id, or words of a log or error", key="text", max_chars=100,
        **look | {"width": "stretch"},
    )  # fmt: skip
    return JobFilter(kind, state, actor or "", text or "", day if isinstance(day, date) else None)


def _first_page() -> None:
    st.session_state["page"] = 1


def _nothing(wanted: JobFilter) -> None:
    if wanted == JobFilter():
        st.info(
            f"No jobs yet. {first_batch(session.desk().dataset.source)}, which is compared "
            "automatically.",
            icon=":material/flag:",
        )
    else:
        st.info("No job matches these filters.", icon=":material/filter_alt_off:")


def _row(job: Job) -> None:
    key = f"job-row-{job.id}"
    row = st.container(horizontal=True, vertical_alignment="center", gap="small", key=key)
    note = job.error or job_widgets.why_it_waits(job) or job_widgets.job_note(job) or job.stage
    note = formatting.shorten(note, _LONGEST_NOTE)
    row.markdown(
        f"{job_widgets.job_badge(job)} **{job.kind.value} {job.id}** · "
        f"{formatting.ago(job.requested_at, widgets.now())} · {widgets.plain(job.actor)}"
        + (f"  \n:gray[:small[{widgets.plain(note)}]]" if note else ""),
        help=widgets.exact(job.requested_at),
        width="stretch",
    )
    job_widgets.retry_button(row, job, type="tertiary")
    row.button(
        "Open",
        key=f"open-{job.id}",
        type="tertiary",
        help=f"{job.kind.value} {job.id}: its log and result",
        on_click=show,
        args=(job.id,),
    )


def detail(named: str) -> None:
    """One job: its state, times, log, arguments and result."""
    st.button("All jobs", icon=":material/arrow_back:", on_click=show, args=(None,))
    job = reading.query(status.job, key_of(named) or 0)
    if job is None:
        return
    every = None if job.state.is_over else _REFRESH
    st.fragment(_detail, run_every=every)(job.id, is_over=job.state.is_over)


def _detail(job_id: int, *, is_over: bool) -> None:
    job = reading.query(status.job, job_id)
    if job is None:
        return
    if job.state.is_over != is_over:
        st.rerun()  # the rest of the page changes, too
    with st.container(border=True):
        job_widgets.job_card(job)
    _times(job)
    _leads_on(job)
    lines = reading.query(status.job_log, job.id) or []
    _stages(job, lines)
    st.subheader("Log (UTC)", anchor=False)
    job_widgets.job_log(lines)
    with st.expander("Arguments and result"):
        st.json({"args": job.args, "result": jsonable(job.result) or {}})


def _leads_on(job: Job) -> None:
    """What the operator looks at next: what the job made, and the job that follows it."""
    result, row = job.result, st.container(horizontal=True)
    if result and (following := next_job(result)):
        label = f"Open {_NEXT[type(result)]}, job {following}"
        widgets.go_button(row, label, f"open-next-{following}", show, following)
    with row:
        job_widgets.leads_on(result)


def _stages(job: Job, lines: list[LogLine]) -> None:
    """The stages with their durations, and a bar for each."""
    found = stages(job, lines)
    if not found:
        return
    st.subheader("Stages", anchor=False)
    now = widgets.now()
    widgets.table(
        [
            {
                "Stage": stage.name,
                "Seconds": ((stage.ended or now) - stage.began).total_seconds(),
                "Began (UTC)": stage.began.replace(tzinfo=None),
            }
            for stage in found
        ],
        column_config={
            "Seconds": st.column_config.NumberColumn(format="%.2f", width="small"),
            "Began (UTC)": st.column_config.DatetimeColumn(format="HH:mm:ss.SSS", width="small"),
        },
        alt="The stages of the job with their durations",
    )


def _times(job: Job) -> None:
    """When it was requested, started and finished, each to the second, and which attempt it is."""
    times = {"Requested": job.requested_at, "started": job.started_at, "finished": job.finished_at}
    told = [f"{label} {widgets.exact(at)}" for label, at in times.items() if at]
    st.caption(", ".join(told) + f". Attempt {job.attempt}.")
