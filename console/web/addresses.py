"""Addresses of the console's pages: the one place that puts their dataset in them.

A desk with one dataset has none in its addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from enum import Enum, auto
from html import escape
from time import monotonic
from typing import NamedTuple
from urllib.parse import quote, urlencode

import streamlit as st
from streamlit.errors import StreamlitAPIException

from console.web import page_state, session
from console.web.page_state import DATASET

_FIRST = "overview"
"""The page that a desk with one dataset opens with."""


_MOVE = "driftdesk.move"
_PAGE = "driftdesk.page"
_SETTLED_SECONDS = 5.0
"""After this time a switch of the page is over, whatever the browser shows."""


class Arrival(Enum):
    """Where the tab is after a switch of the page."""

    THERE = auto()
    BOUNCED = auto()
    """On the page that it left: the switch was lost."""
    ELSEWHERE = auto()
    """A person has gone on meanwhile."""


class Place(NamedTuple):
    """A page with the parameters of its address."""

    page: str
    parameters: dict[str, str]


class Move(NamedTuple):
    """A switch of the page, which is over at `until` (seconds of the monotonic clock).

    `is_told`: the browser was told the new address on the new page.
    """

    left: Place
    to: Place
    until: float
    is_told: bool = False

    def arrival(self, at: Place) -> Arrival:
        """Where the tab is; on the new page with the old parameters it is there."""
        if at.page == self.to.page and at.parameters in (self.to.parameters, self.left.parameters):
            return Arrival.THERE
        return Arrival.BOUNCED if at == self.left else Arrival.ELSEWHERE


def query(parameters: Mapping[str, str] | None = None) -> dict[str, str] | None:
    """The parameters of a link to a page of this page's dataset."""
    return {**_named(session.dataset_name()), **(parameters or {})} or None


def switch(page: str, parameters: Mapping[str, str] | None = None) -> None:
    """Go to a page of this page's dataset, with these parameters and no others."""
    left = Place(shown(), st.query_params.to_dict())
    to = Place(page, query(parameters) or {})
    page_state.set_state(_MOVE, Move(left, to, monotonic() + _SETTLED_SECONDS))
    _switch(to)


def arrive(page: str) -> None:
    """Complete the last `switch`, at the beginning of each run of a whole page.

    A part of the page that refreshes by itself asks for its run with the address that the browser
    still has. Streamlit merges that with the switch, and can so run the old page again, or leave
    the old parameters in the address of the new one.
    """
    page_state.set_state(_PAGE, page)
    move: Move | None = page_state.get_state(_MOVE, None)
    if move is None:
        return
    at = Place(page, st.query_params.to_dict())
    arrival = move.arrival(at)
    if monotonic() > move.until or arrival is Arrival.ELSEWHERE:
        page_state.take_state(_MOVE)
    elif arrival is Arrival.BOUNCED:
        _switch(move.to)
    elif at != move.to or not move.is_told:
        page_state.set_state(_MOVE, move._replace(is_told=True))
        # A parameter that a field of the page is bound to is the field's own to write.
        with suppress(StreamlitAPIException):
            st.query_params.from_dict(move.to.parameters)


def arrived() -> None:
    """End the last `switch`, once its page is drawn to the end.

    From then on Streamlit drops the requests of the old page's parts, so that whoever comes to the
    old page is a person who returns to it.
    """
    move: Move | None = page_state.get_state(_MOVE, None)
    if move is not None and shown() == move.to.page:
        page_state.take_state(_MOVE)


def shown() -> str:
    """The page that this tab shows."""
    return str(page_state.get_state(_PAGE))


def _switch(to: Place) -> None:
    # None instead of no parameters would fail where a field of the page has one in the address.
    st.switch_page(f"views/{to.page}.py", query_params=to.parameters)


def kept(address: str) -> str:
    """A relative address such as `drift?batch=1/3`, for this page's dataset."""
    page, _, parameters = address.partition("?")
    named = urlencode(_named(session.dataset_name()))
    joined = "&".join(part for part in (named, parameters) if part)
    return f"{page}?{joined}" if joined else page


def of(dataset: str, page: str = _FIRST, parameters: Mapping[str, str] | None = None) -> str:
    """The path of a page of a dataset; "" is a page about all of them.

    A browser that follows it reloads the page, so that nothing of another dataset stays in the
    tab.
    """
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    is_root = page == "fleet" or (page == _FIRST and not session.has_several())
    told = urlencode({**_named(dataset), **(parameters or {})}, quote_via=quote, safe="/:")
    path = f"/{base}/" if base else "/"
    path += "" if is_root else page
    return f"{path}?{told}" if told else path


def anchor(text: str, address: str, kind: str = "") -> str:
    """A link as HTML."""
    look = f' class="{escape(kind)}"' if kind else ""
    return f'<a href="{escape(address)}"{look}>{escape(text)}</a>'


def _named(dataset: str) -> dict[str, str]:
    return {DATASET: dataset} if dataset and session.has_several() else {}
