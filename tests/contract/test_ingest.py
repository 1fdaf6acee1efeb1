"""Ingest against a real data API over HTTP, on SQLite and on MariaDB."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compose.data_api.options import Options
from core.adapters.store import Store
from core.domain.batches import BatchState, EpochState
from core.domain.jobs import JobKind, JobState
from tests.data_api.serving import SMALL, Service, serving
from tests.work import ingest, ingest_step, run_job

COUNTS = [60, 95, 230, 60, 321, 361]


@pytest.fixture
def api() -> Iterator[Service]:
    with serving(Options(scale=SMALL, faults=True)) as service:
        yield service


def ledger(store: Store) -> list[tuple[int, int | None, BatchState]]:
    with store.read() as work:
        return [(b.epoch, b.number, b.state) for b in reversed(work.batches.ledger())]


def rows(store: Store) -> int:
    with store.read() as work:
        return work.rows.count()


def expected(service: Service, number: int) -> int:
    """How many rows a batch has, asked of the API as another group."""
    service.restart(3)
    return [len(service.batch(3)["data"]) for _ in range(number + 1)][number]


def test_a_batch_is_stored_with_its_profile_and_asks_for_its_comparison(
    store: Store, api: Service, spool: Path
) -> None:
    job = ingest(store, api.url, spool)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result.stored == rows(store) == expected(api, 0)
    with store.read() as work:
        (price,) = [
            p for p in work.batches.profile("batch", job.result.batch_id) if p.column == "price"
        ]
        follow_up = work.jobs.get(job.result.drift_job)
    assert price.count == job.result.stored
    assert (follow_up.kind, follow_up.state) == (JobKind.DRIFT, JobState.REQUESTED)
    assert list(spool.iterdir()) == []


def test_six_batches_then_the_end_then_a_new_epoch(store: Store, api: Service, spool: Path) -> None:
    results = [ingest(store, api.url, spool).result for _ in range(6)]
    assert [r.batch for r in results] == [0, 1, 2, 3, 4, 5]
    assert rows(store) == sum(r.stored for r in results)
    again = ingest(store, api.url, spool).result
    assert (again.epoch, again.batch, again.stored) == (2, 0, results[0].stored)
    assert rows(store) == results[0].stored
    with store.read() as work:
        states = {e.number: e.state for e in work.batches.epochs()}
        assert states == {1: EpochState.CLOSED, 2: EpochState.OPEN}
        assert len(work.batches.stored(1)) == 6


def test_with_a_manual_restart_the_end_is_a_state_and_the_button_goes_on(
    store: Store, api: Service, spool: Path
) -> None:
    for _ in range(6):
        ingest(store, api.url, spool, restarts=False)
    for _ in range(2):
        ended = ingest(store, api.url, spool, restarts=False)
        assert (ended.state, ended.result.state) == (JobState.SUCCEEDED, "EXHAUSTED")
    before = rows(store)
    assert before > 0
    job = ingest(store, api.url, spool, restarts=False, args={"restart_epoch": 1})
    assert (job.result.epoch, job.result.batch) == (2, 0)
    once_more = ingest(store, api.url, spool, restarts=False, args={"restart_epoch": 1})
    assert (once_more.result.epoch, once_more.result.batch) == (2, 1)


@pytest.mark.parametrize("shape", ["objects", "lists"])
def test_both_row_shapes_give_the_same_rows(store: Store, spool: Path, shape: Any) -> None:
    with serving(Options(scale=SMALL, rows=shape, spelling="mínima", stray_space=True)) as api:
        job = ingest(store, api.url, spool)
    assert job.state is JobState.SUCCEEDED, job.error
    with store.read() as work:
        prices = work.rows.columns(["price"], held_out=False)["price"]
        zips = work.rows.columns(["zip_code"], held_out=False)["zip_code"]
    assert 1 <= prices.min() <= prices.max() <= 300_000
    assert {len(z) for z in zips} == {5}


def test_bad_rows_are_quarantined_with_their_reason_and_counts_add_up(
    store: Store, spool: Path
) -> None:
    with serving(Options(scale=SMALL, bad_rows=0.2)) as api:
        job = ingest(store, api.url, spool)
        total = expected(api, 0)
    assert job.result.quarantined > 0
    assert job.result.stored + job.result.quarantined == total
    with store.read() as work:
        bad = work.batches.quarantined(job.result.batch_id)
        assert work.rows.count() == job.result.stored
    assert len(bad) == job.result.quarantined
    assert all(q.reason.startswith("price: ") for q in bad)
    assert {q.reason for q in bad} >= {"price: must be given"}


def test_a_repeated_batch_adds_nothing_and_is_named(
    store: Store, api: Service, spool: Path
) -> None:
    first = ingest(store, api.url, spool)
    api.arm("repeat")
    again = ingest(store, api.url, spool)
    assert again.state is JobState.SUCCEEDED
    assert "same content" in again.result.note
    assert rows(store) == first.result.stored
    assert ledger(store)[-1] == (1, 0, BatchState.REPEATED)


def test_the_same_number_with_other_content_is_a_conflict_whose_bytes_are_kept(
    store: Store, api: Service, spool: Path
) -> None:
    first = ingest(store, api.url, spool)
    api.arm("other_content")
    again = ingest(store, api.url, spool)
    assert "other content" in again.result.note
    assert rows(store) == first.result.stored
    assert ledger(store)[-1] == (1, 0, BatchState.CONFLICT)
    assert len(list(spool.glob("*.json"))) == 1


def test_a_gap_is_seen_and_named(store: Store, api: Service, spool: Path) -> None:
    ingest(store, api.url, spool)
    api.arm("skip")
    job = ingest(store, api.url, spool)
    assert (job.result.batch, job.result.gap) == (2, 1)
    assert "1 batch before it never arrived" in job.result.note


@pytest.mark.parametrize("kind", ["malformed", "html"])
def test_an_answer_that_is_no_batch_is_kept_and_said(
    store: Store, api: Service, spool: Path, kind: str
) -> None:
    ingest(store, api.url, spool)
    api.arm(kind)
    job = ingest(store, api.url, spool)
    assert job.state is JobState.FAILED
    assert "not the JSON" in job.error
    assert ledger(store)[-1][2] is BatchState.UNREADABLE
    assert len(list(spool.glob("*.json"))) == 1
    after = ingest(store, api.url, spool)
    assert (after.result.batch, after.result.gap) == (2, 1)


def test_an_answer_that_breaks_off_is_not_asked_for_again(
    store: Store, api: Service, spool: Path
) -> None:
    api.arm("cut")
    job = ingest(store, api.url, spool)
    assert job.state is JobState.FAILED
    assert "is not known until the next batch comes" in job.error
    assert rows(store) == 0
    assert ledger(store) == [(1, None, BatchState.INTERRUPTED)]
    after = ingest(store, api.url, spool)
    assert (after.result.batch, after.result.gap) == (1, 1)
    assert ledger(store) == [(1, None, BatchState.LOST), (1, 1, BatchState.STORED)]


def test_an_answer_that_is_too_slow_is_not_asked_for_again(
    store: Store, api: Service, spool: Path
) -> None:
    api.arm("delay", seconds=3)
    job = ingest(store, api.url, spool, seconds=0.3)
    assert job.state is JobState.FAILED
    assert "broke off" in job.error
    assert ingest(store, api.url, spool).result.batch == 1


def test_a_server_error_says_so_and_a_wrong_group_is_not_the_end(
    store: Store, api: Service, spool: Path
) -> None:
    api.arm("status_500")
    assert "HTTP 500" in ingest(store, api.url, spool).error
    step = ingest_step(store, api.url, spool)
    step.source._parameters["group_number"] = "99"
    wrong = run_job(store, JobKind.INGEST, step)
    assert "Número de grupo inválido" in wrong.error
    with store.read() as work:
        assert work.batches.epoch() is None


def test_an_api_that_is_away_loses_nothing(store: Store, spool: Path) -> None:
    job = ingest(store, "http://127.0.0.1:1", spool)
    assert "nothing was lost" in job.error
    assert list(spool.iterdir()) == []
    assert ledger(store) == []


def test_bytes_that_an_earlier_run_left_are_not_asked_for_again(
    store: Store, api: Service, spool: Path
) -> None:
    spool.mkdir()
    body = json.dumps(api.batch())
    (spool / "e1-abc.json").write_text(body)  # killed between the rename and the ledger
    job = ingest(store, api.url, spool)
    assert (job.result.batch, job.result.gap) == (0, 0)
    assert ingest(store, api.url, spool).result.batch == 1


def test_an_answer_that_died_on_its_way_is_on_record(
    store: Store, api: Service, spool: Path
) -> None:
    spool.mkdir()
    api.batch()  # the API's cursor moved, the worker died while it read
    (spool / "e1-abc.part").write_text('{"group_number": 7, "batch')
    job = ingest(store, api.url, spool)
    assert (job.result.batch, job.result.gap) == (1, 1)
    assert ledger(store)[0][2] is BatchState.LOST
    assert list(spool.glob("*.part")) == []


def test_a_kill_while_rows_are_stored_leaves_the_old_epoch_whole(
    store: Store, api: Service, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        ingest(store, api.url, spool)
    before = rows(store)
    step = ingest_step(store, api.url, spool)

    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(
            "core.adapters.store.batches.Batches.add_profile", die
        )  # after clear(), before commit
        with pytest.raises(Killed):
            run_job(store, JobKind.INGEST, step)
    assert rows(store) == before
    with store.begin() as work:
        assert work.batches.epoch().number == 1  # type: ignore[union-attr]
        (job,) = [j for j in work.jobs.open() if j.kind is JobKind.INGEST]
        work.jobs.release(job.id, job.attempt)
        work.commit()
    with store.begin() as work:
        (overdue,) = work.jobs.overdue()
        work.jobs.take_over(overdue, 1)
        work.commit()
    after = ingest(store, api.url, spool)
    assert (after.result.epoch, after.result.batch) == (2, 0)
    assert rows(store) == after.result.stored


def test_every_row_of_a_folder_comes_in(store: Store, spool: Path, batch_files: list[Path]) -> None:
    with serving(Options(folder=batch_files[0].parent)) as api:
        results = [ingest(store, api.url, spool).result for _ in batch_files]
    for path, result in zip(batch_files, results, strict=True):
        with path.open(encoding="utf-8") as file:
            assert result.stored == sum(1 for _ in csv.DictReader(file))
        assert result.quarantined == 0
