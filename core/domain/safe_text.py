"""Makes untrusted text safe to show: no control characters and no bidirectional marks.

Control characters act on terminals, line breaks forge log lines, and bidirectional marks reorder
text (Boucher and Anderson, "Trojan Source", 2021).
"""

from __future__ import annotations

import re

from core.domain.errors import BadInput

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
_LONGEST_NAME = 200


_MOST_DIGITS = 18


def key_of(text: str) -> int | None:
    """A row's key from text, such as an address; None if it is none that every database holds."""
    is_key = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_key else None


def printable(text: str) -> str:
    """The text in one line: line breaks become spaces, unsafe characters are escaped."""
    return _UNSAFE.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """`printable` for text with several lines."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(document: str) -> str:
    """A JSON document with unsafe characters as JSON escapes; its content is unchanged."""
    return "\n".join(
        _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line) for line in document.split("\n")
    )


def name_of(actor: str) -> str:
    """The actor's name, if it can be recorded unchanged.

    Raises:
        BadInput: it is too long, or has invisible characters.
    """
    if len(actor) > _LONGEST_NAME or _UNSAFE.search(actor):
        raise BadInput(
            f"Who acts must be a name of up to {_LONGEST_NAME} characters that can be seen."
        )
    return actor


def storable(text: str) -> str:
    """The text with lone surrogates replaced, which databases refuse."""
    return text.encode("utf-8", "replace").decode()


def _escaped(match: re.Match[str]) -> str:
    if match[0] in "\t\n\r\x0b\x0c\u2028\u2029":
        return " "
    code = ord(match[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004
