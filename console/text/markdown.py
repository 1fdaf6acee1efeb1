"""Text for Streamlit's Markdown."""

from __future__ import annotations

import re

from core.domain.safe_text import printable_lines

_SPACED = re.compile(r"(?<=\d) %")
"""A line must not begin with the sign."""


def plain(text: str) -> str:
    """Text from data, an address or an error, escaped for Streamlit's Markdown."""
    text = _SPACED.sub("\u00a0%", printable_lines(text))
    for mark in "\\`*_{}[]()<>#+-.!|$:~":
        text = text.replace(mark, "\\" + mark)
    # Streamlit links addresses even if escaped; a word joiner prevents that.
    for start, split in (("\\://", "\u2060\\://"), ("www\\.", "www\u2060\\."), ("@", "\u2060@")):
        text = text.replace(start, split)
    return text
