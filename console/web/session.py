"""Login and desk of a browser session.

All sessions share the desks of the datasets. Without a valid login a session gets none of them, and
without a role for a dataset not that dataset's, also in fragments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

import streamlit as st
import structlog

from console import identity
from console.desk import Desk
from console.fleet import Fleet
from console.queries.health import Checks, Watch
from console.web import exposure_checks, page_state
from console.web.metrics import expose_metrics
from core.domain.errors import DriftdeskError, LoggedOut, Missing, SettingsError
from core.platform import tracing
from core.platform.log import configure
from core.platform.settings import Settings, read_settings
from core.rules.access.oidc_claims import Person, require_fresh
from core.rules.access.roles import Actor, Right

log = structlog.get_logger()

Login = tuple[str, str, datetime]  # the issuer, the subject, and when the login began


@st.cache_resource(show_spinner=False)
def _fleet() -> Fleet:
    """Create the desks of the process."""
    settings = read_settings()
    configure(settings.log_format, "console", settings.secrets)
    tracing.start(settings.otel_exporter_otlp_endpoint, "console")
    expose_metrics(settings.metrics_host, settings.metrics_port)
    return Fleet.make(settings)


@st.cache_resource(show_spinner=False)
def _checks() -> Checks:
    """The answers of all services, shared by the pages of all datasets."""
    return Checks()


@st.cache_resource(show_spinner=False)
def _logged_out() -> dict[Login, datetime]:
    """Revoked logins with the time of each: Streamlit keeps them in the other tabs."""
    return {}


def settings() -> Settings:
    """The settings of the process."""
    return _fleet().settings


def has_several() -> bool:
    """Whether addresses name their dataset: this desk has several, or none yet."""
    fleet = _fleet()
    return fleet.folder.is_folder and len(fleet.datasets().files) != 1


def dataset_name() -> str:
    """The dataset of this page: that of its address, else the only one; "" for all of them.

    Raises:
        DatasetError: there is only one file, and it cannot be used.
    """
    named = page_state.address(page_state.DATASET)
    return named or ("" if has_several() else _fleet().datasets().choose().name)


def visible() -> list[str]:
    """The datasets that this session may see, by name.

    Raises:
        LoggedOut, BadInput, SettingsError: as `actor`.
    """
    names = _fleet().datasets().usable
    person = _person() if needs_login() else None
    return identity.visible(settings(), person, names)


def sees_whole_desk() -> bool:
    """Whether this session's role is for all datasets, also for those without a usable file."""
    return actor("").may(Right.SEE)


def desk(name: str = "") -> Desk:
    """The desk of this page's dataset, or of the one named.

    A session without the right to view it is sent to the login page.

    Raises:
        Missing: there is no such dataset that the session may see.
    """
    _require_viewer(name)
    if not (wanted := name or dataset_name()):
        raise Missing("This page shows one dataset, and its address names none.")
    return _fleet().desk(wanted)


def at_hand() -> tuple[Desk, Actor]:
    """The desk of this page's dataset, and the actor with their role for it.

    Raises:
        Missing: there is no such dataset that the session may see.
        LoggedOut, BadInput, SettingsError, DatasetError: as `actor`.
    """
    name = dataset_name()
    who = actor(name)
    if name not in (seen := visible()):
        raise Missing(unknown(name, seen))
    return _fleet().desk(name), who


def fleet() -> Fleet:
    """The desks of all datasets; `visible` says which of them this session may see."""
    _require_viewer()
    return _fleet()


def desk_of_signed_requests(dataset: str = "") -> Desk:
    """A dataset's desk, for requests that have no session and prove themselves otherwise.

    Raises:
        BadInput: there is none of that name, or several and none is named.
        DatasetError: there is only one file, and it cannot be used.
    """
    return _fleet().desk(dataset)


def watch() -> Watch:
    """The health checks of the services of this page's dataset, for all sessions.

    Without a dataset only those of services that datasets share.
    """
    if name := dataset_name():
        return Watch(desk(name), _checks())
    return Watch(any_desk(), _checks(), shared=True)


def any_desk() -> Desk:
    """The desk of one of the datasets that this session may see, to reach what they share.

    Raises:
        Missing: there is none.
    """
    _require_viewer()
    name = next(iter(visible()), "")
    if not name:
        raise Missing("There is no dataset on this desk that you may see.")
    return _fleet().desk(name)


def needs_login() -> bool:
    """Whether people must log in; otherwise every local user is trusted."""
    return settings().auth != "none"


def contact() -> str:
    """Whom to ask for a role."""
    return settings().auth_contact or "an admin of this desk"


def actor(name: str | None = None) -> Actor:
    """The actor of this session, with their current role for this page's dataset or the one named.

    Without a dataset the role is that for all datasets.

    Raises:
        SettingsError: the configuration does not allow the console to be shown.
        LoggedOut: there is no login, or the session has ended.
        BadInput: the identity provider's claims cannot be used.
        DatasetError: there is only one dataset file, and it cannot be used.
    """
    if not needs_login():
        address = st.get_option("server.address")
        if why := exposure_checks.without_login(address, st.context.headers):
            raise SettingsError(why)
        return identity.local_actor(settings())
    person = _person()
    return identity.actor_of(settings(), person, dataset_name() if name is None else name)


def unknown(name: str, seen: Collection[str]) -> str:
    """Why a dataset cannot be shown; the same if there is none and if it must not be seen."""
    return "" if name in seen else f"There is no dataset {name!r} on this desk that you may see."


def _person() -> Person:
    problem = exposure_checks.with_login(
        st.secrets.get("auth", {}) if st.secrets.load_if_toml_exists() else {},
        trusted_headers=bool(st.get_option("server.trustedUserHeaders")),
        checks_origin=bool(st.get_option("server.enableXsrfProtection")),
    )
    if problem:
        raise SettingsError(problem)
    person = identity.logged_in(settings(), st.user.to_dict(), datetime.now(UTC))
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
    ended, longest = _logged_out(), timedelta(hours=settings().auth_hours)
    for login, at in list(ended.items()):
        if now - at > longest:  # expired anyway
            ended.pop(login, None)
    try:
        ended[_login(_person())] = now
    except DriftdeskError:
        log.info("log out of an invalid login")
    st.logout()


def _require_viewer(name: str = "") -> Actor:
    """The actor if they may view the page; else rerun the whole page, which shows why not."""
    try:
        name = name or dataset_name()
        viewer = actor(name)
        if viewer.may(Right.SEE) and name in _fleet().datasets().usable:
            return viewer  # without a look at every dataset: each query of a page comes here
        if not (seen := visible()):
            viewer.demand(Right.SEE, contact())
        if name and (why := unknown(name, seen)):
            raise Missing(why)
    except DriftdeskError as error:
        st.rerun()
        raise LoggedOut(str(error)) from error  # in a callback, st.rerun() does not stop the code
    return viewer


def why_not(right: Right) -> str:
    """Why this session lacks the right, and whom to ask for it; empty if it has it."""
    return _require_viewer().refusal(right, contact())


def still_logged_in() -> Callable[[], None]:
    """What raises LoggedOut once this session's login is over, for use outside the session."""
    person = _person() if needs_login() else None
    ended, longest = _logged_out(), timedelta(hours=settings().auth_hours)

    def check() -> None:
        if person:
            require_fresh(person, datetime.now(UTC), longest)
            _require_login(person, ended)

    return check
