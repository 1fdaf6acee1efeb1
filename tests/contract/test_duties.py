"""The reconciler's duties: each on its own, whatever becomes of the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.adapters.store import Store
from core.adapters.store.tables import jobs
from core.adapters.store.timeouts import Timeouts
from core.domain.dataset import Dataset
from core.domain.errors import StoreUnavailable
from core.domain.jobs import JobKind, JobState
from core.domain.promotions import PromotionState
from core.platform.settings import Settings
from core.rules.ops.schedule import Task, Timing
from core.usecases.alias_agreement import Watchman
from tests import build
from tests.build import live, proposed
from tests.databases import fresh_database, migrated
from tests.fakes import FakeQueue, FakeRegistry
from tests.stacks import wait_for
from workers.container import Container
from workers.reconciler.periodic_tasks import STUCK, Duty, Rota
from workers.reconciler.reconcile import duties, reconcile
from workers.runtime.job_run import Run

SOON = Timeouts(answer=5, lock=1, idle=5)


def wiring_on(store: Store, folder: Path) -> Container:
    settings = Settings(_env_file=None, data_dir=folder, max_attempts=3)
    return Container(settings, store.dataset, store, FakeQueue(), FakeRegistry())  # type: ignore[arg-type]


@pytest.fixture
def wiring(store: Store, tmp_path: Path) -> Container:
    return wiring_on(store, tmp_path)


def versions(wiring: Container, count: int = 2) -> None:
    for n in range(count):
        wiring.registry.publish(
            str(n).encode(), job=str(n), parameters={}, metrics={}, tags={}, signature=None,
            requirements=[],
        )  # fmt: skip


def lost_job(store: Store, kind: JobKind) -> int:
    """A job whose worker is gone, with a lease that ran out."""
    with store.begin() as work:
        job, _ = work.jobs.request(kind, {}, "ana")
        work.commit()
    assert Run.claim(store, job.id, 1, timedelta(seconds=-1))
    return job.id


def state(store: Store, job_id: int) -> tuple[JobState, int]:
    with store.read() as work:
        job = work.jobs.get(job_id)
    return job.state, job.attempt


# Apart from each other


def test_a_duty_with_a_fault_keeps_no_other_from_its_turn(
    wiring: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_wiring: Container) -> None:
        raise TypeError("unforeseen")

    names = [duty.name for duty in duties(wiring)]
    for name, duty in (("take over jobs", "take_over"), ("fire schedules", "fire_due")):
        with monkeypatch.context() as patched:
            patched.setattr(f"workers.reconciler.reconcile.{duty}", broken)
            assert reconcile(wiring) == [name]
        assert name in names
    assert reconcile(wiring) == []


def test_a_duty_that_does_not_come_back_holds_up_no_other() -> None:
    stop, held, done = threading.Event(), threading.Event(), threading.Event()
    now = [0.0]

    def wait() -> None:
        held.wait(60)

    slow = Duty("slow", wait, clock=lambda: now[0])
    rota = Rota((slow, Duty("quick", done.set)), stop)
    rota.start()
    wait_for("the quick one had no turn", done.is_set)
    assert rota.stuck() == []
    wait_for("the slow one had no turn", lambda: slow._since is not None)
    now[0] = STUCK + 1
    assert rota.stuck() == ["slow"]
    held.set()
    wait_for("it is still called stuck", lambda: rota.stuck() == [])
    stop.set()
    rota.join(10)


def test_a_duty_that_fails_is_told_once_and_when_it_works_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trouble: list[Exception] = [StoreUnavailable("away"), StoreUnavailable("away")]

    def act() -> None:
        if trouble:
            raise trouble.pop()

    duty = Duty("look", act)
    assert [duty.turn(), duty.turn(), duty.turn(), duty.turn()] == [False, False, True, True]
    said = capsys.readouterr().out
    assert (said.count("duty not done"), said.count("duty done again")) == (1, 1)


def test_a_turn_that_is_skipped_is_no_success(
    wiring: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    watchman = Watchman(wiring.store, wiring.registry, wiring.push, clock=lambda: now[0])
    duty = Duty("look", watchman.look)
    wiring.registry.away = True  # type: ignore[attr-defined]
    turns = []
    for second in range(0, 22, 2):
        now[0] = float(second)
        turns.append(duty.turn())
    assert not any(turns)  # it looked three times, and had nothing to do in between
    wiring.registry.away = False  # type: ignore[attr-defined]
    now[0] = 30.0
    assert duty.turn()
    said = capsys.readouterr().out
    assert (said.count("duty not done"), said.count("duty done again")) == (1, 1)


@contextmanager
def row_held(store: Store, job_id: int) -> Iterator[None]:
    """Hold a job's row from another connection."""
    with store.engine.connect() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(stage="held"))
        yield
        connection.rollback()


