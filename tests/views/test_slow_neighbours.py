"""A service that hangs keeps no page waiting: what the database knows is drawn first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.desk import Desk
from console.queries.background import Questions
from console.web import reading
from core.domain.dataset import Dataset
from core.domain.errors import RegistryUnavailable
from tests.build import live
from tests.stacks import wait_for
from tests.views.desks import at_a_desk, page, text


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch) as desk:
        yield desk


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """What hangs, until it is set; at the end nothing hangs any more."""
    event = threading.Event()
    yield event
    event.set()


def test_with_every_other_service_hung_pages_show_what_is_on_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, hang: threading.Event
) -> None:
    live(desk.store, 1)
    monkeypatch.setattr(reading, "_PATIENCE", 0.0)
    for service, asked in ((desk.registry, "versions"), (desk.queue, "workers"),
                           (desk.queue, "try_write"), (desk.serving, "model")):  # fmt: skip
        monkeypatch.setattr(service, asked, lambda: hang.wait(60))
    said = text(page("overview"))
    assert "Version 1" in said
    assert "Asking MLflow and serving which version they have…" in said
    assert "No action required" not in said  # as that is not known
    assert "Redis has not answered yet." in said
    assert "Asking MLflow and serving which version they have…" in text(page("promotion"))
    assert "Redis has not answered yet." in text(page("services"))
    assert "Serving has not answered yet." in text(page("predict"))


def test_an_answer_that_came_late_is_shown_by_the_next_refresh(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, hang: threading.Event
) -> None:
    live(desk.store, 1)
    versions: Callable[[], Any] = desk.registry.versions
    monkeypatch.setattr(desk.registry, "versions", lambda: hang.wait(60) and versions())
    monkeypatch.setattr(reading, "_PATIENCE", 0.0)
    assert "Asking MLflow" in text(page("promotion"))
    monkeypatch.setattr(reading, "_PATIENCE", 60.0)
    hang.set()
    assert "Asking MLflow" not in text(page("promotion"))


def test_what_went_wrong_is_shown_while_it_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, hang: threading.Event
) -> None:
    live(desk.store, 1)

    def away() -> None:
        raise RegistryUnavailable("MLflow is away.")

    monkeypatch.setattr(desk.registry, "versions", away)
    assert "MLflow is away." in text(page("promotion"))
    monkeypatch.setattr(desk.registry, "versions", lambda: hang.wait(60))
    monkeypatch.setattr(reading, "_PATIENCE", 0.0)
    assert "MLflow is away." in text(page("promotion"))
    monkeypatch.setattr(reading, "_KEPT_ERROR", -1.0)  # a while later
    assert "Asking MLflow" in text(page("promotion"))


def test_an_answer_to_a_question_that_was_dropped_is_not_shown(hang: threading.Event) -> None:
    """After an act nobody may see what was asked before it."""
    asked = Questions()
    asked.ask("old", "key", lambda: hang.wait(60) and "old", 0.0)
    asked.forget()
    asked.ask("new", "key", lambda: "new", 0.0)
    asked.wait(["key"], 60)
    hang.set()
    wait_for("the old one did not end", lambda: not _running("ask old"))
    assert asked.answer("key").value == "new"


def test_questions_that_hang_are_bounded(
    hang: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.queries.background._MOST_ASKING", 3)
    asked = Questions()
    for n in range(10):
        asked.ask("bounded", n, lambda: hang.wait(60), 0.0)
    assert _running("ask bounded") == 3
    assert asked.answer(9).asking is None
    hang.set()
    asked.wait(range(3), 60)
    asked.ask("bounded", 9, lambda: "at last", 0.0)
    asked.wait([9], 60)
    assert asked.answer(9).value == "at last"


def _running(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())
