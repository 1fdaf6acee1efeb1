"""Markdown that GitHub and the site render alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Generated from the code by `make docs`; a test rejects edits. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown, in which `|` is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def code(text: str) -> str:
    """Text as code; empty text stays empty."""
    return f"`{text}`" if text else ""


def prose(docstring: str | None) -> str:
    """A docstring as paragraphs, without its section `Raises`."""
    kept = (docstring or "").split("\n    Raises:", 1)[0]
    return "\n\n".join(" ".join(p.split()) for p in kept.split("\n\n") if p.strip())


def blocks(*parts: str) -> str:
    """Blocks of Markdown below each other, without the empty ones."""
    return "\n\n".join(filter(None, map(str.strip, parts)))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
