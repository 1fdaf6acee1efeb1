"""What the doctor thinks of what it finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from console import diagnosis
from console.diagnosis import Finding, State
from core.queue import QueueFacts
from core.records import Job, JobKind, JobState
from core.store.facts import DatabaseFacts
from core.store.revision import HEAD, KNOWN
from tests.build import NOON

GOOD = DatabaseFacts("MariaDB", "10.11.19", HEAD, "utf8mb4", True, 0.1, ())
REDIS = QueueFacts("Redis", "7.2.11", True, "noeviction", 0.0)
STRONG = "k3J9vQz1mT7xW5bR2yHd8LsN"


def states(findings: list[Finding]) -> dict[str, State]:
    return {f.name: f.state for f in findings}


def test_whatever_is_not_well_says_what_to_do() -> None:
    found = [
        *diagnosis.database(replace(GOOD, charset="latin1", local_infile=False, ahead=99.0,
                                    refused=(("INDEX", "denied"),), revision="")),
        *diagnosis.queue(QueueFacts("Redis", "7.0.15", False, "allkeys-lru", -5.0),
                         "redis://cache.example:6379/0"),
        *diagnosis.folder(1, refused="It takes no file."),
        diagnosis.python((3, 10, 1)),
        diagnosis.libraries({"mlflow": "3.1"}),
        diagnosis.webhook("hooks.example", signed=False),
        diagnosis.door("0.0.0.0", ""),
        diagnosis.database_password("root", "", "db"),
    ]  # fmt: skip
    assert [f.name for f in found if f.state is not State.OK and not f.todo] == []
    assert sum(f.state is State.OK for f in found) == 1  # the kind of the database
    assert "INDEX" in next(f.todo for f in found if f.name == "Database rights")


def test_a_good_database_and_queue_are_all_well() -> None:
    found = [*diagnosis.database(GOOD), *diagnosis.queue(REDIS, "redis://:pw@cache.example/0")]
    assert set(states(found).values()) == {State.OK}
    sqlite = replace(GOOD, kind="SQLite", charset="", local_infile=None)
    assert set(states(diagnosis.database(sqlite)).values()) == {State.OK}


@pytest.mark.parametrize(
    ("revision", "command"),
    [("", "workers migrate"), (KNOWN[0], "workers migrate"), ("9999", "newer version")],
)
def test_another_revision_is_bad_and_names_the_command(revision: str, command: str) -> None:
    found = diagnosis.migrations(revision)
    assert found.state is State.BAD
    assert command in found.todo


@pytest.mark.parametrize(
    ("ahead", "state"),
    [(0.0, "ok"), (-1.9, "ok"), (2.1, "warn"), (-29, "warn"), (31, "bad"), (-31, "bad")],
)
def test_clocks_apart(ahead: float, state: str) -> None:
    assert diagnosis.clock("Database clock", ahead).state == state


@pytest.mark.parametrize(
    ("free", "state"), [(6_000_000_000, "ok"), (4_000_000_000, "warn"), (400_000_000, "bad")]
)
def test_room_on_the_disk(free: int, state: str) -> None:
    assert states(diagnosis.folder(free, refused=""))["Free disk"] == state


@pytest.mark.parametrize(
    ("kind", "version", "state"),
    [
        ("Redis", "7.0.15", "warn"), ("Redis", "7.2.11", "ok"), ("Redis", "8.0.0", "ok"),
        ("Valkey", "8.1.3", "warn"), ("Valkey", "9.1.2", "ok"), ("Valkey", "?", "ok"),
    ],
)  # fmt: skip
def test_floors_of_the_queues_server(kind: str, version: str, state: str) -> None:
    found = diagnosis.queue(replace(REDIS, kind=kind, version=version), "redis://127.0.0.1/0")
    assert states(found)["Queue (Redis)"] == state


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("changeme", "bad"), ("my-Secret-key-0123456789", "bad"), ("a" * 24, "bad"),
        ("<put one here>", "bad"), ("k3J9vQz1mT", "warn"), (STRONG, "ok"),
    ],
)  # fmt: skip
def test_a_secret_must_be_one(value: str, state: str) -> None:
    found = diagnosis.secret("WEBHOOK_SECRET", value)
    assert found
    assert found.state == state
    assert value not in found.says + found.todo


def test_no_secret_is_no_finding() -> None:
    assert diagnosis.secret("WEBHOOK_SECRET", "") is None


@pytest.mark.parametrize(
    ("url", "state"),
    [("redis://127.0.0.1:6380/0", "ok"), ("redis://cache/0", "bad"), ("redis://:p@cache/0", "ok")],
)
def test_a_queue_on_the_network_has_a_password(url: str, state: str) -> None:
    assert states(diagnosis.queue(REDIS, url))["Queue password"] == state


def test_alias_decisions_and_replicas_must_agree() -> None:
    assert diagnosis.live(None, None, {"a": None}).state is State.OK
    assert diagnosis.live(3, 3, {"a": 3, "b": 3}).state is State.OK
    assert diagnosis.live(3, 2, {"a": 3}).state is State.BAD
    apart = diagnosis.live(3, 3, {"a": 3, "http://b": 2})
    assert apart.state is State.BAD
    assert "http://b answers with 2" in apart.says


def job(number: int, state: JobState, minutes: float) -> Job:
    asked = NOON - timedelta(minutes=minutes)
    return Job(number, JobKind.TRAIN, state, 1, {}, "ana", asked)


def test_jobs_that_wait_long_or_were_left_behind_are_named() -> None:
    quick, slow = job(1, JobState.QUEUED, 1), job(2, JobState.QUEUED, 11)
    running = job(3, JobState.RUNNING, 600)
    assert diagnosis.jobs([quick, running], [], NOON).state is State.OK
    assert "2" in diagnosis.jobs([quick, slow], [], NOON).says
    left = diagnosis.jobs([running], [running], NOON)
    assert (left.state, "3" in left.says) == (State.WARN, True)
