"""The actions of a browser session, and their messages on the next run of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st
import structlog
from structlog.contextvars import bound_contextvars

from console.desk import Desk
from console.text import formatting
from console.web import page_state, reading, session
from console.web.metrics import metrics
from console.web.page_text import plain
from core.domain.errors import DriftdeskError, Refused
from core.domain.jobs import Job, JobState
from core.platform import tracing
from core.rules.access.roles import Actor

log = structlog.get_logger()

_UNPREFIXED = ("pipeline", "decisions", "predictions", "limits")


def act(done: str, action: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Run an action for this session and store its message for the next run of the page.

    `done` is shown on success, unless the action joined a job that was already open, or one that
    the queue has not taken yet. For button callbacks.
    """
    try:
        with acting(_verb(action)) as (desk, actor):
            result = action(desk, actor, *args, **kwargs)
    except DriftdeskError as error:
        st.session_state[page_state.MESSAGE] = ("error", str(error))
    else:
        if isinstance(result, Job) and (result.joined or result.state is JobState.REQUESTED):
            done = formatting.joined(result) if result.joined else formatting.recorded(result)
        st.session_state[page_state.MESSAGE] = ("ok", done)
        reading.clear_cache()


def _verb(action: Callable[..., Any]) -> str:
    """An action's name for metrics and logs, prefixed with its module where it is ambiguous."""
    module = action.__module__.rpartition(".")[2]
    return action.__name__ if module in _UNPREFIXED else f"{module}.{action.__name__}"


@contextmanager
def acting(verb: str) -> Iterator[tuple[Desk, Actor]]:
    """Trace, log and count an action in the block, which gets this session's desk and actor.

    Raises:
        Refused: the tab shows another dataset than the one of its address, which has just changed.
        Missing: there is no such dataset that the session may see.
    """
    desk, actor = session.at_hand()
    if page_state.shown_dataset() not in (None, session.dataset_name()):
        raise Refused("Another dataset was opened in this tab. Nothing was done: look again.")
    about = {"actor": actor.name, "dataset": desk.dataset.name}
    with (
        bound_contextvars(**about),
        tracing.span(f"console {verb}", verb=verb, **about),
        metrics().action(verb),
    ):
        try:
            yield desk, actor
        except DriftdeskError as error:
            log.info("refused", verb=verb, reason=str(error))
            raise
        else:
            log.info("done", verb=verb)


def refuse(why: str) -> None:
    """Store an error message for the next run of the page."""
    st.session_state[page_state.MESSAGE] = ("error", why)


def failed() -> bool:
    """Whether the last action was refused and its message was not yet shown."""
    return bool(st.session_state.get(page_state.MESSAGE, ("", ""))[0] == "error")


def show_message() -> None:
    """Show the message of the last action, once."""
    kind, text = st.session_state.pop(page_state.MESSAGE, ("", ""))
    if kind == "error":
        st.error(plain(text), icon=":material/error:")
    elif kind == "ok":
        st.toast(text, icon=":material/check_circle:")
