"""The top of every page: title, search, user, and with several datasets navigation and switcher."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from console.queries import fleet as fleet_queries
from console.web import addresses, page_state, reading, session, widgets

OF_ALL = ("fleet", "services", "search")
"""The pages that can be shown without a dataset."""

_KEPT = ("view", "show", "look", "tab", "part", "ask", "against", "group", "evidence", "last")
"""Parameters that say which part of a page is shown: the switcher keeps them."""

_FIELD, _WANTED = "header-search", "driftdesk.search"


def navigation(page: str) -> None:
    """The pages of the address's dataset, where Streamlit's own navigation would lose it."""
    name = session.dataset_name()
    shown = [p for p in widgets.PAGES if p in OF_ALL] if not name else list(widgets.PAGES)
    with st.container(horizontal=True, key="navigation", gap="small", vertical_alignment="center"):
        st.html(_crumb(name), width="content")
        if name:
            switcher(page, name)
        for one in (p for p in shown if p not in ("fleet", "search")):
            widgets.page_link(one, one.capitalize())


def _crumb(name: str) -> str:
    label = "All datasets"
    if not name:
        return f'<span class="crumb">{label}</span>'
    return addresses.anchor(label, addresses.of("", "fleet"), "crumb")


def switcher(page: str, name: str) -> None:
    """A list of the other datasets that leads to the same page of them."""
    usable = session.fleet().datasets().usable
    others = session.visible()
    with st.popover(widgets.plain(usable[name].title), icon=":material/dataset:"):
        told = {key: st.query_params[key] for key in _KEPT if key in st.query_params}
        st.html(choices(page, {n: usable[n].title for n in others}, name, told))


def choices(page: str, titles: Mapping[str, str], shown: str, told: Mapping[str, str]) -> str:
    """A page of each of these datasets, as a list of links in HTML."""
    items = []
    for name, title in titles.items():
        here = ' aria-current="true"' if name == shown else ""
        address = escape(addresses.of(name, page, told))
        small = f"<small>{escape(name)}</small>"
        items.append(f'<li><a href="{address}"{here}>{escape(title)}{small}</a></li>')
    return f'<ul class="datasets">{"".join(items)}</ul>'


def header(page: str, title: str) -> None:
    """The page's title, the search, the user and the logout button."""
    widgets.load_style()
    if session.has_several():
        navigation(page)
    row = st.container(horizontal=True, vertical_alignment="center")
    row.title(title, anchor=False, width="stretch")
    if page != "search":
        _search_field(row)
    if not session.needs_login():
        row.caption("Local mode: no login, everyone on this machine is admin", width="content")
        return
    actor = session.actor()
    role = actor.role.value if actor.role else "role by dataset"
    name = widgets.plain(actor.name)
    row.caption(f"{name} · {role}", width="content", help=widgets.plain(actor.known_by))
    row.button("Log out", type="tertiary", icon=":material/logout:", on_click=session.log_out)


def _search_field(row: Any) -> None:
    def note() -> None:
        page_state.set_state(_WANTED, page_state.get_state(_FIELD))
        page_state.set_state(_FIELD, "")

    row.text_input(
        "Search", key=_FIELD, on_change=note, placeholder="Search", max_chars=100, width=180,
        label_visibility="collapsed", icon=":material/search:",
    )  # fmt: skip
    if wanted := page_state.take_state(_WANTED):
        st.switch_page("views/search.py", query_params=addresses.query({"q": wanted}))


def disabled_note() -> None:
    """Says that the dataset of the page is disabled, if it is."""
    known = reading.query_fleet(fleet_queries.known, session.dataset_name(), ttl=5.0)
    if known and known.is_disabled:
        st.warning(
            f"{widgets.plain(known.disabled_by)} disabled this dataset: "
            f"{widgets.plain(known.reason)} It runs no job and no schedule.",
            icon=":material/pause_circle:",
        )


def choose(page: str) -> None:
    """What a page of one dataset shows if its address names none."""
    st.markdown("This page shows one dataset. Choose it:")
    usable = session.fleet().datasets().usable
    titles = {name: usable[name].title for name in session.visible()}
    st.html(choices(page, titles, "", st.query_params.to_dict()))
