"""`driftdesk schedule` and `driftdesk notify-test`, on a real store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from console.cli.main import app
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.platform.settings import Settings
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry
from tests.receiver import receiver
from workers.container import Container
from workers.reconciler.outbox import post_due


@pytest.fixture
def url(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    made = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(made, dataset)
    monkeypatch.setenv("DATABASE_URL", made)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ACTOR", "ana")
    monkeypatch.setenv("WEBHOOK_URL", "")
    # The runner's streams close after each command; logs must not be tied to them.
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    structlog.reset_defaults()
    yield made
    structlog.reset_defaults()


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def read(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


@pytest.mark.usefixtures("url")
def test_the_life_of_a_schedule() -> None:
    assert "no schedule yet" in run("schedule", "list")
    said = run(
        "schedule", "add", "weekly", "--day", "monday", "--at", "06:30", "--zone",
        "Europe/Zurich", "--queue", "all",
    )  # fmt: skip
    assert "schedule 1  run all  every Monday at 06:30 (Europe/Zurich)  next 20" in said
    assert "06:30 Europe/Zurich (in" in said
    assert "paused" in run("schedule", "pause", "1")
    assert "paused already" in run("schedule", "pause", "1", code=1)
    assert "next" in run("schedule", "resume", "1", "--actor", "ben")
    assert "not paused" in run("schedule", "resume", "1", code=1)
    (listed,) = read("schedule", "list")
    assert (listed["task"], listed["timing"]["cron"]) == ("all", "30 6 * * 1")
    assert "removed" in run("schedule", "remove", "1")
    assert "no schedule 1" in run("schedule", "remove", "1", code=1)
    events = [(e["actor"], e["action"]) for e in read("audit", "--subject", "schedule:1")]
    assert events == [
        ("ana", "remove schedule"), ("ben", "resume schedule"), ("ana", "pause schedule"),
        ("ana", "add schedule"),
    ]  # fmt: skip


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cron", "--cron", "61 * * * *"], "field minute"),
        (["cron"], "goes with cron"),
        (["daily", "--cron", "0 0 * * *"], "goes with cron"),
        (["daily", "--at", "25:00"], "no time of day"),
        (["weekly", "--day", "Caturday"], "no day"),
        (["daily", "--zone", "Mars/Olympus"], "no time zone"),
    ],
)
def test_what_cannot_be_scheduled_is_refused_in_words(arguments: list[str], said: str) -> None:
    assert said in run("schedule", "add", *arguments, code=1)
    assert read("schedule", "list") == []


def test_a_test_notification_is_sent_and_its_fate_told(
    url: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Set WEBHOOK_URL" in run("notify-test", code=1)
    with receiver() as hook:
        monkeypatch.setenv("WEBHOOK_URL", hook.url)
        assert "Is the reconciler running?" in run("notify-test", "--seconds", "0", code=1)
        store = Store.open(url, dataset)
        wiring = Container(Settings(_env_file=None), dataset, store, FakeQueue(), FakeRegistry())  # type: ignore[arg-type]
        post_due(wiring)
        store.close()
        assert [e["event"] for e in hook.events] == ["test"]

        def posted(_seconds: float) -> None:
            again = Store.open(url, dataset)
            post_due(Container(wiring.settings, dataset, again, wiring.queue, wiring.registry))
            again.close()

        monkeypatch.setattr("console.cli.notifications.time.sleep", posted)
        assert "Delivered to 127.0.0.1." in run("notify-test")
        hook.answers = [404]
        said = run("notify-test", code=1)
        assert "Not delivered to 127.0.0.1. HTTP 404." in said
        assert "S3CRET" not in said
