"""Names of files in the spool: with several datasets each begins with its dataset's name."""

from __future__ import annotations

_MARK = "--"
"""Follows the dataset's name; no dataset's name has a dash, and no other name here has two."""


def named(dataset: str, name: str) -> str:
    """The name of a dataset's file; without a dataset, of the only one's."""
    return f"{dataset}{_MARK}{name}" if dataset else name


def owner(name: str) -> str:
    """The dataset that a name carries; empty if it was written when there was only one."""
    return name.partition(_MARK)[0] if _MARK in name else ""


def plain(name: str) -> str:
    """The name without the dataset."""
    return name.partition(_MARK)[2] if _MARK in name else name
