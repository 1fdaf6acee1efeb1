"""A select box whose labels change while it is shown, as those that tell a state or a time do.

The browser sends a choice as its label. Once the label is another one, Streamlit knows it no more
and returns the text instead of the option, which would be an unknown version, or a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from console.web import page_state

T = TypeVar("T")

_LABELS = "driftdesk.labels."
_MOST_LABELS = 1_000


def select(where: Any, label: str, names: Mapping[T, str], key: str, **look: Any) -> T:
    """A select box for the options of `names`, with their labels; returns the chosen option.

    An option that has left the list is no longer chosen: the first one is.
    """
    drawn = page_state.get_state(_LABELS + key, {})
    if page_state.has_state(key):
        chosen = chosen_in(key)
        page_state.set_state(key, chosen if chosen in names else next(iter(names)))
    now = {text: option for option, text in names.items()}
    kept = drawn if len(drawn) < _MOST_LABELS else {}
    page_state.set_state(_LABELS + key, kept | now)
    option: T = where.selectbox(label, list(names), format_func=names.__getitem__, key=key, **look)
    return option


def chosen_in(key: str) -> Any:
    """What is chosen in such a select box, for its callbacks; a label stands for its option."""
    chosen = page_state.get_state(key, None)
    return page_state.get_state(_LABELS + key, {}).get(chosen, chosen)