def test_one_locked_row_stalls_no_duty(mariadb: str, dataset: Dataset, tmp_path: Path) -> None:
    url = fresh_database(mariadb)
    migrated(url, dataset)
    holder, store = Store.open(url, dataset), Store.open(url, dataset, SOON)
    wiring = wiring_on(store, tmp_path)
    held, free = lost_job(store, JobKind.TRAIN), lost_job(store, JobKind.DRIFT)
    with store.begin() as work:
        waiting, _ = work.jobs.request(JobKind.JUDGE, {}, "ana")
        work.schedules.add(Timing("0 * * * *", "UTC"), Task.INGEST, build.NOON, "ana")
        work.commit()
    with row_held(holder, held):
        assert reconcile(wiring) == []
        assert state(store, held) == (JobState.RUNNING, 1)
        assert state(store, free) == (JobState.QUEUED, 2)
        assert state(store, waiting.id) == (JobState.QUEUED, 1)
        with store.read() as work:
            assert [j.kind for j in work.jobs.recent(1)] == [JobKind.INGEST]  # by the schedule
    reconcile(wiring)
    assert state(store, held) == (JobState.QUEUED, 2)
    for one in (holder, store):
        one.close()


# Promotions that are left, and the alias


def test_a_promotion_is_settled_though_the_live_version_is_gone_from_the_registry(
    wiring: Container,
) -> None:
    versions(wiring, 2)
    live(wiring.store, 9)  # nobody finds it in the registry any more
    proposed(wiring.store, 2, champion=9)
    with wiring.store.begin() as work:
        job = build.approve(work, 2, champion=9)
        work.jobs.cancel(job.id)
        work.commit()
    wiring.registry.set_champion(2)
    reconcile(wiring)
    with wiring.store.read() as work:
        found = work.promotions.of_version(2)
    assert found.state is PromotionState.FAILED
    assert "could not be put back to version 9" in found.failure


def moved(wiring: Container, to: int | None) -> Watchman:
    """Version 1 is live, and somebody moves the alias."""
    versions(wiring, 3)
    live(wiring.store, 1)
    wiring.registry.set_champion(to)
    return Watchman(wiring.store, wiring.registry, wiring.push, clock=lambda: 0.0)


@pytest.mark.parametrize("to", [2, 3, None])
def test_an_alias_that_does_not_name_what_is_live_is_put_back_and_told(
    wiring: Container, to: int | None
) -> None:
    moved(wiring, to).look()
    assert wiring.registry.champion() == 1
    with wiring.store.read() as work:
        (event,) = work.audit.latest(action="put back")
        told = [n.text for n in work.notifications.latest() if n.subject == "version:1"]
    assert (event.actor, event.subject, event.details) == ("driftdesk", "version:1", {"found": to})
    assert any("The alias was put back" in text for text in told)


def test_while_a_promotion_is_under_way_its_job_owns_the_alias(wiring: Container) -> None:
    watchman = moved(wiring, 2)
    proposed(wiring.store, 2, champion=1)
    with wiring.store.begin() as work:
        build.approve(work, 2, champion=1)
        work.commit()
    watchman.look()
    assert wiring.registry.champion() == 2


def test_what_was_served_before_the_desk_came_stays(wiring: Container) -> None:
    versions(wiring)
    wiring.registry.set_champion(2)
    reconcile(wiring)
    assert wiring.registry.champion() == 2
    proposed(wiring.store, 2)  # now it is the desk's, and was never decided
    reconcile(wiring)
    assert wiring.registry.champion() is None


def test_who_keeps_moving_the_alias_is_met_less_and_less_often(wiring: Container) -> None:
    now, looks = 0.0, 0
    moved(wiring, 2)
    watchman = Watchman(wiring.store, wiring.registry, wiring.push, clock=lambda: now)
    while now < 3600:
        wiring.registry.set_champion(2)
        watchman.look()
        looks += wiring.registry.champion() == 1
        now += 1.0
    assert 10 < looks < 30


def test_without_mlflow_the_other_duties_are_done(wiring: Container) -> None:
    lost = lost_job(wiring.store, JobKind.TRAIN)
    wiring.registry.away = True  # type: ignore[attr-defined]
    assert reconcile(wiring) == ["compare the alias with the record"]
    assert state(wiring.store, lost) == (JobState.QUEUED, 2)
