"""Pipeline: queue work, watch it, see what ran and what came in, and let it run by itself."""

from __future__ import annotations

import streamlit as st

from console import history, queries, session
from console.pipeline import jobs, ledger, schedules, steps

# Seconds between two looks, while something runs and while nothing does.
_BUSY, _IDLE = 1.5, 8.0

_SECTIONS = {
    "History": jobs.listing,
    "Batches": ledger.ledger,
    "Schedule": schedules.listing,
}


def live() -> None:
    """The part that changes by itself; when jobs come or go, the whole page follows."""
    status = session.ask(queries.status)
    if status is None:
        return
    if session.changed("pipeline", tuple(job.id for job in status.open_jobs)):
        st.rerun()
    steps.steps(status)
    steps.more(status)
    steps.headline(status)
    steps.under_way(status.open_jobs)


def sections() -> None:
    """What looks back and ahead; only the one that is chosen is drawn."""
    chosen = st.segmented_control(
        "Section",
        list(_SECTIONS),
        default="History",
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    _SECTIONS[chosen]()


named = jobs.chosen()
if named:
    jobs.detail(named)
else:
    open_jobs = session.known(history.open_jobs)
    st.fragment(live, run_every=_BUSY if open_jobs else _IDLE)()
    sections()
