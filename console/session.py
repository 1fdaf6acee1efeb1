"""The one owner of Streamlit's session state and caches.

The desk is shared by all sessions of the process; what belongs to one browser tab - its
pending message - is in that tab's state, under the keys named here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st
import structlog

from console.desk import Desk
from core.errors import DriftdeskError
from core.log import configure
from core.settings import read_settings

log = structlog.get_logger()

T = TypeVar("T")

_MESSAGE = "driftdesk.message"


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """The process's desk, made on first use."""
    settings = read_settings()
    configure(settings.log_format, "console")
    return Desk.make(settings)


def actor() -> str:
    """Who acts in this session. In local mode that is whoever started the console."""
    return desk().settings.actor


def act(done: str, action: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Carry out an action for this session and keep what came of it for the next page.

    `done` is said when it went well. Meant for button callbacks.
    """
    try:
        action(desk(), actor(), *args, **kwargs)
    except DriftdeskError as error:
        st.session_state[_MESSAGE] = ("error", str(error))
    else:
        st.session_state[_MESSAGE] = ("ok", done)


def show_message() -> None:
    """Show what the last action had to say, once."""
    kind, text = st.session_state.pop(_MESSAGE, ("", ""))
    if kind == "error":
        st.error(text, icon=":material/error:")
    elif kind == "ok":
        st.toast(text, icon=":material/check_circle:")


def ask(question: Callable[..., T], *args: Any, **kwargs: Any) -> T | None:
    """Put a question to the stores; where one is away, say so on the page and give None."""
    try:
        return question(desk(), *args, **kwargs)
    except DriftdeskError as error:
        st.error(str(error), icon=":material/cloud_off:")
        return None


@st.cache_resource(max_entries=100, show_spinner=False)
def _made(_make: Callable[[], Any], *key: Any) -> Any:  # noqa: ARG001 - Streamlit hashes it
    return _make()


def remembered(make: Callable[[], T], *key: Any) -> T:
    """What `make` gave for this key before, for all sessions; it is shared and must not be changed.

    The key must name everything that the result depends on.
    """
    kept: T = _made(make, *key)
    return kept


def put_field(key: str, value: Any) -> None:
    """Let a widget that is not drawn yet hold a value."""
    st.session_state[key] = value


def field(key: str, default: Any = "") -> Any:
    """What a widget of this session holds."""
    return st.session_state.get(key, default)
