"""The store, on SQLite and on MariaDB: the same promises on both."""

from __future__ import annotations

import datetime as dt
import threading
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from core.adapters.store import Store
from core.adapters.store.migrate import migrate
from core.adapters.store.tables import metadata
from core.domain.batches import BatchState, EpochState, QuarantinedRow
from core.domain.dataset import Dataset
from core.domain.drift import Reference
from core.domain.errors import (
    DatasetError,
    DecidedAlready,
    IllegalTransition,
    LeaseLost,
    Missing,
    ReasonRequired,
    StoreUnavailable,
)
from core.domain.job_results import NothingNew
from core.domain.jobs import JobKind, JobState
from core.domain.promotions import Decision, PromotionState
from core.rules.drift.compare import compare
from core.usecases import decisions, forced_promotions
from core.usecases.live_terms import rollback_target
from tests import build
from tests.build import chunk, proposed, small_dataset, stored_batch

LEASE = timedelta(seconds=30)


def at(store: Store, seconds: float) -> Store:
    """The same store, some seconds after noon."""
    return Store(store.engine, store.dataset, clock=lambda: build.NOON + timedelta(seconds=seconds))


def test_the_migrations_make_the_tables_that_the_code_describes(
    store: Store, database_url: str, dataset: Dataset
) -> None:
    migrate(database_url, dataset)  # again, to no effect
    with store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_object": lambda _o, name, kind, _r, _c: (
                    kind != "table" or name in metadata.tables
                )
            },
        )
        assert compare_metadata(context, metadata) == []


def test_a_dataset_that_changed_its_columns_is_told_apart_from_its_table(
    store: Store, database_url: str
) -> None:
    columns = [
        {"name": "price", "type": "number", "role": "target"},
        {"name": "rooms", "type": "number", "role": "feature"},
    ]
    with pytest.raises(DatasetError, match=r"has the column .* which the dataset file lacks"):
        migrate(database_url, small_dataset(name="real_estate", columns=columns))


def test_nothing_is_kept_without_a_commit(store: Store) -> None:
    with store.begin() as work:
        work.audit.add("ana", "act", "job:1")
    with store.read() as work:
        assert work.audit.latest() == []


def test_rows_come_back_as_they_went_in(store: Store) -> None:
    day = dt.date(1999, 9, 30)
    texts = ["a,\"b'\n\\x\t", "Añasco 日本 🏠", None, "NULL", "\\N"]
    with store.begin() as work:
        sent = chunk(
            store.dataset,
            5,
            price=[1234567.89, 1e-300, 5e15, -0.5, 2.0],
            bed=[None, 1.0, None, 2.0, 3.0],
            city=texts,
            prev_sold_date=[day, None, dt.date(1850, 1, 1), day, day],
            held_out=[0, 0, 0, 0, 1],
        )
        assert work.rows.load(1, 1, [sent]) == 5
        work.commit()
    with store.read() as work:
        names = ["price", "bed", "city", "prev_sold_date"]
        seen = work.rows.columns(names, held_out=False)
        assert seen["price"].tolist() == [1234567.89, 1e-300, 5e15, -0.5]
        np.testing.assert_array_equal(seen["bed"], [np.nan, 1, np.nan, 2])
        assert seen["city"].tolist() == [*texts[:2], "", "NULL"]
        expected = [(day - dt.date(1970, 1, 1)).days, np.nan, -43829, 10864]
        np.testing.assert_array_equal(seen["prev_sold_date"], expected)
        assert work.rows.columns(names, held_out=True)["city"].tolist() == ["\\N"]
        assert (work.rows.count(), work.rows.count(held_out=True)) == (5, 1)


def test_every_nth_row_of_a_batch_is_read(store: Store) -> None:
    with store.begin() as work:
        prices = [float(n) for n in range(10)]
        work.rows.load(1, 1, [chunk(store.dataset, 10, price=prices, held_out=[1] * 10)])
        work.commit()
    with store.read() as work:
        seen = work.rows.columns(["price"], held_out=True, batch_id=1, every=4)
    assert seen["price"].tolist() == [0.0, 4.0, 8.0]


def test_an_empty_side_has_empty_columns(store: Store) -> None:
    with store.read() as work:
        seen = work.rows.columns(["price", "city"], held_out=True)
    assert [len(values) for values in seen.values()] == [0, 0]


