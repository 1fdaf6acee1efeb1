"""What the doctor thinks of what it finds."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import timedelta

import pytest

from console.queries import doctor_rules, doctor_server_rules
from console.queries.doctor_rules import Finding, State
from core.adapters.rq_queue import QueueFacts
from core.adapters.store.schema_version import HEAD, KNOWN
from core.adapters.store.server_facts import DatabaseFacts
from core.domain.batches import Batch, BatchState
from core.domain.jobs import Job, JobKind, JobState
from core.platform.database_url import read_database_url
from core.platform.dataset_file import load
from core.rules.model.alias_repair import difference
from tests.build import NOON
from tests.stacks import ROOT

RIDES = load(ROOT / "tests/datasets/rides.toml")
GOOD = DatabaseFacts("MariaDB", "10.11.19", HEAD, "utf8mb4", True, 0.1, ())
REDIS = QueueFacts("Redis", "7.2.11", True, "noeviction", 0.0)
STRONG = "k3J9vQz1mT7xW5bR2yHd8LsN"


def states(findings: list[Finding]) -> dict[str, State]:
    return {f.name: f.state for f in findings}


def test_whatever_is_not_well_says_what_to_do() -> None:
    found = [
        *doctor_server_rules.database(replace(
            GOOD, charset="latin1", local_infile=False, ahead=99.0,
                                    refused=(("INDEX", "denied"),), revision="")),
        *doctor_server_rules.queue(QueueFacts("Redis", "7.0.15", False, "allkeys-lru", -5.0),
                         "redis://cache.example:6379/0"),
        *doctor_rules.folder(1, OSError(errno.EACCES, "Permission denied")),
        doctor_rules.python((3, 10, 1)),
        doctor_rules.libraries({"mlflow": "3.1"}),
        doctor_rules.webhook("hooks.example", signed=False),
        doctor_rules.serving_access("0.0.0.0", ""),
        doctor_server_rules.database_password(read_database_url("mysql+pymysql://root@db/desk")),
    ]  # fmt: skip
    assert [f.name for f in found if f.state is not State.OK and not f.todo] == []
    assert sum(f.state is State.OK for f in found) == 1  # the kind of the database
    assert "INDEX" in next(f.todo for f in found if f.name == "Database rights")


@pytest.mark.parametrize(
    ("there", "says", "todo"),
    [
        (
            {"day", "weather", "rides"},
            "has no column station, temperature.",
            "Set DATASET to the file",
        ),
        (
            {*RIDES.names, "wind"},
            "has the column wind, which the file lacks.",
            "the newest revision",
        ),
    ],
)
def test_a_table_with_other_columns_than_the_file_is_bad(
    there: set[str], says: str, todo: str
) -> None:
    found = doctor_server_rules.dataset(RIDES, {RIDES.rows_table: there})
    assert (found.state, found.says) == (State.BAD, f"The table {RIDES.rows_table} {says}")
    assert todo in found.todo


def test_a_good_database_and_queue_are_all_well() -> None:
    found = [
        *doctor_server_rules.database(GOOD),
        *doctor_server_rules.queue(REDIS, "redis://:pw@cache.example/0"),
    ]
    assert set(states(found).values()) == {State.OK}
    sqlite = replace(GOOD, kind="SQLite", charset="", local_infile=None)
    assert set(states(doctor_server_rules.database(sqlite)).values()) == {State.OK}


@pytest.mark.parametrize(
    ("revision", "command"),
    [("", "workers migrate"), (KNOWN[0], "workers migrate"), ("9999", "newer version")],
)
def test_another_revision_is_bad_and_names_the_command(revision: str, command: str) -> None:
    found = doctor_server_rules.migrations(revision)
    assert found.state is State.BAD
    assert command in found.todo


@pytest.mark.parametrize(
    ("ahead", "state"),
    [(0.0, "ok"), (-1.9, "ok"), (2.1, "warn"), (-29, "warn"), (31, "bad"), (-31, "bad")],
)
def test_clocks_apart(ahead: float, state: str) -> None:
    assert doctor_server_rules.clock("Database clock", ahead).state == state


@pytest.mark.parametrize(
    ("free", "state"), [(6_000_000_000, "ok"), (4_000_000_000, "warn"), (400_000_000, "bad")]
)
def test_room_on_the_disk(free: int, state: str) -> None:
    assert states(doctor_rules.folder(free, None))["Free disk"] == state


@pytest.mark.parametrize(
    ("code", "todo"),
    [
        (errno.ENOSPC, "Free some space"), (errno.EDQUOT, "Free some space"),
        (errno.EACCES, "Give the user who runs driftdesk the right"),
        (errno.EROFS, "Mount it for writing"), (errno.EIO, "Check the disk"),
        (errno.ENOENT, "Make the folder"),
    ],
)  # fmt: skip
def test_a_data_folder_that_takes_no_file_has_the_remedy_for_the_cause(
    code: int, todo: str
) -> None:
    found = doctor_rules.folder(10**10, OSError(code, os.strerror(code)))[0]
    assert (found.name, found.state) == ("Data folder", State.BAD)
    assert os.strerror(code) in found.says
    assert found.todo.startswith(todo)


@pytest.mark.parametrize(
    ("kind", "version", "state"),
    [
        ("Redis", "7.0.15", "warn"), ("Redis", "7.2.11", "ok"), ("Redis", "8.0.0", "ok"),
        ("Valkey", "8.1.3", "warn"), ("Valkey", "9.1.2", "ok"), ("Valkey", "?", "ok"),
    ],
)  # fmt: skip
def test_floors_of_the_queues_server(kind: str, version: str, state: str) -> None:
    found = doctor_server_rules.queue(
        replace(REDIS, kind=kind, version=version), "redis://127.0.0.1/0"
    )
    assert states(found)["Queue (Redis)"] == state


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("changeme", "bad"), ("my-Secret-key-0123456789", "bad"), ("a" * 24, "bad"),
        ("<put one here>", "bad"), ("k3J9vQz1mT", "warn"), (STRONG, "ok"),
    ],
)  # fmt: skip
def test_a_secret_must_be_one(value: str, state: str) -> None:
    found = doctor_rules.secret("WEBHOOK_SECRET", value)
    assert found
    assert found.state == state
    assert value not in found.says + found.todo


def test_no_secret_is_no_finding() -> None:
    assert doctor_rules.secret("WEBHOOK_SECRET", "") is None


@pytest.mark.parametrize(
    ("url", "state"),
    [("redis://127.0.0.1:6380/0", "ok"), ("redis://cache/0", "bad"), ("redis://:p@cache/0", "ok")],
)
def test_a_queue_on_the_network_has_a_password(url: str, state: str) -> None:
    assert states(doctor_server_rules.queue(REDIS, url))["Queue password"] == state


def test_alias_decisions_and_replicas_must_agree() -> None:
    assert doctor_rules.live(None, None, {"a": None}).state is State.OK
    assert doctor_rules.live(3, None, {"a": 3, "b": 3}).state is State.OK
    moved = difference("orders", 3, 2, [2, 3])
    assert doctor_rules.live(3, moved, {"a": 3}).state is State.BAD
    apart = doctor_rules.live(3, None, {"a": 3, "http://b": 2})
    assert apart.state is State.BAD
    assert "http://b answers with 2" in apart.says


def job(number: int, state: JobState, minutes: float) -> Job:
    asked = NOON - timedelta(minutes=minutes)
    return Job(number, JobKind.TRAIN, state, 1, {}, "ana", asked)


def entry(number: int, state: BatchState, tries: int) -> Batch:
    return Batch(number, 1, state, None, "h", "s", 10, NOON, tries=tries)


def test_a_batch_that_is_stuck_or_was_closed_is_named_with_what_to_do() -> None:
    fresh, stuck = entry(1, BatchState.RECEIVED, 0), entry(2, BatchState.RECEIVED, 2)
    assert doctor_rules.batches([fresh], []).state is State.OK
    found = doctor_rules.batches([fresh, stuck], [])
    assert found.state is State.WARN
    assert "Entry 2" in found.says
    assert "driftdesk batch skip 2" in found.todo
    closed = doctor_rules.batches([], [entry(7, BatchState.CLOSED, 3)])
    assert closed.says == "Entry 7 of the ledger could not be stored and is closed."
    assert "driftdesk batch retry 7" in closed.todo
    more = doctor_rules.batches([], [entry(n, BatchState.CLOSED, 3) for n in (7, 8)])
    assert more.says == "Entries 7, 8 of the ledger could not be stored and are closed."


def test_jobs_that_wait_long_or_were_left_behind_are_named() -> None:
    quick, slow = job(1, JobState.QUEUED, 1), job(2, JobState.QUEUED, 11)
    running = job(3, JobState.RUNNING, 600)
    assert doctor_rules.jobs([quick, running], [], NOON).state is State.OK
    assert "2" in doctor_rules.jobs([quick, slow], [], NOON).says
    left = doctor_rules.jobs([running], [running], NOON)
    assert (left.state, "3" in left.says) == (State.WARN, True)
