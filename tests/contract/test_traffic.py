"""Live traffic, from the prediction log to windows, on both databases."""

from __future__ import annotations

import itertools
import json
import random
import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core.adapters.store import Store
from core.adapters.store.tables import live_windows
from core.adapters.store.traffic import Traffic
from core.domain.drift import Finding
from core.domain.errors import Missing
from core.platform.settings import Settings
from core.rules.drift import thresholds
from core.rules.drift.live_windows import Request, Window, cut
from core.rules.drift.report import drift_report
from core.rules.ops.notification import Event
from core.usecases import decisions
from tests import build
from tests.fakes import FakeQueue, FakeRegistry
from tests.traffic import house, record, trained, training_profiles, write_raw
from workers.container import Container
from workers.reconciler import live_windows as traffic
from workers.reconciler.live_windows import AT_ONCE, SETTLED, watch_traffic
from workers.reconciler.reconcile import reconcile

SIZE = 60
LATER = build.NOON + timedelta(hours=1)


def wiring(store: Store, now: datetime = LATER, size: int = SIZE) -> Container:
    at = Store(store.engine, store.dataset, clock=lambda: now)
    settings = Settings(_env_file=None, live_window=size)
    return Container(settings, store.dataset, at, FakeQueue(), FakeRegistry())  # type: ignore[arg-type]


def houses(count: int, seed: int = 1, **changes: Any) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    return [house(dice, **changes) for _ in range(count)]


def windows(store: Store) -> list[Window]:
    """The windows, oldest first."""
    with store.read() as work:
        return work.traffic.latest(1000)[::-1]


def told(store: Store) -> list[tuple[Event, str]]:
    with store.read() as work:
        return [(n.event, n.subject) for n in work.notifications.latest(100)[::-1]]


# Cutting


def test_windows_follow_each_other_without_gap_or_repeat(store: Store) -> None:
    trained(store)
    ids = record(store, houses(3 * SIZE + 7))
    watch_traffic(wiring(store))
    made = windows(store)
    assert [w.rows for w in made] == [SIZE] * 3
    assert [w.last_id for w in made] == [ids[SIZE - 1], ids[2 * SIZE - 1], ids[3 * SIZE - 1]]
    assert [(w.version, w.unreadable) for w in made] == [(1, 0)] * 3
    assert all(a.ended_at <= b.started_at for a, b in itertools.pairwise(made))
    with store.read() as work:
        assert work.traffic.waiting(made[-1], 1000) == 7
        assert work.traffic.waiting(made[-1], 5) == 5
        assert work.traffic.waiting(None, 1000) == len(ids)


def test_what_lies_in_a_window_is_exactly_what_lies_between_its_ends(store: Store) -> None:
    trained(store)
    ids = record(store, houses(4 * SIZE))
    seen: list[str] = []
    after: Window | None = None
    with store.read() as work:
        for n in range(4):
            found = work.traffic.requests(after, LATER, SIZE)
            seen += [r.id for r in found]
            last = found[-1]
            after = replace(_window(n + 1), ended_at=last.at, last_id=last.id)
        assert work.traffic.requests(after, LATER, 1) == []
    assert seen == ids


def _window(number: int = 1) -> Window:
    requests = [Request(f"r{number}", build.NOON, {})]
    return cut(requests, 1, (), build.small_dataset())[0]


def test_what_is_not_settled_waits(store: Store) -> None:
    trained(store)
    record(store, houses(SIZE))
    with store.read() as work:
        (last,) = work.predictions.latest(1)
    early = wiring(store, last.at + SETTLED - timedelta(microseconds=1))
    watch_traffic(early)
    assert windows(store) == []
    watch_traffic(wiring(store, last.at + SETTLED))
    assert [w.rows for w in windows(store)] == [SIZE]


def test_one_too_few_makes_no_window(store: Store) -> None:
    trained(store)
    record(store, houses(SIZE - 1))
    watch_traffic(wiring(store))
    assert windows(store) == []


