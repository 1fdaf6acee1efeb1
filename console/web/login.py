"""The login page, and the messages for users without access."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from console.web import acting, addresses, session, widgets
from core.domain.errors import DriftdeskError, LoggedOut


def instead_of_pages() -> Callable[[], None] | None:
    """The content shown instead of the pages; None if the session may view the desk.

    Raises:
        BadInput: the settings or the dataset are invalid.
    """
    name = session.dataset_name()
    try:
        actor, seen = session.actor(name), session.visible()
        sees_nothing = not seen and not session.sees_whole_desk()
    except LoggedOut as error:
        return partial(_login_page, str(error))
    except DriftdeskError as error:
        return partial(_unavailable, str(error))
    if sees_nothing:
        return partial(_without_role, actor.name, actor.known_by)
    why = session.unknown(name, seen) if name else ""
    return partial(_no_such_dataset, why) if why else None


def _login_page(why: str) -> None:
    """The login page, with a note if the session ended or the last action failed."""
    with _page():
        if st.user.get("is_logged_in"):
            st.warning(widgets.plain(why), icon=":material/timer_off:")
        else:
            st.write("Log in to monitor and promote the model.")
        if acting.failed():
            st.error("Your last action was not carried out.", icon=":material/error:")
        st.button("Log in", type="primary", icon=":material/login:", on_click=st.login)


def _unavailable(why: str) -> None:
    """The console's configuration or the login is invalid."""
    with _page():
        st.error(widgets.plain(why), icon=":material/lock:")
        if session.needs_login() and st.user.get("is_logged_in"):
            _log_out()


def _without_role(name: str, known_by: str) -> None:
    """A logged-in user without a role: whom to ask for one."""
    with _page():
        st.warning(
            f"You are logged in as **{widgets.plain(name)}**, but have no role here. "
            f"Ask {widgets.plain(session.contact())} for one: viewer, operator, approver or admin.",
            icon=":material/person_off:",
        )
        st.caption(f"Your identity: {widgets.plain(known_by)}")
        _log_out()


def _no_such_dataset(why: str) -> None:
    """The address names a dataset that does not exist, or that this person may not see."""
    with _page():
        st.error(widgets.plain(why), icon=":material/link_off:")
        st.html(addresses.anchor("Go to the first page", addresses.of("", "fleet")))


def _page() -> st.delta_generator.DeltaGenerator:
    widgets.load_style()
    st.title("driftdesk", anchor=False)
    return st.container(width=560)


def _log_out() -> None:
    st.button("Log out", icon=":material/logout:", on_click=session.log_out)
