"""The history of jobs: filters and page in the address, and one job by its link."""

from __future__ import annotations

from typing import Any

import streamlit as st

from console import actions, history, parts, queries, session, words
from console.history import JobFilter
from core.records import Job, JobKind, JobState
from core.roles import right_for

_FOLLOWERS = {
    "drift_job": "its comparison",
    "train_job": "its training",
    "promote_job": "its promotion",
}
_REFRESH = 1.5


def chosen() -> str:
    """The job that the address names, if it names one."""
    return str(st.query_params.get("job", ""))


def show(job_id: int | None) -> None:
    """Let the address name this job, or none."""
    if job_id is None:
        st.query_params.pop("job", None)
    else:
        st.query_params["job"] = str(job_id)


def listing() -> None:
    """Every job that fits the filters, a page at a time."""
    wanted = _filters()
    total = session.ask(history.count, wanted)
    if total is None:
        return
    if not total:
        _nothing(wanted)
        return
    shown = st.container(border=True, gap="small")
    foot = st.container(horizontal=True, vertical_alignment="center")
    foot.caption(f"{total:,} job{'s' if total != 1 else ''}")
    pages = -(-total // history.PAGE)
    page = foot.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    with shown:
        for job in session.ask(history.jobs, wanted, page) or []:
            _row(job)


def _filters() -> JobFilter:
    columns = st.columns([2, 2, 2, 3])
    kind = columns[0].selectbox(
        "Kind",
        list(JobKind),
        index=None,
        format_func=lambda k: k.value,
        placeholder="Any",
        key="kind",
        bind="query-params",
        on_change=_first_page,
    )
    state = columns[1].selectbox(
        "State",
        list(JobState),
        index=None,
        format_func=lambda s: words.STATES[s][1],
        placeholder="Any",
        key="state",
        bind="query-params",
        on_change=_first_page,
    )
    actor = columns[2].selectbox(
        "Asked for by",
        session.ask(history.actors) or [],
        index=None,
        placeholder="Anybody",
        key="actor",
        bind="query-params",
        on_change=_first_page,
    )
    text = columns[3].text_input(
        "Find",
        placeholder="A number, or words of a log or an error",
        key="text",
        bind="query-params",
        max_chars=100,
        on_change=_first_page,
    )
    return JobFilter(kind, state, actor or "", text or "")


def _first_page() -> None:
    st.session_state["page"] = 1


def _nothing(wanted: JobFilter) -> None:
    if wanted == JobFilter():
        st.info(
            "Nothing has run yet. **Ingest next batch** asks the data API for the first one; "
            "its comparison follows by itself.",
            icon=":material/flag:",
        )
    else:
        st.info("No job fits these filters.", icon=":material/filter_alt_off:")


def _row(job: Job) -> None:
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    came = job.error or parts.job_note(job) or job.stage
    row.markdown(
        f"{parts.badge(job.state)} **{job.kind.value} {job.id}** · "
        f"{words.ago(job.requested_at, parts.now())} · {parts.plain(job.actor)}"
        + (f"  \n:gray[:small[{parts.plain(came)}]]" if came else ""),
        help=f"{job.requested_at:%Y-%m-%d %H:%M:%S} UTC",
        width="stretch",
    )
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        row.button(
            "Retry",
            key=f"retry-{job.id}",
            type="tertiary",
            icon=":material/replay:",
            on_click=session.act,
            args=(f"Job {job.id} is queued again.", actions.retry, job.id),
            **parts.only(right_for(job)),
        )
    row.button(
        "Open",
        key=f"open-{job.id}",
        type="tertiary",
        help=f"{job.kind.value} {job.id}: its log and result",
        on_click=show,
        args=(job.id,),
    )


def detail(named: str) -> None:
    """One job: what was asked for, what came of it, its log."""
    st.button("All jobs", icon=":material/arrow_back:", on_click=show, args=(None,))
    number = int(named) if named.isascii() and named.isdecimal() and len(named) < 19 else 0  # noqa: PLR2004 - fits the column
    job = session.ask(queries.job, number)
    if job is None:
        return
    every = None if job.state.is_over else _REFRESH
    st.fragment(_detail, run_every=every)(job.id, is_over=job.state.is_over)


def _detail(job_id: int, *, is_over: bool) -> None:
    job = session.ask(queries.job, job_id)
    if job is None:
        return
    if job.state.is_over != is_over:
        st.rerun()  # the page has more to change than this part
    with st.container(border=True):
        parts.job_card(job)
    _times(job)
    for key, name in _FOLLOWERS.items():
        if follower := job.result.get(key):
            st.button(
                f"Go on to {name}, job {follower}",
                icon=":material/arrow_forward:",
                on_click=show,
                args=(int(follower),),
            )
    st.subheader("Log", anchor=False)
    parts.job_log(job)
    with st.expander("Asked for, and result"):
        st.json({"args": job.args, "result": job.result})


def _times(job: Job) -> None:
    row = st.container(horizontal=True, gap="medium")
    entries: list[tuple[str, Any]] = [
        ("Asked for", job.requested_at),
        ("Started", job.started_at),
        ("Finished", job.finished_at),
    ]
    for label, at in entries:
        exact = f"{at:%H:%M:%S}" if at else "-"
        row.metric(
            label, exact, help=f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else None, width="content"
        )
    row.metric("Attempt", job.attempt, width="content")
