"""Login, actions, queries and caches of a browser session.

All sessions share one desk. Without a valid login a session gets none of it, also in fragments.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import streamlit as st
import structlog
from structlog.contextvars import bound_contextvars

from console import identity
from console.desk import Desk
from console.queries.health import Watch
from console.text import formatting
from console.web import exposure_checks
from console.web.metrics import expose_metrics, metrics
from core.domain.errors import DriftdeskError, LoggedOut, Missing, SettingsError
from core.domain.jobs import Job
from core.platform import tracing
from core.platform.log import configure
from core.platform.settings import read_settings
from core.rules.access.oidc_claims import Person, require_fresh
from core.rules.access.roles import Actor, Right

log = structlog.get_logger()

T = TypeVar("T")
Login = tuple[str, str, datetime]  # the issuer, the subject, and when the login began

_MESSAGE = "driftdesk.message"
_UNPREFIXED = ("pipeline", "decisions", "predictions", "limits")


@st.cache_resource(show_spinner=False)
def _desk() -> Desk:
    """Create the process's desk."""
    settings = read_settings()
    configure(settings.log_format, "console", settings.secrets)
    tracing.start(settings.otel_exporter_otlp_endpoint, "console")
    expose_metrics(settings.metrics_host, settings.metrics_port)
    return Desk.make(settings)


@st.cache_resource(show_spinner=False)
def _watch() -> Watch:
    return Watch(_desk())


@st.cache_resource(show_spinner=False)
def _logged_out() -> dict[Login, datetime]:
    """Revoked logins with the time of each: Streamlit keeps them in the other tabs."""
    return {}


def desk() -> Desk:
    """The process's desk; a session without the right to view is sent to the login page."""
    _require_viewer()
    return _desk()


def desk_of_signed_requests() -> Desk:
    """The process's desk, for requests that have no session and prove themselves otherwise."""
    return _desk()


def watch() -> Watch:
    """The health checks of all services, shared by all sessions."""
    _require_viewer()
    return _watch()


def needs_login() -> bool:
    """Whether people must log in; otherwise every local user is trusted."""
    return _desk().settings.auth != "none"


def contact() -> str:
    """Whom to ask for a role."""
    return _desk().settings.auth_contact or "an admin of this desk"


def actor() -> Actor:
    """The actor of this session, with their current role.

    Raises:
        SettingsError: the configuration does not allow the console to be shown.
        LoggedOut: there is no login, or the session has ended.
        BadInput: the identity provider's claims cannot be used.
    """
    settings = _desk().settings
    if settings.auth == "none":
        address = st.get_option("server.address")
        if why := exposure_checks.without_login(address, st.context.headers):
            raise SettingsError(why)
        return identity.local_actor(settings)
    return identity.actor_of(settings, _person())


def _person() -> Person:
    problem = exposure_checks.with_login(
        st.secrets.get("auth", {}) if st.secrets.load_if_toml_exists() else {},
        trusted_headers=bool(st.get_option("server.trustedUserHeaders")),
        checks_origin=bool(st.get_option("server.enableXsrfProtection")),
    )
    if problem:
        raise SettingsError(problem)
    person = identity.logged_in(_desk().settings, st.user.to_dict(), datetime.now(UTC))
    _require_login(person, _logged_out())
    return person


def _require_login(person: Person, ended: Mapping[Login, datetime]) -> None:
    if _login(person) in ended:
        raise LoggedOut("You have logged out. Log in again.")


def _login(person: Person) -> Login:
    return person.issuer, person.subject, person.since


def log_out() -> None:
    """Revoke this login in every tab; for a button callback."""
    now = datetime.now(UTC)
    ended, longest = _logged_out(), timedelta(hours=_desk().settings.auth_hours)
    for login, at in list(ended.items()):
        if now - at > longest:  # expired anyway
            ended.pop(login, None)
    try:
        ended[_login(_person())] = now
    except DriftdeskError:
        log.info("log out of an invalid login")
    st.logout()


def _require_viewer() -> Actor:
    """The actor if they may view the desk; else rerun the whole page, which shows the login."""
    try:
        viewer = actor()
        viewer.demand(Right.SEE, contact())
    except DriftdeskError as error:
        st.rerun()
        raise LoggedOut(str(error)) from error  # in a callback, st.rerun() does not stop the code
    return viewer


