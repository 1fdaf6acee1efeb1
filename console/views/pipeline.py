"""Pipeline: queue work, watch it, and see what came in."""

from __future__ import annotations

import streamlit as st

from console import actions, parts, queries, session, words
from core.records import EpochState, JobKind


@st.dialog("Restart the source")
def confirm_restart(epoch: int) -> None:
    """Say what a restart replaces before it is asked for."""
    st.write(
        f"The source starts over and a new epoch begins. Its first batch **replaces the rows** "
        f"of epoch {epoch}. Profiles, drift reports, models and the audit trail stay."
    )
    if st.button(
        "Restart and ingest the first batch",
        type="primary",
        on_click=session.act,
        args=("The restart is queued.", actions.request_ingest),
        kwargs={"restart": True},
    ):
        st.rerun()


@st.dialog("Train anyway")
def ask_why_train() -> None:
    """Training that the data does not ask for goes on record with a reason."""
    st.text_area("Why train now?", key="train-reason", placeholder="It goes on record.")

    def train() -> None:
        reason = session.field("train-reason")
        session.act("Training is queued.", actions.request_train, reason=reason)

    if st.button("Train", type="primary", on_click=train):
        st.rerun()


def buttons(status: queries.Status) -> None:
    """What can be asked for now."""
    columns = st.columns(5)
    open_kinds = {job.kind for job in status.open_jobs}
    with columns[0]:
        st.button(
            "Ingest next batch",
            icon=":material/download:",
            type="primary",
            width="stretch",
            disabled=JobKind.INGEST in open_kinds,
            on_click=session.act,
            args=("Ingest is queued.", actions.request_ingest),
        )
    with columns[1]:
        st.button(
            "Check drift",
            icon=":material/difference:",
            width="stretch",
            disabled=status.last_batch is None,
            on_click=session.act,
            args=("The comparison is queued.", actions.request_drift),
        )
    with columns[2]:
        asked = bool(status.report and status.report.report.retrain)
        if asked or status.last_batch is None:
            st.button(
                "Train",
                icon=":material/model_training:",
                width="stretch",
                disabled=status.last_batch is None or JobKind.TRAIN in open_kinds,
                on_click=session.act,
                args=("Training is queued.", actions.request_train),
            )
        elif st.button(
            "Train anyway",
            icon=":material/model_training:",
            width="stretch",
            disabled=JobKind.TRAIN in open_kinds,
        ):
            ask_why_train()
    with columns[3]:
        st.button(
            "Run all",
            icon=":material/fast_forward:",
            width="stretch",
            help="Ingest, check drift, and train if the batch has drifted.",
            disabled=JobKind.INGEST in open_kinds,
            on_click=session.act,
            args=("Ingest is queued; drift and training follow.", actions.request_ingest),
            kwargs={"then_train": True},
        )
    with columns[4]:
        if status.epoch and st.button(
            "Restart source", icon=":material/restart_alt:", width="stretch"
        ):
            confirm_restart(status.epoch.number)


@st.fragment(run_every=2.0)
def live() -> None:
    """The part that changes by itself: where things stand, and the jobs."""
    status = session.ask(queries.status)
    if status is None:
        return
    buttons(status)
    headline(status)
    st.subheader("Jobs", anchor=False)
    jobs = session.ask(queries.jobs, 8) or []
    if not jobs:
        st.info(
            "Nothing has run yet. **Ingest next batch** asks the data API for the first one; "
            "its comparison follows by itself.",
            icon=":material/flag:",
        )
    for job in jobs:
        with st.container(border=True):
            parts.job_card(job)
            if st.toggle("Log", key=f"log-{job.id}", value=not job.state.is_over):
                parts.job_log(job)


def headline(status: queries.Status) -> None:
    """Where the pipeline stands, in four figures."""
    columns = st.columns(4)
    epoch = status.epoch
    ended = epoch is not None and epoch.state is EpochState.EXHAUSTED
    columns[0].metric(
        "Epoch", f"{epoch.number}{' (data ended)' if ended else ''}" if epoch else "-"
    )
    batch = status.last_batch
    columns[1].metric("Last batch", f"{batch.number}" if batch else "-")
    verdict = "-"
    if status.report:
        verdict = "retrain" if status.report.report.retrain else "no drift"
    columns[2].metric("Verdict", verdict)
    columns[3].metric("Live version", str(status.live.version) if status.live else "none")


def ledger() -> None:
    """What came in, batch by batch."""
    st.subheader("Batches", anchor=False)
    entries = session.ask(queries.ledger) or []
    if not entries:
        st.caption("No batch has come in yet.")
        return
    st.dataframe(
        [
            {
                "Epoch": b.epoch,
                "Batch": b.number,
                "State": words.STATES[b.state][1],
                "Rows": b.rows,
                "Stored": b.stored,
                "Quarantined": b.quarantined,
                "Missing before": b.gap,
                "MB": round(b.bytes / 1e6, 2),
                "Received (UTC)": b.received_at.replace(tzinfo=None),
                "Note": b.note,
            }
            for b in entries
        ],
        hide_index=True,
        width="stretch",
    )
    bad = [b for b in entries if b.quarantined]
    for b in bad[:3]:
        with st.expander(f"Quarantined rows of batch {b.number}, epoch {b.epoch}"):
            rows = session.ask(queries.quarantined, b.id) or []
            st.dataframe(
                [{"Row": q.row_number, "Why": q.reason, "Content": q.content} for q in rows],
                hide_index=True,
                width="stretch",
            )


live()
ledger()
