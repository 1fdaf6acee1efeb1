"""Column names: which columns of a table can be used, and their names in a dataset. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import Any

from core.domain.safe_text import printable
from core.rules.data.typed_values import LONGEST_TEXT

LONGEST_NAME = 48

_SHOWN_NAMES = 8


def column_name(source: str, taken: Collection[str]) -> str:
    """A new name for a column: lower case, digits and _, and none of the `taken` names."""
    plain = unicodedata.normalize("NFKD", re.sub(r"([a-z])([A-Z])", r"\1_\2", source))
    ascii_only = plain.encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", ascii_only).strip("_")
    if not name or not name[0].isalpha():
        name = f"c_{name}".rstrip("_")
    name = name[:LONGEST_NAME].rstrip("_")
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: LONGEST_NAME - len(str(number)) - 1]}_{number}"
    return free


def unusable(source: str, values: Sequence[Any]) -> str:
    """Why a column cannot be described, by its name and its values; empty if it can."""
    if source != printable(source).strip() or not source or len(source) > LONGEST_TEXT:
        return "its name is empty, too long or has control characters"
    if any(isinstance(v, list | dict | tuple | bytes) for v in values):
        return "it has lists, objects or bytes"
    return ""


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(name[:60] for name in names[:_SHOWN_NAMES]) + more
