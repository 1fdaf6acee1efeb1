"""Schedules as the reconciler drives them, on both databases."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.adapters.store import Store
from core.domain.errors import DecidedAlready, Missing
from core.domain.job_results import BatchStored, JobResult
from core.domain.jobs import JobKind, JobState
from core.platform.settings import Settings
from core.rules.ops.schedule import Schedule, Task, Timing, next_run
from tests import build
from tests.fakes import FakeQueue, FakeRegistry
from workers.container import Container
from workers.reconciler import schedules
from workers.reconciler.reconcile import reconcile

HOURLY = Timing("0 * * * *")
HOUR = timedelta(hours=1)


def wiring(store: Store, folder: Path, now: datetime) -> Container:
    at = Store(store.engine, store.dataset, clock=lambda: now)
    settings = Settings(_env_file=None, data_dir=folder)
    return Container(settings, store.dataset, at, FakeQueue(), FakeRegistry())  # type: ignore[arg-type]


def scheduled(store: Store, task: Task = Task.INGEST, timing: Timing = HOURLY) -> Schedule:
    with store.begin() as work:
        made = work.schedules.add(timing, task, next_run(timing, build.NOON), "ana")
        work.commit()
    return made


def seen(store: Store, schedule: Schedule) -> Schedule:
    with store.read() as work:
        return work.schedules.get(schedule.id)


def end(store: Store, job_id: int, result: JobResult | None = None) -> None:
    with store.begin() as work:
        job = work.jobs.get(job_id)
        work.jobs.claim(job_id, job.attempt, "w", timedelta(days=9999))
        work.jobs.finish(job_id, "w", JobState.SUCCEEDED, result=result)
        work.commit()


def test_what_is_due_is_queued_and_the_next_run_is_set(store: Store, tmp_path: Path) -> None:
    made = scheduled(store, Task.ALL)
    early = wiring(store, tmp_path, build.NOON + timedelta(minutes=59))
    reconcile(early)
    assert early.queue.waiting() == set()
    on_time = wiring(store, tmp_path, build.NOON + HOUR)
    reconcile(on_time)
    after = seen(store, made)
    assert after.next_run_at == build.NOON + 2 * HOUR
    assert after.last_run_at == build.NOON + HOUR
    with store.read() as work:
        (job,) = work.jobs.recent()
        (event,) = work.audit.latest()
    assert (job.kind, job.args) == (JobKind.INGEST, {"then_train": True})
    assert after.last_job_id == job.id
    assert (event.actor, event.action) == (f"schedule {made.id}", "request ingest")
    assert on_time.queue.waiting() == {f"ingest-{job.id}-1"}


def test_racing_reconcilers_queue_it_once(store: Store, tmp_path: Path) -> None:
    made = scheduled(store)
    now = build.NOON + HOUR
    with Store(store.engine, store.dataset, clock=lambda: now).read() as work:
        (due,) = work.schedules.due()
    start = threading.Barrier(4)
    jobs: list[int] = []

    def race() -> None:
        at = Store(store.engine, store.dataset, clock=lambda: now)
        start.wait()
        with at.begin() as work:
            job = schedules._fire(work, due)
            work.commit()
        if job:
            jobs.append(job.id)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as work:
        assert len(jobs) == len(work.jobs.recent()) == len(work.audit.latest()) == 1
        assert work.schedules.get(made.id).next_run_at == now + HOUR


def test_who_comes_after_the_first_has_ended_queues_nothing_either(
    store: Store, tmp_path: Path
) -> None:
    scheduled(store)
    now = build.NOON + HOUR
    first = wiring(store, tmp_path, now)
    with first.store.read() as work:
        (due,) = work.schedules.due()
    reconcile(first)
    with store.read() as work:
        (job,) = work.jobs.recent()
    end(store, job.id)
    with first.store.begin() as work:  # a reconciler that looked before and acts only now
        assert schedules._fire(work, due) is None
        work.commit()
    with store.read() as work:
        assert len(work.jobs.recent()) == 1


def test_runs_missed_while_everything_was_down_are_made_up_for_once(
    store: Store, tmp_path: Path
) -> None:
    made = scheduled(store)
    late = wiring(store, tmp_path, build.NOON + timedelta(hours=9, minutes=20))
    reconcile(late)
    reconcile(late)
    after = seen(store, made)
    assert after.next_run_at == build.NOON + 10 * HOUR
    assert "9 missed runs" in after.note
    with store.read() as work:
        assert len(work.jobs.recent()) == 1
        assert "8 more that were missed" in work.audit.latest()[0].reason


def test_a_schedule_whose_job_is_under_way_does_not_pile_up(store: Store, tmp_path: Path) -> None:
    made = scheduled(store, Task.ALL)
    reconcile(wiring(store, tmp_path, build.NOON + HOUR))
    reconcile(wiring(store, tmp_path, build.NOON + 2 * HOUR))
    after = seen(store, made)
    assert "left out: ingest" in after.note
    assert after.next_run_at == build.NOON + 3 * HOUR
    with store.begin() as work:
        (job,) = work.jobs.recent()
        assert work.audit.latest()[0].action == "left out"
        train, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.commit()
    # Its training still runs: the chain counts, not the first job alone.
    end(store, job.id, BatchStored(drift_job=train.id))
    reconcile(wiring(store, tmp_path, build.NOON + 3 * HOUR))
    assert "left out: train" in seen(store, made).note
    end(store, train.id)
    reconcile(wiring(store, tmp_path, build.NOON + 4 * HOUR))
    assert seen(store, made).note.startswith("Queued job")


def test_an_ingest_that_a_person_asked_for_stands_for_the_run(store: Store, tmp_path: Path) -> None:
    made = scheduled(store)
    with store.begin() as work:
        work.jobs.request(JobKind.INGEST, {}, "ben")
        work.commit()
    reconcile(wiring(store, tmp_path, build.NOON + HOUR))
    assert "left out: ingest" in seen(store, made).note
    with store.read() as work:
        assert len(work.jobs.recent()) == 1


def test_a_paused_schedule_waits(store: Store, tmp_path: Path) -> None:
    made = scheduled(store)
    with store.begin() as work:
        assert work.schedules.change(made, next_run_at=None).is_paused
        work.commit()
    reconcile(wiring(store, tmp_path, build.NOON + 50 * HOUR))
    with store.read() as work:
        assert work.jobs.recent() == []


def test_a_schedule_that_cannot_be_worked_out_pauses_itself_and_stops_no_other(
    store: Store, tmp_path: Path
) -> None:
    with store.begin() as work:
        bad = work.schedules.add(Timing("0 * * * *", "Gone/Zone"), Task.INGEST, build.NOON, "ana")
        good = work.schedules.add(HOURLY, Task.INGEST, build.NOON + HOUR, "ana")
        work.commit()
    reconcile(wiring(store, tmp_path, build.NOON + HOUR))
    assert seen(store, bad).is_paused
    assert "Gone/Zone" in seen(store, bad).note
    assert seen(store, good).last_job_id


def test_of_two_who_edit_at_once_the_second_is_told(store: Store) -> None:
    made = scheduled(store)
    with store.begin() as work:
        work.schedules.change(made, cron="5 * * * *")
        work.commit()
    with store.begin() as work:
        with pytest.raises(DecidedAlready, match="another person"):
            work.schedules.change(made, cron="6 * * * *")
        with pytest.raises(DecidedAlready):
            work.schedules.remove(made)
        work.schedules.remove(seen(store, made))
        with pytest.raises(Missing):
            work.schedules.get(made.id)
        with pytest.raises(Missing):
            work.schedules.remove(made)


def test_a_fired_run_does_not_stand_in_the_way_of_an_edit(store: Store, tmp_path: Path) -> None:
    made = scheduled(store)
    reconcile(wiring(store, tmp_path, build.NOON + HOUR))
    with store.begin() as work:
        assert work.schedules.change(made, cron="5 * * * *").timing.cron == "5 * * * *"
