"""The documentation's shell blocks: what they run, what they print, and why some are not run."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.stacks import ROOT

DOCS = ROOT / "docs"
CLI = str(Path(sys.executable).parent / "driftdesk")

_BLOCK = re.compile(
    r'(?:^<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n'
    r"(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_ANY_ID = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{12,64}\b"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d"
)
_ANY_FIGURE = re.compile(r"[-+\u2212]?\d[\d.,]*%?")
FIGURES_MAY_DIFFER = "figures may differ"
NOT_RUN = "not run: "


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its title, its text, and the comment just above it."""

    page: str
    language: str
    title: str
    text: str
    note: str
    start: int
    end: int

    @property
    def commands(self) -> list[str]:
        """Its lines, those that go on after a backslash made one."""
        return [line for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]


def blocks(page: str) -> list[Block]:
    """Every fenced block of a page of docs/."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [
        Block(
            page, m["language"], m["title"] or "", m["text"], m["note"] or "",
            m.start("text"), m.end("text"),
        )
        for m in _BLOCK.finditer(text)
    ]  # fmt: skip


def titled(page: str, title: str) -> str:
    """The text of the block that is shown as a file of that name."""
    (found,) = [b.text for b in blocks(page) if b.title == title]
    return found


def steps(page: str) -> Iterator[tuple[Block, Block | None]]:
    """Each shell block that is run, with the block of text that says what it prints."""
    found = blocks(page)
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block.language == "sh" and not block.note.startswith(NOT_RUN):
            yield block, after if after and after.language == "text" else None


def shell(commands: list[str], env: Mapping[str, str], folder: Path = ROOT) -> str:
    """What the commands print, in one bash that ends with the first that fails."""
    script = "\n".join(c.replace(".venv/bin/driftdesk", CLI) for c in commands)
    script = script.replace(".venv/bin/python", sys.executable)
    script = script.replace(
        "http://127.0.0.1:8000", env.get("SERVING_URL", "http://127.0.0.1:8000")
    )
    done = subprocess.run(
        ["bash", "-ec", script], cwd=folder, env=dict(env), capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}: {done.stdout}{done.stderr}"
    return done.stdout


def follow(
    page: str,
    env: Mapping[str, str],
    folder: Path = ROOT,
    make_run: Callable[[], object] = lambda: None,
) -> None:
    """Run a page from top to bottom and compare what it prints with what it says it prints.

    Ids and times are anybody's; where the page says that figures may differ, so are figures.
    `make run` calls `make_run`, unless the caller has done it before. With UPDATE_DOCS set the page
    is written again instead.
    """
    exports: list[str] = []
    printed: list[tuple[Block, str]] = []
    for block, output in steps(page):
        commands = [c for c in block.commands if not c.endswith("make run")]
        if commands != block.commands:
            make_run()
        exports += [c for c in commands if c.startswith("export ")]
        said = shell(exports + [c for c in commands if c not in exports], env, folder)
        if output:
            printed.append((output, said))
    if os.environ.get("UPDATE_DOCS"):
        _write(page, printed)
        return
    wrong = [
        line
        for block, said in printed
        for line in difflib.unified_diff(
            _plain(block.text, block), _plain(said, block), page, "printed", lineterm="", n=1
        )
    ]
    assert not wrong, "\n".join([*wrong, f"UPDATE_DOCS=1 writes {page} again."])


def _plain(text: str, block: Block) -> list[str]:
    known = _ANY_ID.sub("…", text)
    if block.note == FIGURES_MAY_DIFFER:
        known = re.sub(r" {2,}", "  ", _ANY_FIGURE.sub("#", known))
    return [line.rstrip() for line in known.splitlines()]


def _write(page: str, printed: list[tuple[Block, str]]) -> None:
    path = DOCS / page
    text = path.read_text(encoding="utf-8")
    for block, said in reversed(printed):
        lines = "".join(f"{line.rstrip()}\n" for line in said.splitlines())
        text = text[: block.start] + lines + text[block.end :]
    path.write_text(text, encoding="utf-8")