def test_a_server_without_local_infile_takes_the_rows_all_the_same(
    store: Store, dataset: Dataset
) -> None:
    if store.engine.dialect.name == "sqlite":
        with store.begin() as work:
            assert work.rows.load(1, 1, [chunk(dataset)]) == 3
        return
    with store.engine.connect() as connection:
        connection.exec_driver_sql("SET GLOBAL local_infile = 0")
        try:
            with store.begin() as work:
                assert work.rows.load(1, 1, [chunk(dataset), chunk(dataset)]) == 6
                work.commit()
        finally:
            connection.exec_driver_sql("SET GLOBAL local_infile = 1")
    with store.read() as work:
        assert work.rows.count() == 6


def test_the_ledger_keeps_what_came_and_why_rows_did_not(store: Store) -> None:
    with store.begin() as work:
        epoch = work.batches.open_epoch()
        batch = work.batches.receive(epoch.number, "h", "f.json", 9)
        work.commit()
    with store.begin() as work:
        bad = [QuarantinedRow(7, "price: must be given", "{}")]
        work.batches.store(
            batch, epoch=epoch.number, number=0, stored=2, quarantined=bad, gap=1, note="n"
        )
        work.commit()
    with store.read() as work:
        (entry,) = work.batches.ledger()
        assert (entry.state, entry.rows, entry.stored, entry.quarantined, entry.gap) == (
            BatchState.STORED, 3, 2, 1, 1,
        )  # fmt: skip
        assert work.batches.quarantined(batch.id) == bad


def test_a_number_is_stored_once_in_an_epoch_whoever_tries(store: Store) -> None:
    stored_batch(store, 0)
    with store.begin() as work, pytest.raises(sa.exc.IntegrityError):
        again = work.batches.receive(1, "other", "x.json", 1)
        work.batches.store(again, epoch=1, number=0, stored=0, quarantined=[], gap=0, note="")


def test_a_new_epoch_closes_the_one_before(store: Store) -> None:
    with store.begin() as work:
        work.batches.open_epoch()
        work.batches.set_epoch(1, EpochState.EXHAUSTED)
        assert work.batches.open_epoch().number == 2
        work.commit()
    with store.read() as work:
        states = [(e.number, e.state) for e in work.batches.epochs()]
    assert states == [(2, EpochState.OPEN), (1, EpochState.CLOSED)]


def test_a_profile_comes_back_exactly(store: Store) -> None:
    profiles = (
        build.profile("price", grid=(1.0, 2.5, 1e300), minimum=-1e-9),
        build.profile("city", mean=None, std=None, categories={"日本": 3}, distinct=1),
    )
    with store.begin() as work:
        work.batches.add_profile("model", 3, profiles)
        work.commit()
    with store.read() as work:
        assert work.batches.profile("model", 3) == profiles
        assert work.batches.profile("batch", 3) == ()


def test_a_report_is_kept_tidy_and_wide(store: Store) -> None:
    first = stored_batch(store, 0)
    batch = stored_batch(store, 1)
    with store.begin() as work:
        before = work.batches.profile("batch", first.id)
        after = [*before[1:], build.profile("price", mean=0.0, q50=0.0)]
        report = compare(before, after, store.dataset)
        for _ in range(2):  # a second run of the same job replaces the first one's report
            work.drift.put(batch, Reference.PREVIOUS, "batch 0", report)
        work.commit()
    with store.read() as work:
        (kept,) = work.drift.latest()
        assert (kept.report, kept.batch_number) == (report, 1)
    with store.engine.connect() as connection:
        (wide,) = connection.execute(sa.text("SELECT * FROM data_comp")).mappings()
    assert wide["price_mean"] == 1.0
    assert wide["house_size_75"] == 0.0
    assert bool(wide["retrain"]) is True
    assert len([k for k in wide if k.rsplit("_", 1)[-1] in ("mean", "std", "50", "75")]) == 20


# Jobs


def test_a_double_click_gives_one_job(store: Store) -> None:
    with store.begin() as work:
        first, is_new = work.jobs.request(JobKind.INGEST, {}, "ana")
        work.commit()
    with store.begin() as work:
        second, is_new_too = work.jobs.request(JobKind.INGEST, {}, "ben")
        work.commit()
    assert (is_new, is_new_too) == (True, False)
    assert first.id == second.id


