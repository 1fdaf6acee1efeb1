"""`python -m docs.generator` writes the reference pages."""

from __future__ import annotations

from pathlib import Path

from docs.generator import answers, api, cli, settings, tables
from docs.generator.markdown import NOTE, blocks

FOLDER = Path(__file__).parents[1] / "reference"

PAGES = {
    "settings.md": settings.render,
    "cli.md": cli.render,
    "api.md": api.render,
    "tables.md": tables.render,
}


def stale() -> dict[Path, str]:
    """The pages that differ from what the code generates, with their new text."""
    pages = {FOLDER / name: blocks(NOTE, render()) + "\n" for name, render in PAGES.items()}
    pages[FOLDER / answers.FILE] = answers.render()
    return {
        path: text
        for path, text in pages.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def main() -> None:
    """Write the pages that have changed."""
    for path, text in stale().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
