"""The dialog of a training that needs a reason, on the Pipeline page and on the Drift page."""

from __future__ import annotations

import streamlit as st

from console.actions import pipeline
from console.queries import status as status_queries
from console.text.batch_ledger import trains_on
from console.web import reading, widgets


def on_epoch(epoch: int) -> str:
    """The label of the button that trains on an earlier epoch."""
    return f"Train on epoch {epoch}…"


def ask_why(epoch: int | None = None) -> None:
    """Ask for a reason, since the data does not call for this training.

    `epoch` is the epoch to train on, if it is not the current one.
    """
    if epoch is None:
        _anyway()
    else:
        _on_earlier_epoch(epoch)


@widgets.dialog("Train anyway")
def _anyway() -> None:
    _ask(None)


@widgets.dialog("Train on an earlier epoch")
def _on_earlier_epoch(epoch: int) -> None:
    _ask(epoch)


def _ask(epoch: int | None) -> None:
    now = reading.query(status_queries.training_now, epoch)
    if now is None:
        return
    if now.obstacle:
        st.error(widgets.plain(now.obstacle), icon=":material/error:")
        return
    st.write(trains_on(now.usable))
    if epoch is not None:
        st.caption(f"The version is trained on the kept rows of epoch {epoch} only.")
    if now.why_a_reason:
        st.info(widgets.plain(now.why_a_reason), icon=":material/info:")
    widgets.confirm_with_reason(
        "Train", "train-reason", "Training is queued.", pipeline.request_train,
        prompt="Why train now?", epoch=epoch,
    )  # fmt: skip
