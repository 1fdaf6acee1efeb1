"""Text from elsewhere, made fit to be shown: it can move no cursor and hide or reorder nothing.

A terminal obeys the control characters that it is sent, a log is read line by line, and marks
of direction let a text be read as another (Boucher and Anderson, "Trojan Source", 2021).
"""

from __future__ import annotations

import re

from core.errors import BadInput

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
_LONGEST_NAME = 200


def printable(text: str) -> str:
    """The text in one line: breaks become blanks, and what would act on a terminal is spelled."""
    return _UNSAFE.sub(_spelled, text)


def printable_lines(text: str) -> str:
    """The same line by line, for what is meant to have several."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(document: str) -> str:
    """A JSON document with the same characters escaped as JSON escapes them; it stays equal."""
    return "\n".join(
        _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line) for line in document.split("\n")
    )


def name_of(actor: str) -> str:
    """The name of somebody who acts, if it can go on record as it is.

    Raises:
        BadInput: it is too long, or has characters that would not be seen.
    """
    if len(actor) > _LONGEST_NAME or _UNSAFE.search(actor):
        raise BadInput(
            f"Who acts must be a name of up to {_LONGEST_NAME} characters that can be seen."
        )
    return actor


def storable(text: str) -> str:
    """The text as a database takes it: halves of characters become the mark of a lost one."""
    return text.encode("utf-8", "replace").decode() if _has_halves(text) else text


def _has_halves(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _spelled(found: re.Match[str]) -> str:
    if found[0] in "\t\n\r\x0b\x0c\u2028\u2029":
        return " "
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004
