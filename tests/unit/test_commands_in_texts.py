"""On a desk with several datasets a command in a sentence can be copied as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from console.cli.main import app
from console.text.commands import OF_A_DATASET, naming


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
