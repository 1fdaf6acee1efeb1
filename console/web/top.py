"""The top of every page: title, search, user, and with several datasets navigation and switcher."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import streamlit as st

from console.queries import fleet as fleet_queries
from console.web import addresses, go_to, reading, session, widgets

OF_ALL = ("fleet", "services", "search")
"""The pages that can be shown without a dataset."""

_KEPT = ("view", "show", "look", "tab", "part", "ask", "against", "group", "evidence", "last")
"""Parameters that say which part of a page is shown: the switcher keeps them."""


def _reachable(dataset: str) -> list[str]:
    """The pages that can be shown from here; without a dataset those that need none."""
    if not session.has_several():
        return [page for page in widgets.PAGES if page != "fleet"]
    return [page for page in widgets.PAGES if dataset or page in OF_ALL]


def navigation(page: str) -> None:
    """The pages of the address's dataset, where Streamlit's own navigation would lose it."""
    name = session.dataset_name()
    with st.container(horizontal=True, key="navigation", gap="small", vertical_alignment="center"):
        st.html(_crumb(is_here=page == "fleet"), width="content")
        if name:
            switcher(page, name)
        for one in (p for p in _reachable(name) if p not in ("fleet", "search")):
            widgets.page_link(one, one.capitalize())


def _crumb(*, is_here: bool) -> str:
    label = "All datasets"
    if is_here:
        return f'<span class="crumb" aria-current="page">{label}</span>'
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
    row = st.container(horizontal=True, vertical_alignment="center", key="header")
    row.title(title, anchor=False, width="stretch")
    go_to.field(row, _reachable(session.dataset_name()))
    # The switcher names the dataset where there are several.
    about = "" if session.has_several() else f"{widgets.plain(session.desk().dataset.title)} · "
    if not session.needs_login():
        local = "Local mode: no login, everyone on this machine is admin"
        row.caption(f"{about}{local}", width="content")
        return
    actor = session.actor()
    role = actor.role.value if actor.role else "role by dataset"
    name = widgets.plain(actor.name)
    row.caption(f"{about}{name} · {role}", width="content", help=widgets.plain(actor.known_by))
    row.button("Log out", type="tertiary", icon=":material/logout:", on_click=session.log_out)


def disabled_note() -> None:
    """Says that the dataset of the page is disabled, if it is."""
    known = reading.query_fleet(fleet_queries.known, session.dataset_name(), ttl=5.0)
    if known and known.is_disabled:
        st.warning(
            f"{widgets.plain(known.disabled_by)} disabled this dataset: "
            f"{widgets.plain(known.reason.rstrip('. '))}. It runs no job and no schedule.",
            icon=":material/pause_circle:",
        )


def choose(page: str) -> None:
    """What a page of one dataset shows if its address names none."""
    st.markdown("This page shows one dataset. Choose it:")
    usable = session.fleet().datasets().usable
    titles = {name: usable[name].title for name in session.visible()}
    st.html(choices(page, titles, "", st.query_params.to_dict()))
