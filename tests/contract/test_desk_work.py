"""What the store answers about all datasets, and which of them the desk knows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from core.adapters.store import Store
from core.adapters.store.migrate import migrate, prepare_dataset
from core.adapters.store.need_batches import NEWEST
from core.adapters.store.tables import batches, notifications, predictions, replicas
from core.domain.audit_event import DISMISS
from core.domain.batches import BatchState
from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Finding, Reason, Reference, StatChange
from core.domain.errors import DatasetError, DecidedAlready, Missing, SchemaMismatch
from core.domain.fleet import Cost, FleetFacts, Hit, Refusal
from core.domain.jobs import JobKind, JobState
from core.domain.promotions import Cause
from core.rules.drift.live_windows import Window
from core.rules.drift.recommendation import BatchScore
from core.rules.ops.live_alerts import SEEN
from core.rules.ops.need_facts import NeedFacts
from core.rules.ops.needs import DISAGREE, SOURCE_ENDED, needs
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
        desk.needs(names)
        desk.feedback_errors(names)
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
        work.force_requests.open_follow_up("version:1", "look", "ana", Cause.FORCED)
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
    assert found.open_jobs == {JobState.REQUESTED: 1}
    assert found.newest_batch
    assert (found.newest_batch.number, found.newest_batch.state) == (1, BatchState.STORED)
    assert found.next_run_at == LATER
    with rides.desk() as desk:
        every = desk.needs(["rides", "cars", "planes"])
    assert list(every) == ["rides", "cars", "planes"]
    assert every["rides"] == every["planes"] == NeedFacts()
    asked = every["cars"]
    assert asked.live_version == 1
    assert asked.approved == build.dossier(1).candidate.metrics["mae"]
    assert [c.version for c in asked.candidates] == [2]
    assert [(f.kind, f.error) for f in asked.failed_jobs] == [(JobKind.TRAIN, "no memory")]
    assert [b.id for b in asked.batches] == [f.batch_id for f in asked.verdicts] == [batch.id]
    assert [(s.batch_id, s.metrics) for s in asked.scores] == [(batch.id, {"rmse": 2.5})]
    assert [(f.version, f.reason) for f in asked.forces] == [(2, "now")]
    assert [(f.subject, f.text) for f in asked.follow_ups] == [("version:1", "look")]
    assert asked.refusals == (Refusal("http://one", "version 2: odd"),)
    assert (asked.undelivered, asked.served, asked.windows) == (None, {}, ())
    assert titles(cars) == [
        "Serving refuses a version",
        "The last train job failed",
        "Version 2 awaits a second approver",
        "Version 2 awaits approval (not recommended)",
        "Batch 1 is held by ana: odd",
        "Batch 0 is missing",
        "Follow up on version 1",
    ]
    assert titles(rides) == []


def asked_about(store: Store) -> NeedFacts:
    name = store.dataset.name
    with store.desk() as desk:
        return desk.needs([name])[name]


def titles(store: Store) -> list[str]:
    return [need.title for need in needs(store.dataset, asked_about(store))]


def test_only_a_notification_that_was_given_up_is_undelivered(cars: Store) -> None:
    with cars.transaction() as work:
        for subject in ("batch:1/1", "batch:1/2"):
            work.notifications.add(Event.BREACH, subject, "x")
        work._connection.execute(
            sa.update(notifications)
            .where(notifications.c.subject == "batch:1/2")
            .values(state=Delivery.GIVEN_UP)
        )
    undelivered = asked_about(cars).undelivered
    assert undelivered
    assert undelivered.subject == "batch:1/2"


@pytest.mark.parametrize("answer", ["dismissed", "trained", "equal", "training"])
def test_a_batch_waits_until_it_is_answered(rides: Store, cars: Store, answer: str) -> None:
    for store in (rides, cars):
        build.stored_batch(store, 0)
        build.proposed(store, 1)
        batch = build.stored_batch(store, 1)
        with store.transaction() as work:
            report = DriftReport(True, (Reason("price mean"),), ())
            work.drift.put(batch, Reference.PREVIOUS, "0", report)
    with cars.transaction() as work:
        if answer == "dismissed":
            work.audit.add("ana", DISMISS, batch.subject, reason="a known campaign")
        elif answer == "training":
            work.jobs.request(JobKind.TRAIN, {}, "ana")
        else:
            work.lineage.trained(1, [batch.id - (answer == "equal")])
            work._connection.execute(sa.update(batches).values(content_hash="same"))
    says = "Batch 1: retraining recommended"
    assert says in titles(rides)
    assert says not in titles(cars)


def test_an_old_question_stays_however_many_batches_come(cars: Store) -> None:
    build.live(cars, 1)
    asking = build.stored_batch(cars, 0)
    with cars.transaction() as work:
        report = DriftReport(True, (Reason("price mean"),), ())
        work.drift.put(asking, Reference.PREVIOUS, "", report)
    for number in range(1, NEWEST + 2):
        batch = build.stored_batch(cars, number)
        with cars.transaction() as work:
            calm = DriftReport(False, (Reason("Fine."),), ())
            work.drift.put(batch, Reference.PREVIOUS, "", calm)
    assert titles(cars) == ["Batch 0: retraining recommended"]
    (need,) = needs(cars.dataset, asked_about(cars))
    assert f"{NEWEST + 1} batches came after it" in need.detail
    with cars.transaction() as work:
        work.lineage.trained(1, [asking.id])
    assert titles(cars) == []


def test_a_failed_comparison_is_told_until_the_batch_is_compared(cars: Store) -> None:
    batch = build.stored_batch(cars, 0)

    def compare(key: str, state: JobState) -> None:
        with cars.transaction() as work:
            job, _ = work.jobs.request(JobKind.DRIFT, {}, "ana", key=key)
            work.jobs.claim(job.id, 1, "w", timedelta(minutes=1))
            work.jobs.finish(job.id, "w", state, error="too much")

    compare(f"drift:{batch.id}", JobState.FAILED)
    assert titles(cars) == ["The last drift job failed"]
    compare("drift:99", JobState.SUCCEEDED)
    assert titles(cars) == ["Batch 0 has not been compared yet"]
    with cars.transaction() as work:
        work.drift.put(batch, Reference.PREVIOUS, "", DriftReport(False, (Reason("Fine."),), ()))
    assert titles(cars) == []


def test_a_job_that_was_made_good_or_runs_again_is_no_failed_one(cars: Store) -> None:
    for state in (JobState.FAILED, JobState.SUCCEEDED, JobState.FAILED, None):
        with cars.transaction() as work:
            job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
            work.jobs.claim(job.id, 1, "w", timedelta(minutes=1))
            if state:
                work.jobs.finish(job.id, "w", state, error="")
        assert bool(asked_about(cars).failed_jobs) is (state is JobState.FAILED)


def test_the_approved_error_is_that_of_the_last_decision(cars: Store) -> None:
    build.live(cars, 1)
    later = build.dossier(1, candidate=build.score(1, mae=77.0))
    with cars.transaction() as work:
        digest = work.dossiers.freeze(later)
        work.audit.add("ana", "rollback", "version:1", details={"dossier": digest})
    assert asked_about(cars).approved == 77.0
    with cars.transaction() as work:
        work.audit.add("ana", "rollback", "version:1", details={"dossier": "gone"})
    assert asked_about(cars).approved == build.dossier(1).candidate.metrics["mae"]


@pytest.mark.parametrize(
    ("heard", "version", "differs"),
    [(LATER + timedelta(seconds=1), None, True), (LATER, None, False), (LATER, 1, False)],
)
def test_a_replica_that_reports_another_version_since_it_is_live_is_told(
    cars: Store, heard: Any, version: int | None, *, differs: bool
) -> None:
    build.live(cars, 1)
    said = {"id": "r", "url": "http://one", "digest": "", "refused": "", "started_at": NOON}
    with cars.transaction() as work:
        work._connection.execute(
            sa.insert(replicas).values(**said, model_version=version, heard_at=heard)
        )
    assert (DISAGREE in titles(cars)) is differs
    with cars.transaction() as work:
        work.jobs.request(JobKind.PROMOTE, {}, "ana")
    assert DISAGREE not in titles(cars)


def test_a_seen_alert_is_that_of_the_live_version_on_its_batch(rides: Store, cars: Store) -> None:
    for store in (rides, cars):
        build.live(store, 1)
        batch = build.stored_batch(store, 1)
        with store.transaction() as work:
            work.scores.put(BatchScore(batch.id, 1, 40, {"mae": 9000.0}, 1.5, ""))
    with cars.transaction() as work:
        work.audit.add("ana", SEEN, batch.subject, details={"version": 1})
    with cars.desk() as desk:
        facts = desk.needs(["rides", "cars"])
    assert [f.seen for f in facts.values()] == [frozenset(), {batch.subject}]
    assert any("Live model" in title for title in titles(rides))
    assert not any("Live model" in title for title in titles(cars))


def drifted(store: Store, version: int, number: int) -> int:
    """The id of a window of live traffic that has drifted."""
    reasons = (Reason("rides mean", could_be_noise=False),)
    changes = (StatChange("rides", "mean", 1.0, 2.0, 1.0, 0.5, Finding.BREACH),)
    report = DriftReport(True, reasons, changes)
    with store.transaction() as work:
        window = Window(version, NOON, NOON, f"w{number}", 40, 0, report)
        found = work.traffic.add(window, (), work.traffic.last())
    assert found
    return found


def test_drifted_traffic_is_alerted_about_until_somebody_has_seen_the_newest_window(
    rides: Store, cars: Store
) -> None:
    for store in (rides, cars):
        build.live(store, 1)
        newest = [drifted(store, 1, n) for n in range(2)][-1]
    with rides.transaction() as work:
        work.audit.add("ana", SEEN, f"window:{newest}", details={"version": 1})  # of cars
    says = "Live traffic has drifted from the rows that version 1 was trained on"
    assert says in titles(cars)
    assert says in titles(rides)
    (need,) = (n for n in needs(cars.dataset, asked_about(cars)) if n.title == says)
    assert (need.page, need.query, need.urgent) == ("drift", {"show": "Live traffic"}, True)
    assert need.seen == f"window:{newest}"
    with cars.transaction() as work:
        work.audit.add("ana", SEEN, f"window:{newest}", details={"version": 1})
    assert says not in titles(cars)
    build.live(cars, 2)  # windows of the version before
    assert not any("traffic" in title for title in titles(cars))


def test_a_source_that_ended_is_a_need_until_its_next_epoch(rides: Store, cars: Store) -> None:
    for store in (rides, cars):
        build.stored_batch(store, 1)
    with cars.transaction() as work:
        work.batches.end_epoch(1)
    assert SOURCE_ENDED in titles(cars)
    assert SOURCE_ENDED not in titles(rides)
    with cars.transaction() as work:
        work.batches.open_epoch()
    assert SOURCE_ENDED not in titles(cars)


def test_the_errors_are_those_on_the_newest_batches(cars: Store) -> None:
    build.live(cars, 1)
    stored = [build.stored_batch(cars, number) for number in range(NEWEST + 3)]
    with cars.transaction() as work:
        for batch in stored:
            work.scores.put(BatchScore(batch.id, 1, 3, {"rmse": 2.0}, 1.0, ""))
    assert [s.batch_id for s in asked_about(cars).scores] == [b.id for b in stored[3:]]


def test_the_fleet_takes_as_many_queries_for_many_datasets_as_for_one(cars: Store) -> None:
    many = [f"dataset_{n}" for n in range(50)]
    assert queries(cars, many) == queries(cars, ["cars"]) <= 40


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
        assert found("1", "cars") == [
            ("version", "cars", "1"), ("batch", "cars", str(batch.id)), ("epoch", "cars", "1"),
        ]  # fmt: skip
        assert found("v1", "cars") == [("version", "cars", "1")]
        for named in ("1/7", "batch 1/7", "batch:1/7", "Batch 7 of epoch 1", "Epoch 1, batch 7"):
            assert found(named) == [("batch", "cars", str(batch.id))], named
        assert found("2/7") == found("batch 1/8") == []
        assert found("epoch 1") == [("epoch", "cars", "1")]
        assert found("7") == [("batch", "cars", str(batch.id))]
        assert found("BEEF") == [
            ("prediction", "rides", "beef0001"), ("prediction", "cars", "beef0002"),
        ]  # fmt: skip
        assert found("beef", "cars") == [("prediction", "cars", "beef0002")]
        assert found("") == found("99999999999") == found("bee") == found("%") == []
        (first,) = desk.search("1", titles, limit=1)
        assert first == Hit("version", "cars", "Version 1", "1", "proposed", first.at)
        assert first.at is not None
        (stored,) = desk.search("1/7", titles)
        assert (stored.state, stored.at is None) == ("stored", False)
        assert stored.title == "Epoch 1, batch 7"
        by_entry = desk.search(f"batch-id:{batch.id}", titles)
        assert [hit.title for hit in by_entry] == [
            f"Epoch 1, batch 7 (entry {batch.id} of the ledger)"
        ]


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
