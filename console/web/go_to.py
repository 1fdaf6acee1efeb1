"""The header's field: it goes to a page or searches, and Ctrl+K puts the focus into it.

With its shortcut comes the script of the navigation's link to the page that is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from console.queries import fleet
from console.web import addresses, page_state, reading, session
from console.web.panels.fleet.hits import place

_SEARCH = "search"
_FIELD, _WANTED = "header-search", "driftdesk.search"
_HERE = Path(__file__).parent
_SCRIPTS = [(_HERE / name).read_text() for name in ("go_to.js", "same_page.js")]


def field(row: Any, pages: Sequence[str]) -> None:
    """The field and its shortcut; `pages` are those that can be reached from here."""

    def note() -> None:
        page_state.set_state(_WANTED, page_state.get_state(_FIELD))
        page_state.set_state(_FIELD, "")

    row.text_input(
        "Search or go to a page", key=_FIELD, on_change=note, placeholder="Search or go to: Ctrl+K",
        max_chars=100, width=240, label_visibility="collapsed", icon=":material/search:",
    )  # fmt: skip
    # Of this package alone: nothing that anybody typed is ever part of the script.
    scripts = "".join(f"<script>{script}</script>" for script in _SCRIPTS)
    row.html(scripts, width="content", unsafe_allow_javascript=True)
    if wanted := str(page_state.take_state(_WANTED)).strip():
        _go(wanted, [page for page in pages if page != _SEARCH])


def page_of(text: str, pages: Sequence[str]) -> str:
    """The page whose name begins like this text; the search if that is none or several."""
    start = text.strip().lower()
    found = [page for page in pages if start and page.startswith(start)]
    return found[0] if len(found) == 1 else _SEARCH


def _go(wanted: str, pages: Sequence[str]) -> None:
    page = page_of(wanted, pages)
    if page != _SEARCH:
        addresses.switch(page)
    elif only := _only_hit(wanted):
        addresses.switch(*only)
    elif addresses.shown() != _SEARCH:
        addresses.switch(_SEARCH, {"q": wanted})
    else:  # the page's own field writes its address
        page_state.set_state("q", wanted)
        st.rerun()


def _only_hit(wanted: str) -> tuple[str, dict[str, str]] | None:
    """Where the search's only hit is; None if it has none or several, or one of another dataset."""
    hits = reading.query_fleet(fleet.search, wanted) or []
    if len(hits) != 1 or hits[0].dataset != session.dataset_name():
        return None
    return place(hits[0])
