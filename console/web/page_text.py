"""Texts as a page shows them."""

from __future__ import annotations

from console.text import commands, markdown
from console.web import session


def plain(text: str) -> str:
    """Text from data, an address or an error, escaped for Streamlit's Markdown."""
    return markdown.plain(with_dataset(text))


def with_dataset(text: str) -> str:
    """The text, in which each command names this page's dataset if the desk has several."""
    if "driftdesk " not in text or not session.has_several():
        return text
    return commands.naming(text, session.dataset_name())