def test_what_is_recorded_late_is_in_no_window_and_stops_none(store: Store) -> None:
    trained(store)
    record(store, houses(SIZE))
    watch_traffic(wiring(store))
    (first,) = windows(store)
    late = record(store, houses(5), build.NOON - timedelta(seconds=30))
    ids = record(store, houses(SIZE), build.NOON + timedelta(minutes=5))
    watch_traffic(wiring(store))
    _, second = windows(store)
    assert second.started_at > first.ended_at
    assert second.last_id == ids[-1]
    assert not set(late) & {w.last_id for w in windows(store)}


def test_a_backlog_is_caught_up_a_few_windows_a_pass(store: Store) -> None:
    trained(store)
    record(store, houses((AT_ONCE + 2) * SIZE))
    made = wiring(store)
    reconcile(made)
    assert len(windows(store)) == AT_ONCE
    reconcile(made)
    assert len(windows(store)) == AT_ONCE + 2
    reconcile(made)
    assert len(windows(store)) == AT_ONCE + 2


def test_without_a_live_version_or_its_training_rows_requests_wait(store: Store) -> None:
    record(store, houses(SIZE))
    made = wiring(store)
    watch_traffic(made)
    build.live(store, 1)  # one whose training rows nobody profiled
    watch_traffic(made)
    assert windows(store) == []
    trained(store, 2)
    watch_traffic(made)
    assert [(w.version, w.rows) for w in windows(store)] == [(2, SIZE)]


def test_an_empty_database_has_nothing_to_cut(store: Store) -> None:
    watch_traffic(wiring(store))
    with store.read() as work:
        assert work.traffic.last() is None
        assert work.traffic.profiles(1) == ()
        with pytest.raises(Missing, match="no window 1"):
            work.traffic.get(1)


# Two at once


def test_racing_reconcilers_make_each_window_once(store: Store) -> None:
    trained(store)
    ids = record(store, houses(3 * SIZE, house_size=9_000.0))
    start = threading.Barrier(4)

    def race() -> None:
        made = wiring(store)
        start.wait()
        watch_traffic(made)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    watch_traffic(wiring(store))  # who lost leaves the rest to the next pass
    made = windows(store)
    assert [w.last_id for w in made] == [ids[SIZE - 1], ids[2 * SIZE - 1], ids[3 * SIZE - 1]]
    assert told(store) == [(Event.BREACH, f"window:{made[0].id}")]


def test_who_looked_before_somebody_else_cut_adds_nothing(store: Store) -> None:
    reference = trained(store)
    record(store, houses(2 * SIZE))
    with store.read() as work:
        due = work.traffic.requests(None, LATER, SIZE)
    watch_traffic(wiring(store, size=SIZE + 5))  # another end, as when a late record came between
    stale, profiles = cut(due, 1, reference, store.dataset)
    with store.begin() as work:
        assert work.traffic.add(stale, profiles, None) is None
        work.commit()
    assert [w.rows for w in windows(store)] == [SIZE + 5]


def test_the_same_end_is_kept_once_even_where_the_lock_fails(store: Store) -> None:
    reference = trained(store)
    record(store, houses(SIZE))
    with store.read() as work:
        due = work.traffic.requests(None, LATER, SIZE)
    window, profiles = cut(due, 1, reference, store.dataset)
    with store.begin() as work:
        first = work.traffic.add(window, profiles, None)
        work.commit()
    with store.begin() as work:
        assert work.traffic.add(window, profiles, replace(window, id=first or 0)) is None
    assert len(windows(store)) == 1


