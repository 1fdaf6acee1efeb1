"""What commands print with --json is what its schema in the reference says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from console.actions import schedules
from console.cli.main import app as cli
from console.desk import Desk
from core.domain.dataset import Dataset
from core.domain.drift import Reference
from core.rules.drift.compare import compare
from core.rules.ops.schedule import Task, Timing
from docs.generator.__main__ import FOLDER
from docs.generator.answers import FILE
from tests import build
from tests.build import somebody
from tests.views.desks import at_a_desk

SCHEMA = json.loads((FOLDER / FILE).read_text(encoding="utf-8"))
GROUPS = {"batch", "dataset", "keys", "limits", "quarantine", "rows", "schedule", "source"}


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Two compared batches, a live version, a candidate, a schedule and an alert."""
    with at_a_desk(tmp_path, dataset, monkeypatch, serving_keys=str(tmp_path / "keys")) as made:
        for number in range(2):
            batch = build.stored_batch(made.store, number)
            profiles = tuple(build.profile(c.name) for c in dataset.compared)
            with made.store.begin() as work:
                report = compare(profiles if number else None, profiles, dataset)
                work.drift.put(
                    batch, Reference.PREVIOUS, "the batch before", report, reference_id=batch.id
                )
                work.commit()
        build.live(made.store, 1)
        build.proposed(made.store, 2, champion=1)
        schedules.add(made, somebody(), Timing("0 6 * * *"), Task.INGEST)
        yield made


def checked(*arguments: str) -> Any:
    """The JSON that a command prints, after its schema was applied."""
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.stdout, (arguments, result.output, result.exception)
    value = json.loads(result.stdout)
    name = " ".join(arguments[: 2 if arguments[0] in GROUPS else 1])
    schema = {"$defs": SCHEMA["$defs"], **SCHEMA["properties"][name]}
    errors = [
        f"{e.json_path}: {e.message}" for e in Draft202012Validator(schema).iter_errors(value)
    ]
    assert not errors, (name, errors[:5])
    return value


def test_each_command_is_as_its_schema(desk: Desk, tmp_path: Path) -> None:
    out = str(tmp_path / "rows.csv")
    for line in (
        "status", "status --check", "candidates", "dossier 1", "rollback", "follow-ups",
        "audit", "audit --verify", "passport version:1", "passport batch:1/0",
        "batch list", "quarantine list", "quarantine list 1/0", "rows list", f"rows export {out}",
        "limits list", "schedule list", "schedule pause 1", "schedule resume 1",
        "drift --show", "drift --live", "search 1", "costs", "doctor", "compare 1/0 1/1",
        "dataset list", "dataset show", f"dataset check {out}", "prune --dry-run",
        "keys add ana", "keys list", "keys remove ana",
        "ingest", "train --reason again", "reject 2 --reason worse",
        "batch hold 1/1 --reason odd", "batch release 1/1 --reason fine",
    ):  # fmt: skip
        value = checked(*line.split())
        if line == "batch list":
            assert [entry["number"] for entry in value] == [1, 0]
        if line == "ingest":
            assert checked("jobs")[0]["id"] == value["id"]
            assert checked("log", str(value["id"])) == []
            assert checked("cancel", str(value["id"]))["state"] == "CANCELLED"


def test_a_schema_refuses_what_is_not_printed() -> None:
    schema = {"$defs": SCHEMA["$defs"], **SCHEMA["properties"]["batch list"]}
    assert not Draft202012Validator(schema).is_valid([{"number": "zero"}])
