"""Several labels in one cell of a table. Pure."""

from __future__ import annotations

from collections.abc import Iterable

BETWEEN = "|"
"""Separates labels; within a label a backslash precedes it, as it does a backslash."""


def in_one_cell(labels: Iterable[str]) -> str:
    """The labels in one text that can be split again, such as a|b."""
    return BETWEEN.join(map(escaped, labels))


def escaped(label: str) -> str:
    """A label with its separators escaped."""
    return label.replace("\\", r"\\").replace(BETWEEN, rf"\{BETWEEN}")