def test_a_version_that_is_not_live_any_more_gets_no_window(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(store)
    record(store, houses(SIZE))

    def promoted_meanwhile(*arguments: Any) -> Any:
        trained(store, 2)
        return cut(*arguments)

    monkeypatch.setattr(traffic, "cut", promoted_meanwhile)
    watch_traffic(wiring(store))
    assert windows(store) == []
    monkeypatch.undo()
    watch_traffic(wiring(store))
    assert [w.version for w in windows(store)] == [2]


# What a window says


def test_a_window_says_what_core_drift_says_of_the_same_rows(store: Store) -> None:
    reference = trained(store)
    record(store, houses(SIZE, house_size=2_500.0))
    watch_traffic(wiring(store))
    with store.read() as work:
        asked = [p.inputs for p in work.predictions.latest(SIZE)[::-1]]
    (window,) = windows(store)
    features = replace(store.dataset, columns=store.dataset.features)
    current = training_profiles(store.dataset, asked)
    current = tuple(p for p in current if p.column != store.dataset.target.name)
    expected = drift_report(reference, current, features)
    assert {c.name: c for c in window.report.changes} == {c.name: c for c in expected.changes}
    assert {r.text for r in window.report.reasons} == {r.text for r in expected.reasons}
    assert window.drifted
    assert all(c.band is not None for c in window.report.changes if c.ratio is not None)
    assert not {c for c in window.report.changes if c.column == store.dataset.target.name}
    with store.read() as work:
        kept = {p.column: p for p in work.traffic.profiles(window.id)}
        assert work.traffic.get(window.id) == window
    assert kept == {p.column: p for p in current}


def test_a_window_is_judged_by_the_limits_in_force(store: Store) -> None:
    trained(store)
    with store.begin() as work:
        wanted: dict[thresholds.Key, float | None] = dict.fromkeys(
            thresholds.of_dataset(store.dataset), 900.0
        )
        decisions.set_limits(work, store.dataset, wanted, actor="ana", reason="spring")
        work.commit()
    record(store, houses(SIZE, house_size=9_000.0))
    watch_traffic(wiring(store))
    (window,) = windows(store)
    assert not window.report.retrain
    assert {c.limit for c in window.report.changes} == {900.0}
    assert {r.change for r in window.breaches} == {"house_size_shift"}  # of the dataset file


BAD = [
    {"garden": "yes"},
    {"bed": "many"},
    {"bed": -1},
    {"house_size": [1, 2]},
    {"city": "x" * 1_000},
    {"state": {"a": 1}},
    {"prev_sold_date": "the day before"},
]


def test_what_cannot_be_read_is_counted_and_in_no_figure(store: Store) -> None:
    trained(store)
    good = houses(SIZE)
    ids = record(store, [*good[: SIZE - len(BAD)], *BAD])
    for prediction_id, text in zip(ids, ('"text"', "[]", "null"), strict=False):
        write_raw(store, prediction_id, text)
    watch_traffic(wiring(store))
    (window,) = windows(store)
    assert (window.rows, window.unreadable) == (SIZE, len(BAD) + 3)
    with store.read() as work:
        counts = {p.count + p.nulls for p in work.traffic.profiles(window.id)}
    assert counts == {SIZE - len(BAD) - 3}


@pytest.mark.parametrize("text", ['{"bed": ', "[" * 100_000 + "]" * 100_000], ids=["cut", "deep"])
def test_a_record_that_is_no_json_is_one_more_that_cannot_be_read(store: Store, text: str) -> None:
    trained(store)
    ids = record(store, houses(SIZE))
    keeps = store.engine.dialect.name == "sqlite"
    with nullcontext() if keeps else pytest.raises(sa.exc.DBAPIError):  # MariaDB looks itself
        write_raw(store, ids[3], text)
    watch_traffic(wiring(store))
    assert [w.unreadable for w in windows(store)] == [int(keeps)]


def test_where_nothing_can_be_read_there_is_no_verdict(store: Store) -> None:
    trained(store)
    record(store, [{"garden": n} for n in range(SIZE)])
    watch_traffic(wiring(store))
    (window,) = windows(store)
    assert window.unreadable == SIZE
    assert {c.finding for c in window.report.changes} == {Finding.UNDEFINED}
    assert "would refuse every request" in window.report.reasons[0].text
    assert told(store) == []


def test_missing_keys_are_nulls_and_hostile_text_is_text(store: Store) -> None:
    trained(store)
    hostile = "=cmd() <script>alert(1)</script> '; DROP TABLE predictions; -- \U0001f3e0"
    record(store, [{"bed": 3, "state": hostile} for _ in range(SIZE)])
    watch_traffic(wiring(store))
    (window,) = windows(store)
    with store.read() as work:
        kept = {p.column: p for p in work.traffic.profiles(window.id)}
    assert kept["state"].categories == {hostile: SIZE}
    assert (kept["house_size"].count, kept["house_size"].nulls) == (0, SIZE)
    assert window.unreadable == 0


def test_numbers_at_the_edge_of_a_float_are_kept_out_of_the_figures(store: Store) -> None:
    trained(store)
    record(store, houses(SIZE, house_size=1.7e308))
    watch_traffic(wiring(store))
    (window,) = windows(store)
    by = {c.name: c for c in window.report.changes}
    assert (
        by["house_size_mean"].current == 1.7e308
    )  # the sum is beyond every float, the mean is not
    assert by["house_size_std"].finding is Finding.BREACH  # of one value, so it fell to 0
    assert by["house_size_50"].finding is Finding.BREACH
    with store.engine.connect() as connection:
        kept = connection.execute(sa.select(sa.cast(live_windows.c.profiles, sa.Text))).scalar_one()
    assert "Infinity" not in json.dumps(kept)


# Telling


def test_a_breach_is_told_once_until_a_window_is_within_its_limits(store: Store) -> None:
    trained(store)
    big, usual = {"house_size": 9_000.0}, {}
    minutes = 0
    for changes in (big, big, usual, big, big):
        # The same houses as in training, in number and kind, so that nothing else drifts.
        dice = random.Random(12)
        record(
            store, [house(dice, **changes) for _ in range(2_000)],
            build.NOON + timedelta(minutes=minutes),
        )  # fmt: skip
        minutes += 10
        watch_traffic(wiring(store, size=2_000))
    made = windows(store)
    assert [w.drifted for w in made] == [True, True, False, True, True]
    assert told(store) == [(Event.BREACH, f"window:{made[n].id}") for n in (0, 3)]
    with store.read() as work:
        text = work.notifications.latest(1)[0].text
    assert text.startswith("Live traffic has drifted from the rows that version 1 was trained on")
    assert "House size, " in text


def test_a_breach_is_notified_again_for_another_version(store: Store) -> None:
    trained(store)
    record(store, houses(SIZE, house_size=9_000.0))
    watch_traffic(wiring(store))
    trained(store, 2)
    record(store, houses(SIZE, house_size=9_000.0), build.NOON + timedelta(minutes=5))
    watch_traffic(wiring(store))
    assert told(store) == [(Event.BREACH, f"window:{w.id}") for w in windows(store)]


# Cheap


def test_looking_for_a_window_walks_an_index_and_sorts_nothing(store: Store) -> None:
    trained(store)
    record(store, houses(40 * SIZE))
    watch_traffic(wiring(store))
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with store.engine.connect() as connection:
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql("ANALYZE TABLE predictions")
        log = Traffic(connection, LATER)
        last = log.last()
        sa.event.listen(connection, "before_cursor_execute", note)
        log.requests(last, LATER, SIZE)
        log.waiting(last, SIZE)
        sa.event.remove(connection, "before_cursor_execute", note)
        assert len(asked) == 3
        for statement, parameters in asked:
            if connection.dialect.name == "sqlite":
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                said = " ".join(str(row[3]) for row in plan)
                assert "INDEX ix_predictions_at_id" in said, said
                assert "TEMP B-TREE" not in said, said
            else:
                plan = connection.exec_driver_sql(
                    f"EXPLAIN FORMAT=TRADITIONAL {statement}", parameters
                )
                rows = [dict(r._mapping) for r in plan]
                log_rows = [r for r in rows if r["table"] == "predictions"]
                assert log_rows, rows
                assert all(r["key"] for r in log_rows), rows
                assert not any("filesort" in (r["Extra"] or "") for r in rows), rows
