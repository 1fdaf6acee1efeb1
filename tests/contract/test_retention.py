"""Retention: what is over its time goes in small lots, what somebody still needs stays."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core.adapters.spool import LocalSpool
from core.adapters.store import Store
from core.adapters.store.expired import NEEDED_PREDICTIONS
from core.adapters.store.tables import batches, job_logs, live_windows, predictions, quarantine
from core.domain.batches import BatchState, QuarantinedRow
from core.domain.jobs import JobKind
from core.usecases.retention import LOT, Keep, Retention
from tests import build
from tests.contract.test_traffic import houses, wiring
from tests.traffic import record, say, trained
from workers.reconciler.live_windows import watch_traffic
from workers.reconciler.retention import EVERY, Hourly

NOW = build.NOON
KEPT = NEEDED_PREDICTIONS


def retention(store: Store, spool: Path = Path("none"), **keep: int) -> Retention:
    at_noon = Store(store.engine, store.dataset, clock=lambda: NOW)
    return Retention(at_noon, LocalSpool(spool), Keep(**keep))


def run(told: Retention) -> dict[str, Any]:
    """Prune, and return what the audit trail says of it."""
    list(told.run("ana"))
    with told.store.read() as work:
        assert work.audit.verify() is None
        events = work.audit.latest(action="prune")
    return events[0].details if events else {}


def ids(store: Store, table: sa.Table) -> list[Any]:
    with store.engine.connect() as connection:
        return list(connection.execute(sa.select(table.c.id).order_by(table.c.id)).scalars())


def answers(store: Store, count: int, days: float) -> list[str]:
    return record(store, [{"bed": 3}] * count, NOW - timedelta(days=days))


def test_nothing_goes_unless_it_is_asked_for(store: Store) -> None:
    answers(store, KEPT + 5, 1000)
    assert retention(store).due().is_empty
    assert run(retention(store)) == {}
    assert len(ids(store, predictions)) == KEPT + 5


def test_old_predictions_and_their_feedback_go_and_that_is_on_record(store: Store) -> None:
    old, new = answers(store, 30, 11), answers(store, KEPT, 9)
    for prediction in (old[0], new[0]):
        say(store, prediction, 1.0, NOW - timedelta(days=10.5))
    told = retention(store, predictions_days=10)
    assert told.due().to_json() == {"predictions": 30, "feedback": 1}
    assert run(told) == {
        "predictions": 30, "feedback": 1, "kept": {"RETAIN_PREDICTIONS_DAYS": 10},
    }  # fmt: skip
    assert ids(store, predictions) == sorted(new)
    assert told.due().is_empty


def test_what_a_dossier_replays_stays_however_old(store: Store) -> None:
    kept = answers(store, KEPT + 7, 1000)[7:]
    run(retention(store, predictions_days=1))
    assert ids(store, predictions) == sorted(kept)


def test_what_waits_for_a_window_stays_however_old(store: Store) -> None:
    trained(store)
    told = retention(store, predictions_days=1)
    requests = houses(KEPT + 120)
    record(store, requests, NOW - timedelta(days=3))
    assert told.due().is_empty  # no window yet
    watch_traffic(wiring(store, NOW, size=40))
    with store.engine.connect() as connection:
        cut = len(connection.execute(sa.select(live_windows.c.id)).all()) * 40
    assert cut == 160
    gone = min(cut, len(requests) - KEPT)
    assert run(told)["predictions"] == gone
    assert len(ids(store, predictions)) == len(requests) - gone
    before = ids(store, live_windows)
    watch_traffic(wiring(store, NOW, size=40))
    assert len(ids(store, live_windows)) > len(before)


def test_log_lines_of_jobs_that_are_over_go(store: Store) -> None:
    old = Store(store.engine, store.dataset, clock=lambda: NOW - timedelta(days=40))
    with old.begin() as work:
        over, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        running, _ = work.jobs.request(JobKind.INGEST, {}, "ana")
        for job in (over, running):
            work.jobs.log(job.id, "old")
        work.jobs.cancel(over.id)
        work.commit()
    with Store(store.engine, store.dataset, clock=lambda: NOW).begin() as work:
        work.jobs.log(over.id, "new")
        work.commit()
    assert run(retention(store, logs_days=30))["log lines"] == 1
    with store.read() as work:
        assert [line.message for line in work.jobs.lines(over.id)] == ["new"]
        assert [line.message for line in work.jobs.lines(running.id)] == ["old"]
        assert work.jobs.get(over.id)


def epoch_with_quarantine(store: Store, number: int) -> int:
    with store.begin() as work:
        epoch = work.batches.open_epoch()
        batch = work.batches.receive(epoch.number, f"h{number}", f"q{number}.json", 1)
        rows = [QuarantinedRow(n, "no price", "{}") for n in range(3)]
        work.batches.store(
            batch, epoch=epoch.number, number=0, stored=0, quarantined=rows, gap=0, note=""
        )
        work.commit()
    return batch.id


def test_quarantined_rows_of_old_epochs_go_and_the_ledger_stays(store: Store) -> None:
    made = [epoch_with_quarantine(store, n) for n in range(3)]
    assert run(retention(store, rows_epochs=1))["quarantined rows"] == 3
    with store.read() as work:
        assert [len(work.batches.quarantined(b)) for b in made] == [0, 3, 3]
    assert len(ids(store, batches)) == 3
    assert len(ids(store, quarantine)) == 6


def test_the_rows_and_profiles_that_the_champion_is_judged_by_stay(store: Store) -> None:
    build.stored_batch(store)
    trained(store, rows=50)
    told = retention(store, rows_epochs=1, predictions_days=1, logs_days=1, spool_days=1)
    run(told)
    with store.read() as work:
        assert work.rows.count() == 3
        assert work.batches.profile("model", 1)
        assert work.batches.profile("batch", 1)
        assert work.promotions.live()


def test_spool_files_that_nobody_will_read_go_and_others_stay(store: Store, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    states = {
        "conflict.json": BatchState.CONFLICT,
        "unreadable.json": BatchState.UNREADABLE,
        "closed.json": BatchState.CLOSED,
        "waiting.json": BatchState.RECEIVED,
    }
    with store.begin() as work:
        for name, state in states.items():
            batch = work.batches.receive(1, "h", name, 1)
            if state is not BatchState.RECEIVED:
                work.batches.close(batch, state, note="")
        work.commit()
    week_ago = (NOW - timedelta(days=7)).timestamp()
    others = ("unknown.json", "arriving.part", "e1-a.lost", "e1-b.1.arrow", "young.lost")
    for name in (*states, *others):
        (spool / name).write_text("0123456789")
        if name != "young.lost":
            os.utime(spool / name, (week_ago, week_ago))
        else:
            os.utime(spool / name, (NOW.timestamp(), NOW.timestamp()))
    said = run(retention(store, spool, spool_days=5))
    assert (said["spool files"], said["bytes"]) == (5, 50)
    assert sorted(file.name for file in spool.iterdir()) == [
        "arriving.part", "unknown.json", "waiting.json", "young.lost",
    ]  # fmt: skip


def test_a_file_that_a_worker_takes_away_meanwhile_is_no_trouble(
    store: Store, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "gone.lost").symlink_to(spool / "nothing")  # listed, and not there any more
    assert run(retention(store, spool, spool_days=1)) == {}


def lots(store: Store) -> Retention:
    with store.engine.begin() as connection:
        values = {"job_id": 1, "at": NOW - timedelta(days=9), "level": "info", "message": "x"}
        connection.execute(sa.insert(job_logs), [values] * (2 * LOT + 5))
    return retention(store, logs_days=1)


def test_between_two_lots_others_write(store: Store) -> None:
    gone = []
    for n in lots(store).run("ana"):
        with store.begin() as work:  # waits for a lock that somebody holds
            work.jobs.log(2, "meanwhile")
            work.commit()
        gone.append(n)
    assert max(gone) == LOT
    assert sum(gone) == 2 * LOT + 5


def test_a_run_that_was_killed_is_on_record_and_the_next_goes_on(store: Store) -> None:
    told = lots(store)
    killed = told.run("ana")
    while not next(killed):
        pass
    killed.close()
    with store.read() as work:
        assert work.audit.latest(action="prune")[0].details["log lines"] == 2 * LOT + 5
    assert run(told)["log lines"] == LOT + 5


class Clock:
    """Moves when it is told to, and a little with each look."""

    def __init__(self, tick: float) -> None:
        self.now, self.tick = 0.0, tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


def test_the_reconciler_prunes_a_little_at_a_time_once_an_hour(store: Store) -> None:
    told, clock = lots(store), Clock(0.4)
    hourly = Hourly(told, clock)
    steps = 0
    while len(ids(store, job_logs)):
        hourly.step()
        steps += 1
    assert steps > 1
    hourly.step()
    with store.read() as work:
        assert [e.actor for e in work.audit.latest(action="prune")] == ["driftdesk"]
    lots(store)
    hourly.step()
    assert len(ids(store, job_logs)) == 2 * LOT + 5  # an hour has not passed
    clock.now += EVERY
    for _ in range(10):
        hourly.step()
    assert ids(store, job_logs) == []


@pytest.mark.parametrize(
    "name", ["epochs", "rows_epochs", "predictions_days", "logs_days", "spool_days"]
)
def test_every_setting_is_one_that_retention_reads(name: str) -> None:
    from core.platform.settings import Settings

    told = Settings(_env_file=None, **{f"retain_{name}": 3})
    assert Keep.of(told) == Keep(**{"epochs": 1} | {name: 3})
