"""`python -m handbook`: write the reference pages; with `--check`, only say which are old."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from handbook import api, cli, events, settings, tables

FOLDER = Path(__file__).parents[1] / "docs" / "reference"

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings.render,
    "cli.md": cli.render,
    "api.md": api.render,
    "tables.md": tables.render,
    "events.md": events.render,
}


def old() -> dict[Path, str]:
    """The pages that do not say what the code says, with what they should say."""
    made = {FOLDER / name: render() for name, render in PAGES.items()}
    return {path: text for path, text in made.items() if not _says(path, text)}


def _says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def main() -> None:
    """Write or check.

    Raises:
        SystemExit: with `--check`, a page is old.
    """
    found = old()
    if "--check" in sys.argv[1:]:
        if found:
            names = ", ".join(path.name for path in found)
            sys.exit(f"Old: {names}. Run `make docs` and commit what it writes.")
        return
    for path, text in found.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
