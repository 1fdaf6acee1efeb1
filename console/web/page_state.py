"""Widget state of one browser tab, and the page's address."""

from __future__ import annotations

from typing import Any

import streamlit as st

DATASET = "dataset"
"""The parameter of an address that names its dataset, where a desk has several."""

MESSAGE = "driftdesk.message"
_DRAWN = "driftdesk.drawn"
_DIALOG = "driftdesk.dialog"
_SHOWN = "driftdesk.dataset"


def begin(dataset: str) -> None:
    """Reset the state of a run of the whole page: no values drawn yet, no dialog open.

    Where it shows another dataset than the run before, nothing of that one stays in the tab but the
    message about the last action.
    """
    if shown_dataset() not in (None, dataset):
        for key in [key for key in st.session_state if key != MESSAGE]:
            del st.session_state[key]
    st.session_state[_SHOWN] = dataset
    st.session_state[_DRAWN] = {}
    dialog_closed()


def shown_dataset() -> str | None:
    """The dataset that this tab shows; empty for all of them, None before the first run."""
    return st.session_state.get(_SHOWN)


def dialog_opened() -> None:
    """Record that a dialog is open in this tab."""
    st.session_state[_DIALOG] = True


def dialog_closed() -> None:
    """Record that no dialog is open in this tab."""
    st.session_state[_DIALOG] = False


def is_dialog_open() -> bool:
    """Whether a dialog is open in this tab: a rerun of the page would close it."""
    return bool(st.session_state.get(_DIALOG))


def changed(name: str, value: Any) -> bool:
    """Whether the rest of the page was drawn with another value than this.

    For fragments: if True, the whole page must rerun. False while a dialog is open, because a
    rerun would close it.
    """
    if is_dialog_open():
        return False
    return bool(st.session_state.setdefault(_DRAWN, {}).setdefault(name, value) != value)


def give_way() -> None:
    """End this run of the page if a click asks for another one.

    Streamlit looks for that whenever the state is read or something is shown.
    """
    shown_dataset()


def address(name: str) -> str:
    """A query parameter of the page's address; empty if it is absent."""
    return str(st.query_params.get(name, ""))


def note_address(name: str, value: str) -> None:
    """Set a query parameter to what the person has chosen.

    For widget callbacks only: each call adds an entry to the browser's history. If a page wrote
    its default while it is drawn, Back would return to the same page, and the write could reach
    the address of the next page.
    """
    st.query_params[name] = value


def get_state(key: str, default: Any = "") -> Any:
    """The value of a widget, or of `set_state`, in this tab."""
    return st.session_state.get(key, default)


def take_state(key: str, default: Any = "") -> Any:
    """The value of `set_state`, once."""
    return st.session_state.pop(key, default)


def set_state(key: str, value: Any) -> None:
    """Set a value of this tab, also that of a widget before it is drawn."""
    st.session_state[key] = value


def has_state(key: str) -> bool:
    """Whether this tab has a value of that name: a widget's goes with the widget."""
    return key in st.session_state


def drop_states(start: str) -> None:
    """Drop the values whose names begin so: their widgets have their initial values again."""
    for key in [key for key in st.session_state if str(key).startswith(start)]:
        del st.session_state[key]


def default_state(key: str, value: Any) -> None:
    """Give a widget an initial value that can be cleared."""
    st.session_state.setdefault(key, value)
