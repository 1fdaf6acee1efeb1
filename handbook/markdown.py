"""Pieces of Markdown that GitHub and the site show alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already, and may hold a bar."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(c) for c in line)} |" for line in lines)


def code(text: str) -> str:
    """Text as code; empty text stays empty."""
    return f"`{text}`" if text else ""


def prose(docstring: str | None) -> str:
    """A docstring as prose: one line a paragraph, `Raises` and what follows it left out."""
    kept = (docstring or "").split("\n    Raises:", 1)[0]
    paragraphs = kept.split("\n\n")
    return "\n\n".join(" ".join(p.split()) for p in paragraphs if p.strip())


def page(title: str, *parts: str) -> str:
    """A page that says it was made, so that nobody edits it by hand."""
    note = "<!-- Made from the code by `make docs`; edits here are lost, and a test fails. -->"
    return "\n\n".join([note, f"# {title}", *(p for p in parts if p)]) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
