"""Checked values of a parsed TOML document: each complaint names the key, the value and the rule.

Every function raises ValueError where the value breaks the rule.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from core.domain.safe_text import printable

_SHOWN = 3
_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_LONGEST = 200


def known_keys(table: dict[str, Any], known: Sequence[str]) -> None:
    """Check that a table has no key but the known ones."""
    near = {str(key): get_close_matches(str(key), known, 1) for key in table if key not in known}
    if near:
        first = sorted(near, key=lambda key: (not near[key], key))[:_SHOWN]
        named = ", ".join(printable(key)[:60] for key in first)
        alike = ", ".join(match for key in first for match in near[key])
        hint = f" (did you mean {alike}?)" if alike else ""
        raise ValueError(
            f"unknown keys {named}{hint}; take them out, or write one of {', '.join(known)}"
        )


def section(name: str, value: object) -> dict[str, Any]:
    """The keys of a section."""
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004
            f"{name} is {shown(value)}, and must be a table; write [{name}] above its keys"
        )
    return value


def shown(value: object) -> str:
    """A value as an error message shows it."""
    return ascii(value)[:60]


def one_of(key: str, value: object, known: Iterable[str]) -> str:
    """A text that is one of the known ones."""
    if value is None:
        raise ValueError(f"{key} is missing; write one of {', '.join(known)}")
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{key} must be one of {', '.join(known)}, and is {shown(value)}")
    return value


def yes_or_no(key: str, value: object) -> bool:
    """A boolean."""
    if isinstance(value, bool):
        return value
    raise ValueError(f"{key} is {shown(value)}, and must be true or false, without quotes")


def number(key: str, value: object) -> float:
    """A finite number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            if math.isfinite(finite := float(value)):
                return finite
    raise ValueError(f"{key} is {shown(value)}, and must be a finite number without quotes")


def whole_number(key: str, value: object, lowest: int, highest: int) -> int:
    """A whole number within bounds, both included."""
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise ValueError(
            f"{key} is {shown(value)}, and must be a whole number from {lowest:,} to {highest:,}, "
            "without quotes"
        )
    return value


def text(key: str, value: object, *, longest: int, may_be_empty: bool = False) -> str:
    """A text without control characters, in which a line break counts as a blank."""
    if value is None:
        raise ValueError(f"{key} is missing")
    if not isinstance(value, str):
        raise ValueError(f"{key} is {shown(value)}, and must be text in quotes")  # noqa: TRY004
    one_line = " ".join(value.split("\n")).strip()
    if not one_line and not may_be_empty:
        raise ValueError(f"{key} is empty")
    if len(one_line) > longest or one_line != printable(one_line):
        raise ValueError(
            f"{key} is {shown(value)}; it may have at most {longest:,} characters, without tabs "
            "and other control characters"
        )
    return one_line


def function(key: str, value: object, example: str) -> str:
    """The name of a function of the team's own code, as `package.module:function`."""
    if not isinstance(value, str) or not _FUNCTION.fullmatch(value[:_LONGEST]):
        raise ValueError(f"{key} is {shown(value)}, and must name a function, as in {example}")
    return value