def test_clicks_at_the_same_moment_give_one_job(store: Store) -> None:
    ids: list[int] = []
    start = threading.Barrier(6)

    def click() -> None:
        start.wait()
        with store.begin() as work:
            job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
            work.commit()
        ids.append(job.id)

    threads = [threading.Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6
    assert len(set(ids)) == 1


def requested(store: Store) -> int:
    with store.begin() as work:
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.commit()
    return job.id


def test_an_attempt_is_claimed_once(store: Store) -> None:
    job_id = requested(store)
    with store.begin() as work:
        assert work.jobs.claim(job_id, 1, "a", LEASE) is not None
        assert work.jobs.claim(job_id, 1, "b", LEASE) is None
        assert work.jobs.claim(job_id, 2, "b", LEASE) is None


def test_a_run_that_was_replaced_can_write_nothing(store: Store) -> None:
    job_id = requested(store)
    with at(store, 0).begin() as work:
        work.jobs.claim(job_id, 1, "slow", LEASE)
        work.commit()
    with at(store, 31).begin() as work:
        (overdue,) = work.jobs.overdue()
        again = work.jobs.take_over(overdue, max_attempts=3)
        assert again is not None
        assert (again.state, again.attempt) == (JobState.REQUESTED, 2)
        work.jobs.claim(job_id, 2, "fresh", LEASE)
        work.commit()
    with at(store, 32).begin() as work:
        for write in (
            lambda: work.jobs.heartbeat(job_id, "slow", LEASE),
            lambda: work.jobs.progress(job_id, "slow", 0.5, "x"),
            lambda: work.jobs.finish(job_id, "slow", JobState.SUCCEEDED),
        ):
            with pytest.raises(LeaseLost):
                write()
        work.jobs.finish(job_id, "fresh", JobState.SUCCEEDED, result=NothingNew(7))
        work.commit()
    with store.read() as work:
        done = work.jobs.get(job_id)
    assert (done.state, done.result, done.progress) == (JobState.SUCCEEDED, NothingNew(7), 1.0)


def test_a_job_fails_with_a_reason_after_its_last_worker_died(store: Store) -> None:
    job_id = requested(store)
    for attempt in (1, 2):
        with at(store, attempt * 100).begin() as work:
            assert work.jobs.claim(job_id, attempt, f"o{attempt}", LEASE)
            work.commit()
        with at(store, attempt * 100 + 50).begin() as work:
            (overdue,) = work.jobs.overdue()
            job = work.jobs.take_over(overdue, max_attempts=2)
            work.commit()
    assert job is not None
    assert job.state is JobState.FAILED
    assert "2 attempts" in job.error


def test_a_renewed_lease_is_not_taken_over(store: Store) -> None:
    job_id = requested(store)
    with at(store, 0).begin() as work:
        work.jobs.claim(job_id, 1, "a", LEASE)
        work.commit()
    with at(store, 31).begin() as work:
        (overdue,) = work.jobs.overdue()
        work.jobs.heartbeat(job_id, "a", LEASE)
        assert work.jobs.take_over(overdue, 3) is None


def test_cancel_and_retry(store: Store) -> None:
    job_id = requested(store)
    with store.begin() as work:
        assert work.jobs.cancel(job_id).state is JobState.CANCELLED
        with pytest.raises(IllegalTransition):
            work.jobs.cancel(job_id)
        again = work.jobs.retry(job_id)
        assert (again.state, again.attempt) == (JobState.REQUESTED, 2)
        work.jobs.claim(job_id, 2, "a", LEASE)
        assert work.jobs.cancel(job_id).cancel_requested
        assert work.jobs.heartbeat(job_id, "a", LEASE) is True
        with pytest.raises(IllegalTransition):
            work.jobs.retry(job_id)
        with pytest.raises(Missing):
            work.jobs.get(job_id + 1)


def test_a_retry_while_one_like_it_runs_is_refused(store: Store) -> None:
    with store.begin() as work:
        old, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.jobs.cancel(old.id)
        work.jobs.request(JobKind.TRAIN, {}, "ana")
        with pytest.raises(IllegalTransition, match="under way"):
            work.jobs.retry(old.id)


def test_log_lines_come_back_in_order(store: Store) -> None:
    job_id = requested(store)
    with store.begin() as work:
        for n in range(5):
            work.jobs.log(job_id, f"line {n}")
        assert [line.message for line in work.jobs.lines(job_id, 3)] == [
            "line 2", "line 3", "line 4",
        ]  # fmt: skip


# Decisions


def test_an_approval_is_one_with_its_job_and_its_record(store: Store) -> None:
    proposed(store, 4)
    with store.begin() as work:
        job = build.approve(work, 4, actor="ana")
        work.commit()
    with store.read() as work:
        assert work.promotions.of_version(4).state is PromotionState.APPROVED
        assert work.jobs.get(job.id).args["champion"] is None
        (event,) = work.audit.latest()
    assert (event.actor, event.action, event.subject) == ("ana", "approve", "version:4")


def test_of_two_who_decide_at_once_one_is_told_so(store: Store) -> None:
    proposed(store, 1)
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def decide(actor: str) -> None:
        with store.read() as work:
            seen = work.promotions.of_version(1)
        start.wait()
        try:
            with store.begin() as work:
                work.promotions.decide(seen, Decision.APPROVE, actor=actor, reason="")
                work.commit()
            outcomes.append("approved")
        except DecidedAlready as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=decide, args=(name,)) for name in ("ana", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(o.split()[0] for o in outcomes) == ["Version", "approved"]
    assert "was approved by" in "".join(outcomes)


def make_live(store: Store, version: int) -> None:
    with store.read() as work:
        before = work.promotions.live_version()
    proposed(store, version, champion=before)
    with store.begin() as work:
        job = build.approve(work, version, actor="ana")
        promotion = work.promotions.of_version(version)
        work.promotions.make_live(promotion)
        work.jobs.cancel(job.id)
        work.commit()


def test_one_version_is_live_and_a_rollback_goes_to_the_one_before(store: Store) -> None:
    make_live(store, 1)
    make_live(store, 2)
    with store.begin() as work:
        live, before = work.promotions.live(), rollback_target(work)
        assert live
        assert before
        assert (live.version, before.version) == (2, 1)
        with pytest.raises(ReasonRequired):
            decisions.roll_back(work, actor="ana", champion=2, reason=" ")
        decisions.roll_back(work, actor="ana", champion=2, reason="errors doubled")
        again = work.promotions.of_version(1)
        assert (again.state, again.forced) == (PromotionState.APPROVED, False)
        assert again.decided_as is Decision.ROLLBACK


def test_a_second_promotion_waits_for_the_first(store: Store) -> None:
    proposed(store, 1)
    proposed(store, 2)
    with store.begin() as work:
        build.approve(work, 1, actor="ana")
        with pytest.raises(IllegalTransition, match="under way"):
            build.approve(work, 2, actor="ben")


def test_a_rejection_needs_a_reason_and_can_be_forced_back(store: Store) -> None:
    proposed(store, 1, promote=False)
    with store.begin() as work:
        with pytest.raises(ReasonRequired):
            decisions.reject(work, 1, actor="ana", reason="")
        decisions.reject(work, 1, actor="ana", reason="too few rows")
        with pytest.raises(IllegalTransition):
            build.approve(work, 1, actor="ben")
        forced_promotions.force(work, 1, actor="ben", champion=None, reason="needed now")
        assert work.promotions.of_version(1).forced


def test_a_version_from_elsewhere_can_be_adopted(store: Store) -> None:
    with store.begin() as work:
        decisions.adopt(work, 9, actor="ana", digest="d")
        decisions.adopt(work, 9, actor="ana", digest="d")
        assert not work.promotions.of_version(9).verdict.promote


def test_a_database_that_was_never_prepared_says_what_to_run(
    empty_database: str, dataset: Dataset
) -> None:
    store = Store.open(empty_database, dataset)
    with pytest.raises(StoreUnavailable, match=r"make run|workers migrate"), store.read() as work:
        work.batches.epoch()
    store.close()


def test_an_unreachable_database_is_reported(dataset: Dataset) -> None:
    store = Store.open("mysql+pymysql://nobody@127.0.0.1:1/none", dataset)
    with pytest.raises(StoreUnavailable, match="DATABASE_URL"), store.read():
        pass
