"""On a desk with several datasets a command in a sentence can be copied as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from console.cli.main import app
from console.text.commands import OF_A_DATASET, naming
from tests.stacks import ROOT


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(group, "commands"):
        yield " ".join(path), group
        return
    for name, command in group.commands.items():
        yield from commands(command, *path, name)


def test_every_command_that_needs_its_dataset_is_known() -> None:
    found = dict(commands(typer.main.get_command(app)))
    takes = {n for n, c in found.items() if any("--dataset" in p.opts for p in c.params)}
    any_of_them = {"audit", "backup", "costs", "doctor", "restore", "search", "status"}
    assert set(OF_A_DATASET) == takes - any_of_them


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('`driftdesk force 2 --reason "…"`', '`driftdesk force --dataset homes 2 --reason "…"`'),
        ("see driftdesk train --epoch 1.", "see driftdesk train --dataset homes --epoch 1."),
        ("`driftdesk batch retry 12`", "`driftdesk batch retry --dataset homes 12`"),
        ("`driftdesk ingest`", "`driftdesk ingest --dataset homes`"),
        ("`driftdesk doctor`, driftdesk training", "`driftdesk doctor`, driftdesk training"),
    ],
)  # fmt: skip
def test_a_command_names_its_dataset_once(text: str, told: str) -> None:
    assert naming(text, "homes") == told
    assert naming(told, "homes") == told
    assert naming(text, "") == text


def named_in(text: str) -> Iterator[str]:
    """The commands that a source file names in its texts, as "batch retry"."""
    for first, second in re.findall(r"(?:`|\\n)driftdesk ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", text):
        yield first if first not in GROUPS else f"{first} {second}".strip()


COMMANDS = dict(commands(typer.main.get_command(app)))
GROUPS = {name.partition(" ")[0] for name in COMMANDS if " " in name}


@pytest.mark.parametrize("folder", ["console", "core", "workers", "serving", "compose"])
def test_every_command_that_a_text_names_exists(folder: str) -> None:
    known = {*COMMANDS, *GROUPS}
    unknown = {
        (str(path), name)
        for path in (ROOT / folder).rglob("*.py")
        for name in named_in(path.read_text(encoding="utf-8"))
        if name not in known
    }
    assert unknown == set()
