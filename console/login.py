"""The way into the console: who may come in, and what everybody else is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from console import parts, session
from core.errors import DriftdeskError, LoggedOut
from core.roles import Right


def instead_of_pages() -> Callable[[], None] | None:
    """What this session is shown in place of every page; None for who may see the desk.

    Raises:
        BadInput: the settings or the dataset cannot be used.
    """
    session.needs_login()
    try:
        actor = session.actor()
    except LoggedOut as error:
        return partial(_ask, str(error))
    except DriftdeskError as error:
        return partial(_closed, str(error))
    return None if actor.may(Right.SEE) else partial(_stranger, actor.name, actor.known_by)


def _ask(why: str) -> None:
    """The login page; it says so where a session has ended, and where something was not done."""
    with _page():
        if st.user.get("is_logged_in"):
            st.warning(parts.plain(why), icon=":material/timer_off:")
        else:
            st.write("This is the desk of a model in use. Log in to see it.")
        if session.failed():
            st.error("What you asked for last was not done.", icon=":material/error:")
        st.button("Log in", type="primary", icon=":material/login:", on_click=st.login)


def _closed(why: str) -> None:
    """The console is not set up so that it may be shown, or the login cannot be used."""
    with _page():
        st.error(parts.plain(why), icon=":material/lock:")
        if session.needs_login() and st.user.get("is_logged_in"):
            _log_out()


def _stranger(name: str, known_by: str) -> None:
    """Somebody who logged in and has no role: what to ask for, of whom."""
    with _page():
        st.warning(
            f"You are logged in as **{parts.plain(name)}**, and have no role at this desk. "
            f"Ask {parts.plain(session.contact())} for one: viewer, operator, approver or admin.",
            icon=":material/person_off:",
        )
        st.caption(f"What they need to know: {parts.plain(known_by)}")
        _log_out()


def _page() -> st.delta_generator.DeltaGenerator:
    parts.look()
    st.title("driftdesk", anchor=False)
    return st.container(width=560)


def _log_out() -> None:
    st.button("Log out", icon=":material/logout:", on_click=session.log_out)