def why_not(right: Right) -> str:
    """Why this session lacks the right, and whom to ask for it; empty if it has it."""
    return _require_viewer().refusal(right, contact())


def act(done: str, action: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Run an action for this session and store its message for the next run of the page.

    `done` is shown on success, unless the action joined a job that was already open. For button
    callbacks.
    """
    try:
        with acting(_verb(action)):
            result = action(_desk(), actor(), *args, **kwargs)
    except DriftdeskError as error:
        st.session_state[_MESSAGE] = ("error", str(error))
    else:
        joined = isinstance(result, Job) and result.joined
        st.session_state[_MESSAGE] = ("ok", formatting.joined(result) if joined else done)
        clear_cache()


def _verb(action: Callable[..., Any]) -> str:
    """An action's name for metrics and logs, prefixed with its module where it is ambiguous."""
    module = action.__module__.rpartition(".")[2]
    return action.__name__ if module in _UNPREFIXED else f"{module}.{action.__name__}"


@contextmanager
def acting(verb: str) -> Iterator[None]:
    """Trace, log and count an action of this session that runs in the block."""
    who = actor().name
    with (
        bound_contextvars(actor=who),
        tracing.span(f"console {verb}", actor=who, verb=verb),
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
    """Store an error message for the next run of the page."""
    st.session_state[_MESSAGE] = ("error", why)


def failed() -> bool:
    """Whether the last action was refused and its message was not yet shown."""
    return bool(st.session_state.get(_MESSAGE, ("", ""))[0] == "error")


def show_message() -> None:
    """Show the message of the last action, once."""
    kind, text = st.session_state.pop(_MESSAGE, ("", ""))
    if kind == "error":
        st.error(text, icon=":material/error:")
    elif kind == "ok":
        st.toast(text, icon=":material/check_circle:")


def query(question: Callable[..., T], *args: Any, silent: bool = False, **kwargs: Any) -> T | None:
    """Query the stores; if one is unavailable, show why on the page and return None.

    With `silent` nothing is shown: another part of the page runs the same query.
    """
    try:
        return question(desk(), *args, **kwargs)
    except DriftdeskError as error:
        metrics().unanswered(error)
        if not silent:
            st.error(str(error), icon=":material/cloud_off:")
        return None


def query_or_none(question: Callable[..., T], *args: Any) -> T | None:
    """Like `query`, but return None without a message where the thing does not exist."""

    def existing(desk: Desk) -> T | None:
        with suppress(Missing):
            return question(desk, *args)
        return None

    return query(existing)


@st.cache_resource(show_spinner=False)
def _cache() -> dict[Any, tuple[float, Any]]:
    """Results of `query_cached` with the time of each, shared by all sessions."""
    return {}


def query_cached(
    ttl: float, question: Callable[..., T], *args: Any, silent: bool = False
) -> T | None:
    """Like `query`, with results cached for `ttl` seconds and shared by all sessions.

    For queries over the network, so that many tabs do not repeat them. Errors are not cached.
    """
    _require_viewer()
    key = (question.__module__, question.__qualname__, args)
    now = time.monotonic()
    cached_at, cached = _cache().get(key, (-math.inf, None))
    if now - cached_at < ttl:
        return cached  # type: ignore[no-any-return]
    result = query(question, *args, silent=silent)
    if result is not None:
        _cache()[key] = (time.monotonic(), result)
    return result


def clear_cache() -> None:
    """Drop the results of `query_cached`, after a change."""
    _cache().clear()


def deferred_query(question: Callable[..., T], *args: Any, **kwargs: Any) -> Callable[[], T]:
    """A query for a download button, run on download, outside any session."""
    _require_viewer()
    process_desk, ended = _desk(), _logged_out()
    person = _person() if needs_login() else None
    longest = timedelta(hours=process_desk.settings.auth_hours)

    def run() -> T:
        if person:
            require_fresh(person, datetime.now(UTC), longest)
            _require_login(person, ended)
        return question(process_desk, *args, **kwargs)

    return run


@st.cache_resource(max_entries=100, show_spinner=False)
def _memo(_make: Callable[[], Any], *key: Any) -> Any:  # noqa: ARG001 - Streamlit hashes it
    return _make()


def memo(make: Callable[[], T], *key: Any) -> T:
    """Memoise `make()` under this key, for all sessions; the shared result must not be changed.

    The key must name everything that the result depends on.
    """
    return _memo(make, *key)  # type: ignore[no-any-return]
