"""The one owner of Streamlit's session state and caches.

The desk is shared by all sessions of the process; what belongs to one browser tab - its
pending message - is in that tab's state, under the keys named here. Nothing of the desk is given
to a session whose login does not hold, also where only a part of a page runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import streamlit as st
import structlog
from structlog.contextvars import bound_contextvars

from console import exposure, identity
from console.desk import Desk
from console.health import Watch
from console.metrics import metrics, offer
from core import trace
from core.claims import Person, require_fresh
from core.errors import DriftdeskError, LoggedOut, Missing, SettingsError
from core.log import configure
from core.roles import Actor, Right
from core.settings import read_settings

log = structlog.get_logger()

T = TypeVar("T")

_MESSAGE = "driftdesk.message"
_SEEN = "driftdesk.seen"
_DIALOG = "driftdesk.dialog"


@st.cache_resource(show_spinner=False)
def _desk() -> Desk:
    """The process's desk, made on first use."""
    settings = read_settings()
    configure(settings.log_format, "console", settings.secrets)
    trace.start(settings.otel_exporter_otlp_endpoint, "console")
    offer(settings.metrics_host, settings.metrics_port)
    return Desk.make(settings)


@st.cache_resource(show_spinner=False)
def _watch() -> Watch:
    return Watch(_desk())


@st.cache_resource(show_spinner=False)
def _logged_out() -> dict[tuple[str, str, datetime], datetime]:
    """The logins that somebody ended, and when: Streamlit keeps them in the other tabs."""
    return {}


def desk() -> Desk:
    """The process's desk, for a session that may see it; any other starts over, at the login."""
    _insider()
    return _desk()


def watch() -> Watch:
    """What is known of the neighbours, shared by all who look."""
    _insider()
    return _watch()


def needs_login() -> bool:
    """Whether people log in here, or whoever sits at this machine is trusted."""
    return _desk().settings.auth != "none"


def contact() -> str:
    """Whom to ask for a role."""
    return _desk().settings.auth_contact or "an admin of this desk"


def actor() -> Actor:
    """Who acts in this session, and as what, at this moment.

    Raises:
        SettingsError: the console must not be shown as it is set up.
        LoggedOut: nobody is logged in, or the session has ended.
        BadInput: the identity provider's claims cannot be used.
    """
    settings = _desk().settings
    if settings.auth == "none":
        address = st.get_option("server.address")
        if why := exposure.without_login(address, st.context.headers):
            raise SettingsError(why)
        return identity.local_actor(settings)
    return identity.actor_of(settings, _person())


def _person() -> Person:
    wrong = exposure.with_login(
        st.secrets.get("auth", {}) if st.secrets.load_if_toml_exists() else {},
        trusted_headers=bool(st.get_option("server.trustedUserHeaders")),
        checks_origin=bool(st.get_option("server.enableXsrfProtection")),
    )
    if wrong:
        raise SettingsError(wrong)
    person = identity.logged_in(_desk().settings, st.user.to_dict(), datetime.now(UTC))
    if _login(person) in _logged_out():
        raise LoggedOut("You have logged out. Log in again.")
    return person


def _login(person: Person) -> tuple[str, str, datetime]:
    return person.issuer, person.subject, person.since


def log_out() -> None:
    """End this login, in every tab that has it; meant for a button."""
    now = datetime.now(UTC)
    ended = _logged_out()
    for login, at in list(ended.items()):
        if now - at > timedelta(hours=_desk().settings.auth_hours):  # too old to hold anyway
            ended.pop(login, None)
    try:
        ended[_login(_person())] = now
    except DriftdeskError:
        log.info("log out of a login that did not hold")
    st.logout()


def _insider() -> Actor:
    """Who acts here, if they may see the desk; else the whole page runs again, as the login."""
    try:
        found = actor()
        found.demand(Right.SEE, contact())
    except DriftdeskError as error:
        st.rerun()
        raise LoggedOut(str(error)) from error  # in a callback, where a rerun is for later
    return found


def why_not(right: Right) -> str:
    """Why this session may not do that, and whom to ask; empty where it may."""
    return _insider().refusal(right, contact())


def act(done: str, action: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Carry out an action for this session and keep what came of it for the next page.

    `done` is said when it went well. Meant for button callbacks.
    """
    try:
        with acting(_verb(action)):
            action(_desk(), actor(), *args, **kwargs)
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
    who = actor().name
    with (
        bound_contextvars(actor=who),
        trace.span(f"console {verb}", actor=who, verb=verb),
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


def later(question: Callable[..., T], *args: Any, **kwargs: Any) -> Callable[[], T]:
    """A question for a download, which is put when somebody downloads it, outside any session."""
    _insider()
    made, ended = _desk(), _logged_out()
    person = _person() if needs_login() else None

    def put() -> T:
        if person:
            longest = timedelta(hours=made.settings.auth_hours)
            require_fresh(person, datetime.now(UTC), longest)
            if _login(person) in ended:
                raise LoggedOut("You have logged out. Log in again.")
        return question(made, *args, **kwargs)

    return put


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
    _insider()
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
