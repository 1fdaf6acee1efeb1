"""Lines that fit a terminal: wrapped between words, with a hanging indent."""

from __future__ import annotations

import re
import textwrap

_LABEL = re.compile(r"\s*\S+(?: \S+)?\s{2,}(?=\S)")
"""A label and the blanks behind it, as in "verdict    Batch 0: nothing to do."."""

_DEEPEST = 16
_NARROWEST = 40


def wrapped(line: str, width: int) -> list[str]:
    """The line in pieces of at most `width` columns; a word that is longer stays whole.

    What goes on is below the beginning of the text: behind a short label, or two columns further.
    """
    if len(line) <= width or width < _NARROWEST:
        return [line]
    label = _LABEL.match(line)
    blanks = len(line) - len(line.lstrip())
    indent = label.end() if label and label.end() <= _DEEPEST else blanks + 2
    return textwrap.wrap(
        line, width, subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False, replace_whitespace=False, expand_tabs=False,
    ) or [line]  # fmt: skip
