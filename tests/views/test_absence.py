"""What a person finds on the Overview who comes back: what others and the system did meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from console.desk import Desk
from console.queries import absence
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.rules.ops.notification import Event
from tests.build import stored_batch
from tests.views.desks import at_a_desk, button, page, text


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        stored_batch(made.store)
        yield made


def acted(desk: Desk, actor: str, action: str, ago: timedelta, subject: str = "version:3") -> None:
    earlier = Store(desk.store.engine, desk.dataset, lambda: datetime.now(UTC) - ago)
    with earlier.begin() as work:
        work.audit.add(actor, action, subject, reason=f"{actor}'s reason.")
        work.commit()


def noticed(desk: Desk, event: Event, subject: str, said: str, ago: timedelta) -> None:
    earlier = Store(desk.store.engine, desk.dataset, lambda: datetime.now(UTC) - ago)
    with earlier.begin() as work:
        work.notifications.add(event, subject, said)
        work.commit()


def links(app: Any) -> list[str]:
    return [f"{e.proto.page} {e.proto.query_string}" for e in app.get("page_link")]


def shown(app: Any) -> str:
    heads = "".join(e.value for e in app.subheader)
    return (heads + text(app) + "".join(e.proto.label for e in app.get("page_link"))).replace(
        "\\", ""
    )


def test_it_lists_what_came_after_the_persons_last_act(desk: Desk) -> None:
    hours = [timedelta(hours=h) for h in range(6)]
    acted(desk, "ben", "reject", hours[5], "version:1")
    acted(desk, "ana", "approve", hours[4], "version:2")
    acted(desk, "ben", "force", hours[3])
    noticed(desk, Event.BREACH, "batch:1/0", "Batch 0 has drifted.", hours[2])
    noticed(desk, Event.PROMOTED, "version:3", "Version 3 is live.", hours[2])
    acted(desk, "ben", "request train", hours[1], "job:9")
    app = page("overview")
    said = shown(app)
    assert "While you were away" in said
    assert "3 h ago · ben forced version 3" in said
    assert "Batch 0 has drifted" in said
    for other in (
        "rejected version 1",
        "approved version 2",
        "Version 3 is live",
        "queued a training",
    ):
        assert other not in said
    assert any("version=3" in link for link in links(app))
    assert any("batch=1%2F0" in link or "batch=1/0" in link for link in links(app))


def test_clear_leaves_only_what_comes_later(desk: Desk) -> None:
    acted(desk, "ben", "force", timedelta(hours=1))
    app = page("overview")
    button(app, "Clear").click().run()
    assert "While you were away" not in shown(app)


def test_who_acted_a_moment_ago_was_not_away(desk: Desk) -> None:
    acted(desk, "ana", "force", timedelta(minutes=2))
    acted(desk, "ben", "reject", timedelta(minutes=1))
    assert "While you were away" not in shown(page("overview"))


def test_who_acts_is_back_and_is_told_nothing_more(desk: Desk) -> None:
    acted(desk, "ben", "force", timedelta(hours=1))
    app = page("overview")
    acted(desk, "ana", "reject", timedelta())
    acted(desk, "ben", "approve", timedelta(), "version:8")
    said = shown(app.run())
    assert "ben forced version 3" in said
    assert "version 8" not in said


def test_an_own_act_in_the_tab_does_not_shorten_the_list(desk: Desk) -> None:
    acted(desk, "ben", "force", timedelta(hours=1))
    app = page("overview")
    acted(desk, "ana", "reject", timedelta())
    assert "ben forced version 3" in shown(app.run())


def test_many_own_acts_hide_none_of_others(desk: Desk) -> None:
    acted(desk, "ben", "force", timedelta(hours=2))
    for _ in range(40):
        acted(desk, "ana", "approve", timedelta(hours=1))
    found = absence.since(desk, "ana", datetime.now(UTC) - timedelta(hours=3), datetime.now(UTC))
    assert [item.text for item in found.items] == ["ben forced version 3. ben's reason."]
    assert found.is_whole


def test_a_long_absence_is_bounded_and_says_so(desk: Desk) -> None:
    for _ in range(40):
        acted(desk, "ben", "approve", timedelta(hours=1))
    assert absence.last_act(desk, "ana") < datetime.now(UTC) - timedelta(days=6)
    found = absence.since(desk, "ana", absence.last_act(desk, "ana"), datetime.now(UTC))
    assert len(found.items) == 30
    assert not found.is_whole
    assert "All in the audit log" in shown(page("overview"))


def test_nothing_is_shown_where_nothing_happened(desk: Desk) -> None:
    assert "While you were away" not in shown(page("overview"))
