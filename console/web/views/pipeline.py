"""Pipeline: start and watch jobs, job history, the batch ledger, schedules, calendar, source."""

from __future__ import annotations

import streamlit as st

from console.queries import job_history
from console.queries import status as status_queries
from console.web import job_widgets, page_state, reading
from console.web.panels.pipeline import (
    batch_page,
    batches,
    calendar,
    jobs,
    schedules,
    source,
    steps,
)

# Seconds between refreshes, while jobs are open and while none is.
_BUSY, _IDLE = 1.5, 5.0

_SECTIONS = {"History": jobs.listing, "Batches": batches.ledger, "Schedule": schedules.listing,
             "Calendar": calendar.calendar, "Source": source.state}  # fmt: skip


def live() -> None:
    """The part that refreshes automatically; reruns the page when jobs start or end."""
    status = reading.query(status_queries.status)
    if status is None:
        return
    if page_state.changed("pipeline", tuple(job.id for job in status.open_jobs)):
        st.rerun()
    job_widgets.show_queue_fault()
    steps.steps(status)
    steps.more(status)
    steps.headline(status)
    steps.open_jobs(status.open_jobs)


def sections() -> None:
    """History, batches, schedules, calendar and source; only the open tab is drawn."""
    tabs = st.tabs(list(_SECTIONS), key="view", bind="query-params")
    for tab, section in zip(tabs, _SECTIONS.values(), strict=True):
        if tab.open:
            with tab:
                section()


named, entry = jobs.chosen(), batch_page.chosen()
if named:
    jobs.detail(named)
elif entry:
    batch_page.detail(entry)
else:
    open_jobs = reading.query(job_history.open_jobs, silent=True)
    st.fragment(live, run_every=_BUSY if open_jobs else _IDLE)()
    sections()
