"""What the store answers about all datasets, and which of them the desk knows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from core.adapters.store import Store
from core.adapters.store.migrate import migrate, prepare_dataset
from core.adapters.store.tables import notifications, predictions, replicas
from core.domain.audit_event import DISMISS
from core.domain.batches import BatchState
from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Reason, Reference
from core.domain.errors import DatasetError, DecidedAlready, Missing, SchemaMismatch
from core.domain.fleet import BatchErrors, Cost, FleetFacts, Hit, OpenCandidate, Refusal
from core.domain.jobs import JobKind, JobState
from core.rules.drift.recommendation import BatchScore
from core.rules.ops.live_alerts import SEEN
from core.rules.ops.notification import Delivery, Event
from core.rules.ops.schedule import Task, Timing
from tests import build
from tests.build import NOON

LATER = NOON + timedelta(seconds=5)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return build.small_dataset()


@pytest.fixture
def rides(store: Store) -> Store:
    return Store(store.engine, store.dataset, lambda: LATER)


@pytest.fixture
def cars(rides: Store, database_url: str) -> Store:
    other = build.small_dataset(name="cars", title="Used cars")
    (changes,) = prepare_dataset(database_url, other)
    assert not changes.exists
    return rides.for_dataset(other)


def queries(store: Store, names: list[str]) -> int:
    """How many statements the fleet of these datasets takes."""
    seen: list[str] = []

    def see(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    with store.desk() as desk:
        event.listen(store.engine, "before_cursor_execute", see)
        desk.fleet(names)
        event.remove(store.engine, "before_cursor_execute", see)
    return len(seen)


def test_the_facts_of_each_dataset_are_its_own(rides: Store, cars: Store) -> None:
    build.live(cars, 1)
    build.proposed(cars, 2, champion=1, promote=False)
    batch = build.stored_batch(cars, 1)
    with cars.transaction() as work:
        reasons = (Reason("price mean"),)
        work.drift.put(batch, Reference.PREVIOUS, "0", DriftReport(True, reasons, ()))
        work.scores.put(BatchScore(batch.id, 1, 3, {"rmse": 2.5}, 1.0, ""))
        work.scores.put(BatchScore(batch.id, 2, 3, {"rmse": 9.0}, 1.0, ""))
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.jobs.claim(job.id, 1, "w", timedelta(minutes=1))
        work.jobs.finish(job.id, "w", JobState.FAILED, error="no memory")
        work.jobs.request(JobKind.DRIFT, {}, "ana")
        work.force_requests.ask_force(2, "now", "eve", "d")
        work.force_requests.open_follow_up("version:1", "look", "ana")
        work.schedules.add(Timing("0 4 * * *", "UTC"), Task.INGEST, LATER, "ana")
        work.notifications.add(Event.BREACH, "batch:1/1", "x")
        work.holds.hold(batch.id, "ana", "odd", unless_released=False)
        work._connection.execute(
            sa.insert(replicas).values(
                id="r", url="http://one", model_version=1, digest="d", refused="version 2: odd",
                started_at=NOON, heard_at=NOON,
            )
        )  # fmt: skip
    with rides.desk() as desk:
        facts = desk.fleet(["rides", "cars", "planes"])
    assert list(facts) == ["rides", "cars", "planes"]
    assert facts["rides"] == FleetFacts("rides")
    assert facts["planes"] == FleetFacts("planes")
    found = facts["cars"]
    assert (found.live_version, found.live_since) == (1, LATER)
    assert found.candidates == (OpenCandidate(2, False, LATER),)
    assert found.open_jobs == {JobState.REQUESTED: 1}
    assert [(f.kind, f.error) for f in found.failed_jobs] == [(JobKind.TRAIN, "no memory")]
    assert found.newest_batch
    assert (found.newest_batch.number, found.newest_batch.state) == (1, BatchState.STORED)
    assert found.drift
    assert (found.drift.retrain, found.drift.reasons) == (True, (Reason("price mean"),))
    assert found.errors == ()  # its batch is held
    assert found.approved["mae"] == build.dossier(1).candidate.metrics["mae"]
    assert found.next_run_at == LATER
    waiting = (found.follow_ups, found.force_requests, found.held_batches, found.undelivered)
    assert waiting == (1, 1, 1, 0)
    assert (found.replicas, found.refusals) == (1, (Refusal("http://one", "version 2: odd"),))


def test_only_a_notification_that_was_given_up_is_undelivered(cars: Store) -> None:
    with cars.transaction() as work:
        for subject in ("batch:1/1", "batch:1/2"):
            work.notifications.add(Event.BREACH, subject, "x")
        work._connection.execute(
            sa.update(notifications)
            .where(notifications.c.subject == "batch:1/2")
            .values(state=Delivery.GIVEN_UP)
        )
    with cars.desk() as desk:
        assert desk.fleet(["cars"])["cars"].undelivered == 1


@pytest.mark.parametrize("answer", ["dismissed", "trained"])
def test_a_batch_that_was_dismissed_or_learned_from_is_answered(
    rides: Store, cars: Store, answer: str
) -> None:
    for store in (rides, cars):
        batch = build.stored_batch(store, 1)
        with store.transaction() as work:
            report = DriftReport(True, (Reason("price mean"),), ())
            work.drift.put(batch, Reference.PREVIOUS, "0", report)
    with cars.transaction() as work:
        if answer == "dismissed":
            work.audit.add("ana", DISMISS, batch.subject, reason="a known campaign")
        else:
            work.lineage.trained(1, [batch.id])
    with cars.desk() as desk:
        facts = desk.fleet(["rides", "cars"])
    assert [f.drift.answered for f in facts.values() if f.drift] == [False, True]


def test_a_job_that_was_made_good_is_no_failed_one(cars: Store) -> None:
    for state in (JobState.FAILED, JobState.SUCCEEDED):
        with cars.transaction() as work:
            job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
            work.jobs.claim(job.id, 1, "w", timedelta(minutes=1))
            work.jobs.finish(job.id, "w", state, error="")
    with cars.desk() as desk:
        assert desk.fleet(["cars"])["cars"].failed_jobs == ()


def test_a_seen_alert_is_that_of_the_live_version_on_its_batch(rides: Store, cars: Store) -> None:
    for store in (rides, cars):
        build.live(store, 1)
        batch = build.stored_batch(store, 1)
        with store.transaction() as work:
            work.scores.put(BatchScore(batch.id, 1, 40, {"mae": 9.0}, 1.5, ""))
    with cars.transaction() as work:
        work.audit.add("ana", SEEN, batch.subject, details={"version": 1})
    with cars.desk() as desk:
        facts = desk.fleet(["rides", "cars"])
    expected = BatchErrors(batch.id, 40, {"mae": 9.0}, 1.5, 1, 1, seen=True)
    assert facts["cars"].errors == (expected,)
    assert [e.seen for e in facts["rides"].errors] == [False]


def test_the_newest_twelve_scores_are_shown_oldest_first(cars: Store) -> None:
    build.live(cars, 1)
    with cars.transaction() as work:
        for n in range(1, 21):
            work.scores.put(BatchScore(n, 1, 3, {"rmse": float(n)}, 1.0, ""))
    with cars.desk() as desk:
        errors = desk.fleet(["cars"])["cars"].errors
    assert [e.batch_id for e in errors] == list(range(9, 21))


def test_the_fleet_takes_as_many_queries_for_many_datasets_as_for_one(cars: Store) -> None:
    many = [f"dataset_{n}" for n in range(50)]
    assert queries(cars, many) == queries(cars, ["cars"]) <= 19


def test_open_jobs_of_all_datasets_come_oldest_first(rides: Store, cars: Store) -> None:
    asked = []
    for store, kind in ((cars, JobKind.TRAIN), (rides, JobKind.INGEST), (cars, JobKind.DRIFT)):
        with store.transaction() as work:
            job, _ = work.jobs.request(kind, {}, "ana")
        asked.append((store.dataset.name, kind, job.id))
    with rides.transaction() as work:
        work.jobs.cancel(asked[1][2])
    with rides.desk() as desk:
        assert [job[:3] for job in desk.queued_or_waiting()] == [asked[0], asked[2]]
        (train,) = desk.queued_or_waiting([JobKind.TRAIN])
        assert (train.attempt, train.state, train.requested_at) == (1, JobState.REQUESTED, LATER)
        assert desk.dataset_of_job(asked[1][2]) == "rides"
        with pytest.raises(Missing):
            desk.dataset_of_job(99)
        assert desk.dataset_of_prediction("none") is None


def test_costs_are_summed_for_each_dataset(rides: Store, cars: Store) -> None:
    build.stored_batch(cars, 1)
    build.stored_batch(cars, 2)
    said = {"at": NOON, "model_version": 1, "inputs": {}, "prediction": 1.0}
    with cars.transaction() as work:
        work._connection.execute(sa.insert(predictions).values(id="p1", **said))
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.jobs.claim(job.id, 1, "w", timedelta(minutes=1))
    later = Store(cars.engine, cars.dataset, lambda: LATER + timedelta(seconds=90))
    with later.transaction() as work:
        work.jobs.finish(job.id, "w", JobState.FAILED, error="")
    with rides.desk() as desk:
        assert desk.costs(["rides", "cars"]) == {
            "rides": Cost("rides"),
            "cars": Cost("cars", rows=6, bytes=200, predictions=1, seconds={"train": 90.0}),
        }


def test_a_search_finds_only_what_is_in_the_named_datasets(rides: Store, cars: Store) -> None:
    said = {"at": NOON, "model_version": 1, "inputs": {}, "prediction": 1.0}
    for store, prediction in ((rides, "beef0001"), (cars, "beef0002")):
        build.proposed(store, 1)
        with store.transaction() as work:
            work._connection.execute(sa.insert(predictions).values(id=prediction, **said))
    batch = build.stored_batch(cars, 7)
    titles = {"cars": "Used cars", "rides": "Bike rides"}
    with rides.desk() as desk:

        def found(text: str, *names: str) -> list[tuple[str, str, str]]:
            hits = desk.search(text, {n: titles[n] for n in names or titles})
            return [(hit.kind, hit.dataset, hit.ref) for hit in hits]

        assert found("bike") == [("dataset", "rides", "rides")]
        assert found("version 1") == [("version", "cars", "1"), ("version", "rides", "1")]
        assert found("v1", "cars") == [("version", "cars", "1"), ("batch", "cars", str(batch.id))]
        assert found("7") == [("batch", "cars", str(batch.id))]
        assert found("BEEF") == [
            ("prediction", "rides", "beef0001"), ("prediction", "cars", "beef0002"),
        ]  # fmt: skip
        assert found("beef", "cars") == [("prediction", "cars", "beef0002")]
        assert found("") == found("99999999999") == found("bee") == found("%") == []
        assert desk.search("1", titles, limit=1) == [Hit("version", "cars", "Version 1", "1")]


def test_a_new_file_is_seen_silently_and_a_changed_one_goes_on_record(cars: Store) -> None:
    with cars.desk_transaction() as desk:
        assert desk.saw("cars", "a" * 64)
        assert not desk.saw("cars", "a" * 64)
    with cars.desk_transaction() as desk:
        assert desk.saw("cars", "b" * 64)
    with cars.desk() as desk:
        (told,) = desk.audit.latest()
        assert (told.action, told.subject, told.dataset) == (
            "revise dataset", "dataset:cars", "cars",
        )  # fmt: skip
        assert told.details == {"before": "a" * 64, "digest": "b" * 64}
        assert desk.known()["cars"].digest == "b" * 64
        assert desk.audit.verify() is None


def test_a_dataset_is_disabled_and_enabled_once_each(cars: Store) -> None:
    with cars.desk_transaction(build.somebody()) as desk:
        desk.saw("cars", "a" * 64)
        disabled = desk.disable("cars", "ana", "the source is broken")
        assert disabled.is_disabled
        assert (disabled.disabled_at, disabled.disabled_by) == (LATER, "ana")
        with pytest.raises(DecidedAlready, match="disabled already"):
            desk.disable("cars", "ben", "")
        assert not desk.enable("cars", "ben").is_disabled
        with pytest.raises(DecidedAlready, match="not disabled"):
            desk.enable("cars", "ben")
        with pytest.raises(Missing, match="never seen a dataset 'planes'"):
            desk.disable("planes", "ana", "")
    with cars.read() as work:
        assert [e.action for e in work.audit.latest()] == ["enable dataset", "disable dataset"]


def test_the_trail_of_the_desk_is_one_chain_and_is_listed_by_dataset(
    rides: Store, cars: Store
) -> None:
    for store in (rides, cars):
        with store.transaction() as work:
            work.audit.add("ana", "act", "job:1")
    with cars.desk_transaction() as desk:
        desk.audit.add("ana", "add key", "key:1")
        desk.audit.add("ana", "act", "job:2", dataset="rides")

    def listed(datasets: list[str] | None) -> list[tuple[int, str]]:
        return [(e.id, e.dataset) for e in desk.audit.latest(datasets=datasets)]

    with rides.desk() as desk:
        assert listed(None) == [(4, "rides"), (3, ""), (2, "cars"), (1, "rides")]
        assert listed(["rides"]) == [(4, "rides"), (1, "rides")]
        assert listed(["cars", ""]) == [(3, ""), (2, "cars")]
        assert listed([]) == []
        assert desk.audit.verify() is None
    with rides.read() as work:
        assert [e.id for e in work.audit.latest()] == [4, 1]
        assert work.audit.verify() is None


def test_a_block_that_raises_changes_nothing(cars: Store) -> None:
    with pytest.raises(ZeroDivisionError), cars.desk_transaction() as desk:
        desk.saw("cars", "a" * 64)
        _ = 1 / 0
    with cars.desk() as desk:
        assert desk.known() == {}


def test_each_of_several_datasets_has_a_table_and_a_view(
    empty_database: str, dataset: Dataset
) -> None:
    other = build.small_dataset(name="cars")
    made = migrate(empty_database, [dataset, other])
    assert [changes.table for changes in made] == ["rows_rides", "rows_cars"]
    store = Store.open(empty_database, other)
    batch = build.stored_batch(store, 1)
    with store.transaction() as work:
        work.drift.put(batch, Reference.PREVIOUS, "0", DriftReport(True, (), ()))
    with store.engine.connect() as connection:
        shown = {
            view: len(connection.exec_driver_sql(f"SELECT * FROM {view}").all())
            for view in sa.inspect(connection).get_view_names()
        }
    store.close()
    assert shown == {"data_comp": 0, "data_comp_rides": 0, "data_comp_cars": 1}
    assert all(changes.exists for changes in migrate(empty_database, [dataset, other]))


def test_a_dataset_is_prepared_only_in_a_database_that_fits(
    empty_database: str, dataset: Dataset
) -> None:
    store = Store.open(empty_database, dataset)
    migrate(empty_database, dataset)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0018'")
    with pytest.raises(SchemaMismatch):
        prepare_dataset(empty_database, build.small_dataset(name="cars"))
    store.close()


def test_rows_of_one_dataset_are_not_given_to_another_at_the_upgrade(
    older: str, dataset: Dataset
) -> None:
    with pytest.raises(DatasetError, match="could belong to rides or cars"):
        migrate(older, [dataset, build.small_dataset(name="cars")])


@pytest.fixture
def older(empty_database: str, dataset: Dataset) -> str:
    """A database of the revision before, with tables of two datasets."""
    from core.adapters.store.engine import WRITE, make_engine, make_file
    from core.adapters.store.migrate import prepare, upgrade

    make_file(empty_database)
    engine = make_engine(empty_database)
    with engine.connect() as opened:
        connection = opened.execution_options(**{WRITE: True})
        upgrade(connection, "0018")
        for one in (dataset, build.small_dataset(name="cars")):
            prepare(connection, one, views=())
        connection.commit()
    engine.dispose()
    return empty_database
