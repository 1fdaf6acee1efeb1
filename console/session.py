"""The one owner of Streamlit's session state and caches.

The desk is shared by all sessions of the process; what belongs to one browser tab - its
pending message - is in that tab's state, under the keys named here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import streamlit as st
import structlog
from structlog.contextvars import bound_contextvars

from console.desk import Desk
from console.health import Watch
from console.metrics import metrics, offer
from core import trace
from core.errors import DriftdeskError, Missing
from core.log import configure
from core.settings import read_settings

log = structlog.get_logger()

T = TypeVar("T")

_MESSAGE = "driftdesk.message"
_SEEN = "driftdesk.seen"
_DIALOG = "driftdesk.dialog"


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """The process's desk, made on first use."""
    settings = read_settings()
    configure(settings.log_format, "console", settings.secrets)
    trace.start(settings.otel_exporter_otlp_endpoint, "console")
    offer(settings.metrics_host, settings.metrics_port)
    return Desk.make(settings)


@st.cache_resource(show_spinner=False)
def watch() -> Watch:
    """What is known of the neighbours, shared by all who look."""
    return Watch(desk())


def actor() -> str:
    """Who acts in this session. In local mode that is whoever started the console."""
    return desk().settings.actor


def act(done: str, action: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Carry out an action for this session and keep what came of it for the next page.

    `done` is said when it went well. Meant for button callbacks.
    """
    try:
        with acting(_verb(action)):
            action(desk(), actor(), *args, **kwargs)
    except DriftdeskError as error:
        st.session_state[_MESSAGE] = ("error", str(error))
    else:
        st.session_state[_MESSAGE] = ("ok", done)
        forget()


def _verb(action: Callable[..., Any]) -> str:
    """An action's name, with its module's where that is not the one of all actions."""
    module = action.__module__.rpartition(".")[2]
    return action.__name__ if module == "actions" else f"{module}.{action.__name__}"


@contextmanager
def acting(verb: str) -> Iterator[None]:
    """Carry out an action of this session in the block: it begins a trace and is counted."""
    with (
        bound_contextvars(actor=actor()),
        trace.span(f"console {verb}", actor=actor(), verb=verb),
        metrics().action(verb),
    ):
        try:
            yield
        except DriftdeskError as error:
            log.info("refused", verb=verb, reason=str(error))
            raise
        else:
            log.info("done", verb=verb)


def refuse(why: str) -> None:
    """Keep a reason why nothing was done for the next page."""
    st.session_state[_MESSAGE] = ("error", why)


def failed() -> bool:
    """Whether the last action was refused, and nobody has been told yet."""
    return bool(st.session_state.get(_MESSAGE, ("", ""))[0] == "error")


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
        metrics().unanswered(error)
        st.error(str(error), icon=":material/cloud_off:")
        return None


def find(question: Callable[..., T], *args: Any) -> T | None:
    """As `ask`, but what does not exist is None without a word."""
    try:
        return question(desk(), *args)
    except Missing:
        return None
    except DriftdeskError as error:
        metrics().unanswered(error)
        st.error(str(error), icon=":material/cloud_off:")
        return None


@st.cache_resource(show_spinner=False)
def _heard() -> dict[Any, tuple[float, Any]]:
    return {}


def ask_lately(seconds: float, question: Callable[..., T], *args: Any) -> T | None:
    """As `ask`, but an answer that some session of this process got lately will do.

    For questions that go over the network: many tabs must not ask a neighbour many times over.
    Errors are not kept.
    """
    key, now = (question.__qualname__, args), time.monotonic()
    at, answer = _heard().get(key, (-math.inf, None))
    if now - at < seconds:
        return answer  # type: ignore[no-any-return]
    answer = ask(question, *args)
    if answer is not None:
        _heard()[key] = (time.monotonic(), answer)
    return answer


def forget() -> None:
    """Ask the neighbours anew: something was just changed."""
    _heard().clear()


def rerun(page: str) -> AbstractContextManager[None]:
    """Count a run of the whole page in the block."""
    return metrics().rerun(page)


def begin() -> None:
    """Start a run of the whole page: whatever it shows is new, and every dialog is closed."""
    st.session_state[_SEEN] = {}
    dialog_closed()


def dialog_opened() -> None:
    """Note that a dialog is open in this tab."""
    st.session_state[_DIALOG] = True


def dialog_closed() -> None:
    """Note that no dialog is open in this tab."""
    st.session_state[_DIALOG] = False


def changed(name: str, value: Any) -> bool:
    """Whether the rest of the page was drawn on another value than this.

    For fragments that run by themselves: when it says so, the whole page must run again. While a
    dialog is open it says no, since that would close it.
    """
    if st.session_state.get(_DIALOG):
        return False
    return bool(st.session_state.setdefault(_SEEN, {}).setdefault(name, value) != value)


def known(question: Callable[..., T], *args: Any, **kwargs: Any) -> T | None:
    """Like `ask`, for what another part of the page asks too, and says when it is away."""
    try:
        return question(desk(), *args, **kwargs)
    except DriftdeskError as error:
        metrics().unanswered(error)
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


def field(key: str, default: Any = "") -> Any:
    """What a widget of this session holds."""
    return st.session_state.get(key, default)


def prefill(key: str, value: Any) -> None:
    """Give a widget its first value in a way that it can be emptied, too."""
    st.session_state.setdefault(key, value)


def keep(key: str, value: Any) -> None:
    """Remember something of this session's own, or fill a widget before it is shown."""
    st.session_state[key] = value
