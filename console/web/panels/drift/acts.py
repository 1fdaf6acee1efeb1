"""What a person can do about a batch on the Drift page: compare, train, dismiss, go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console.actions import pipeline
from console.queries import drift, promotion
from console.text.batch_ledger import trains_on
from console.web import addresses, reading, session, widgets
from console.web.panels.drift import statistics
from console.web.panels.pipeline import training
from console.web.panels.promotion import history
from core.domain.drift import StoredReport
from core.rules.access.roles import Right
from core.rules.drift.batch_verdict import BatchVerdict, Stand
from core.rules.ops.batch_names import named_batches


@widgets.dialog("Dismiss this batch")
def ask_why_dismiss(verdict: BatchVerdict) -> None:
    """Close a recommendation without training; ask for the reason."""
    st.write(
        f"{widgets.plain(verdict.title)}. If no action is needed, give the reason. It is recorded, "
        "and the batch needs no action any more, even if it is compared again."
    )
    widgets.confirm_with_reason(
        "Dismiss it", "drift-dismiss-reason", "The batch is dismissed.", pipeline.dismiss_batch,
        verdict.batch_id, prompt="Why is no action needed?",
    )  # fmt: skip


@widgets.dialog("Dismiss all of these batches")
def ask_why_dismiss_all(alike: Sequence[BatchVerdict]) -> None:
    """Dismiss every batch that waits for the same reason; ask for the one reason."""
    listed = "\n".join(f"- {widgets.plain(verdict.title)}" for verdict in alike)
    st.markdown(f"These {len(alike)} batches wait for the same reason:\n\n{listed}")
    st.write(
        "If none of them needs action, give the reason. It is recorded for each batch, and none "
        "of them needs action any more, even if it is compared again."
    )
    widgets.confirm_with_reason(
        f"Dismiss all {len(alike)}", "drift-dismiss-reason", "The batches are dismissed.",
        pipeline.dismiss_batches, [verdict.batch_id for verdict in alike],
        prompt="Why is no action needed?",
    )  # fmt: skip


def buttons(view: drift.View, report: StoredReport, *, is_doubtful: bool = False) -> None:
    """The actions for this batch; a doubtful one has values far outside the former range."""
    row = st.container(horizontal=True)
    look = widgets.only(Right.RUN, help="With the current limits and the current champion.")
    look |= {"icon": ":material/refresh:", "kwargs": {"batch_id": view.batch.id}}
    done = "The comparison is queued."
    widgets.act_button(row, "Compare again", None, done, pipeline.request_drift, **look)
    _train(row, view)
    _dismiss(row, view)
    if view.verdict.stand is Stand.ROLLED_BACK:
        choices = reading.query(promotion.rollback_choices) or []
        wanted = [choice for choice in choices if choice.version == view.verdict.learned_by]
        history.roll_back(row, view.live, wanted, busy=view.is_moving)
    if view.verdict.learned_by is not None:
        version = str(view.verdict.learned_by)
        to = addresses.of(session.dataset_name(), "promotion", {"version": version})
        row.html(addresses.anchor(f"Open version {version}", to, "act"))
    if is_doubtful and not view.batch.is_held:
        query = {"batch": f"{view.batch.epoch}/{view.batch.number}"}
        to = addresses.of(session.dataset_name(), "pipeline", query)
        row.html(addresses.anchor("Hold it on its page", to, "act"))
    with row:
        statistics.downloads(report)


def _train(row: DeltaGenerator, view: drift.View) -> None:
    """The training on the epoch of the batch that is shown."""
    now = view.training
    allowed = widgets.only(
        Right.RUN, disabled=bool(now.obstacle), help=now.obstacle or trains_on(now.usable)
    )
    look: dict[str, Any] = {"icon": ":material/model_training:", **allowed}
    if now.earlier is not None:
        if row.button(training.on_epoch(now.earlier), key="train-on-epoch", **look):
            training.ask_why(now.earlier)
    elif not now.why_a_reason:
        look["type"] = "primary" if view.verdict.asks else "secondary"
        done = "Training is queued."
        widgets.act_button(row, "Train", None, done, pipeline.request_train, **look)
    elif row.button("Train anyway…", key="train-anyway", **look):
        training.ask_why()


def _dismiss(row: DeltaGenerator, view: drift.View) -> None:
    """Dismiss the batch, or all that wait for the same reason."""
    if not view.verdict.waits:
        return
    icon = ":material/do_not_disturb_on:"
    look = widgets.only(Right.RUN, help="Record that this batch needs no action.")
    if row.button("Dismiss…", key="dismiss", icon=icon, **look):
        ask_why_dismiss(view.verdict)
    if len(view.alike) > 1:
        named = named_batches([v.number for v in view.alike])
        help_ = f"{named} of epoch {view.batch.epoch} wait for the same reason."
        look = widgets.only(Right.RUN, help=help_)
        if row.button(f"Dismiss all {len(view.alike)}…", key="dismiss-all", icon=icon, **look):
            ask_why_dismiss_all(view.alike)
