"""Nothing stops the pipeline: batches that cannot be stored, on SQLite and on MariaDB."""

from __future__ import annotations

import gzip
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from core.adapters.store import Store
from core.adapters.store.migrate import migrate, upgrade
from core.domain.batches import Batch, BatchState
from core.domain.dataset import Dataset
from core.domain.errors import StoreUnavailable
from core.domain.jobs import JobState
from core.rules.data.batch_ledger import is_out_of_tries
from core.rules.ops.notification import Event
from tests import build
from tests.answers import (
    NextAnswers,
    Speak,
    batch_body,
    cut,
    endless,
    silent,
    trickle,
    whole,
)
from tests.attempts import FORKS, to_its_end
from tests.contract.test_upgrade import insert, writing
from tests.work import ingest, ingest_step
from workers.sources.http_exchange import Limits
from workers.steps.spool_recovery import KEPT_BYTES

ROW = {"rides": 97, "temperature": 9.5, "weather": "rain", "station": 12}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return build.small_dataset()


def good(number: int, rows: int = 3) -> bytes:
    return whole(batch_body(number, [ROW] * rows))


def entries(store: Store) -> list[Batch]:
    with store.read() as work:
        return work.batches.ledger()[::-1]


def states(store: Store) -> list[tuple[int | None, BatchState]]:
    return [(b.number, b.state) for b in entries(store)]


def told(store: Store) -> list[tuple[Event, str]]:
    with store.read() as work:
        return [(n.event, n.subject) for n in work.notifications.latest(50)][::-1]


def next_is_stored(store: Store, api: NextAnswers, spool: Path, number: int) -> None:
    api.put(good(number))
    job = ingest(store, api.url, spool)
    assert job.state is JobState.SUCCEEDED, job.error
    assert (job.result.batch, job.result.stored) == (number, 3)


# Case A1: batches without one good row


@pytest.mark.parametrize(
    "changed",
    [
        {"rides": None},
        {"rides": "12,5"},
        {"station": 1234567890123456700},
    ],
    ids=["all_bad", "locale_decimals", "ids_of_19_digits"],
)
def test_a_batch_of_rows_that_break_a_rule_does_not_stop_the_next(
    store: Store, api: NextAnswers, spool: Path, changed: dict[str, Any]
) -> None:
    api.put(whole(batch_body(0, [ROW | changed] * 3)))
    job = ingest(store, api.url, spool)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result.stored + job.result.quarantined == 3
    next_is_stored(store, api, spool, 1)


def test_a_renamed_column_quarantines_every_row(
    store: Store, api: NextAnswers, spool: Path
) -> None:
    renamed = {("total" if k == "rides" else k): v for k, v in ROW.items()}
    api.put(whole(batch_body(0, [renamed] * 3)))
    job = ingest(store, api.url, spool)
    assert (job.result.stored, job.result.quarantined) == (0, 3)
    next_is_stored(store, api, spool, 1)


def test_a_last_chunk_without_one_good_row_is_no_hindrance(
    store: Store, api: NextAnswers, spool: Path
) -> None:
    rows = [ROW] * 10_000 + [ROW | {"rides": None}] * 5
    api.put(whole(batch_body(0, rows)))
    job = ingest(store, api.url, spool)
    assert (job.result.stored, job.result.quarantined) == (10_000, 5)


# Any lasting error


def refuse(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("core.adapters.store.batches.Batches.add_profile", fail)


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.ProgrammingError("INSERT", {}, Exception("inf can not be used with MySQL")),
        sa.exc.DataError("INSERT", {}, Exception("out of range.")),
        RecursionError("maximum recursion depth exceeded"),
        MemoryError(),
        ValueError("\ud800 anything"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_error_that_lasts_closes_the_batch_and_the_next_goes_on(
    store: Store,
    api: NextAnswers,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    api.put(good(0))
    with monkeypatch.context() as patch:
        refuse(patch, error)
        job = ingest(store, api.url, spool)
    assert job.state is JobState.FAILED
    assert "could not be stored in 3 tries" in job.error
    assert "driftdesk batch retry" in job.error
    assert ".. " not in job.error
    (closed,) = entries(store)
    assert (closed.number, closed.state, closed.tries) == (0, BatchState.CLOSED, 3)
    assert (spool / closed.spool).exists()
    assert told(store) == [(Event.CLOSED, f"batch:{closed.id}"), (Event.FAILED, f"job:{job.id}")]
    with store.read() as work:
        assert work.rows.count() == 0
        (audited,) = [e for e in work.audit.latest() if e.action == "close batch"]
        assert audited.subject == f"batch:{closed.id}"
        assert any("Closed" in line.message for line in work.jobs.lines(job.id))
    next_is_stored(store, api, spool, 1)
    assert entries(store)[-1].gap == 0  # the closed one came


@pytest.mark.filterwarnings(FORKS)
def test_a_batch_that_kills_its_process_is_closed_by_the_next_ingest_which_goes_on(
    store: Store,
    database_url: str,
    dataset: Dataset,
    api: NextAnswers,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api.put(good(0), good(1))
    with monkeypatch.context() as patch:
        patch.setattr(
            "core.adapters.readers.parse.chunks", lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        )
        step = ingest_step(store, api.url, spool)
        job, died = to_its_end(store, database_url, dataset, step)
    assert (job.state, died) == (JobState.FAILED, 3)
    (waiting,) = entries(store)
    assert (waiting.state, waiting.tries, waiting.number) == (BatchState.RECEIVED, 3, 0)
    after = ingest(store, api.url, spool)
    assert after.state is JobState.SUCCEEDED, after.error
    assert (after.result.batch, after.result.gap) == (1, 0)
    assert states(store) == [(0, BatchState.CLOSED), (1, BatchState.STORED)]
    assert (Event.CLOSED, f"batch:{waiting.id}") in told(store)
    assert list(spool.glob("*.arrow")) == []


def test_a_database_that_goes_away_costs_no_try(
    store: Store, api: NextAnswers, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put(good(0))
    away = StoreUnavailable("The database did not answer as it should.")
    for _ in range(4):
        with monkeypatch.context() as patch:
            refuse(patch, away)
            patch.setattr("workers.steps.batch_attempts._answers", lambda _run: False)
            assert ingest(store, api.url, spool).state is JobState.FAILED
    (waiting,) = entries(store)
    assert (waiting.state, waiting.tries, waiting.excused) == (BatchState.RECEIVED, 4, 4)
    again = ingest(store, api.url, spool)
    assert again.result.batch == 0


def test_an_excuse_that_the_database_could_not_take_is_kept_on_disk(
    store: Store, api: NextAnswers, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put(good(0))
    away = StoreUnavailable("The database did not answer as it should.")

    def gone(*_: Any) -> None:
        raise away

    with monkeypatch.context() as patch:
        refuse(patch, away)
        patch.setattr("workers.steps.batch_attempts._answers", lambda _run: False)
        patch.setattr("core.adapters.store.batches.Batches.excuse", gone)
        ingest(store, api.url, spool)
    assert len(list(spool.glob("*.excused"))) == 1
    assert ingest(store, api.url, spool).result.batch == 0
    assert [(b.tries, b.excused) for b in entries(store)] == [(2, 1)]
    ingest(store, api.url, spool)
    assert list(spool.iterdir()) == []


def test_a_batch_that_makes_the_database_go_away_is_closed_all_the_same() -> None:
    batch = build_batch(tries=15, excused=15)
    assert is_out_of_tries(batch, 3)
    assert not is_out_of_tries(build_batch(tries=14, excused=12), 3)


def build_batch(**values: Any) -> Batch:
    fields: dict[str, Any] = {
        "id": 1, "epoch": 1, "state": BatchState.RECEIVED, "number": None, "content_hash": "h",
        "spool": "e1-a.json", "bytes": 9, "received_at": build.NOON,
    }  # fmt: skip
    return Batch(**fields | values)


def test_a_batch_that_waits_does_not_hold_up_a_restart(
    store: Store, api: NextAnswers, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put(good(0), good(1), good(0))
    ingest(store, api.url, spool)
    with monkeypatch.context() as patch:
        refuse(patch, StoreUnavailable("full"))
        ingest(store, api.url, spool)
    job = ingest(store, api.url, spool, args={"restart_epoch": 1})
    assert (job.result.epoch, job.result.batch) == (2, 0), job.error
    assert states(store)[1] == (1, BatchState.SKIPPED)
    assert "/restart_data_generation" in api.asked


def test_figures_that_are_not_finite_are_kept_as_unknown(store: Store) -> None:
    inf = float("inf")
    batch = build.stored_batch(
        store, profiles=(build.profile("rides", std=inf, mean=1.0, grid=(1.0, inf)),)
    )
    with store.read() as work:
        (kept,) = work.batches.profile("batch", batch.id)
    assert (kept.mean, kept.std, kept.grid) == (1.0, None, ())


# Bounds on an answer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def gzipped(body: bytes) -> bytes:
    return whole(gzip.compress(body), "Content-Encoding: gzip")


QUICK = Limits(size=3_000_000, seconds=20, silence=5, rate=1000, window=0.5)


@pytest.mark.parametrize(
    ("answer", "limits", "why"),
    [
        (endless(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"), QUICK, "DATA_API_MAX_MB"),
        (gzipped(b" " * 50_000_000), QUICK, "DATA_API_MAX_MB"),
        (trickle(CHUNKED, b"1\r\n \r\n"), QUICK, "DATA_API_MIN_RATE"),
        (trickle(CHUNKED, b"1\r\n \r\n"), Limits(seconds=0.5, rate=0), "DATA_API_MAX_SECONDS"),
        (trickle(HEAD, b"X-A: b\r\n", 0.5), Limits(seconds=0.5), "DATA_API_MAX_SECONDS"),
    ],
    ids=["endless", "gzip", "trickle", "long", "trickled_head"],
)
def test_an_answer_beyond_a_bound_is_broken_off_with_its_reason(
    store: Store, api: NextAnswers, spool: Path, answer: Any, limits: Limits, why: str
) -> None:
    api.put(answer)
    job = ingest(store, api.url, spool, limits=limits)
    assert job.state is JobState.FAILED
    assert why in job.error
    assert "not known until the next batch" in job.error
    (entry,) = entries(store)
    assert entry.state is BatchState.INTERRUPTED
    assert entry.bytes <= QUICK.size
    (kept,) = spool.glob("*.lost")
    assert kept.stat().st_size <= KEPT_BYTES
    next_is_stored(store, api, spool, 0)
    assert entries(store)[0].state is BatchState.SETTLED


def test_an_endless_refusal_is_a_refusal(store: Store, api: NextAnswers, spool: Path) -> None:
    head = b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n"
    api.put(endless(head, b"10000\r\n" + b"x" * 65536 + b"\r\n"))
    assert "HTTP 500" in ingest(store, api.url, spool).error
    assert entries(store) == []


# Frozen in the middle of an answer


def test_an_answer_that_froze_is_settled_when_that_batch_comes(
    store: Store, api: NextAnswers, spool: Path
) -> None:
    api.put(silent(good(0)[:-20]))
    job = ingest(store, api.url, spool, seconds=0.3)
    assert "Whether the API counts that batch as delivered is not known" in job.error
    next_is_stored(store, api, spool, 0)
    assert states(store) == [(None, BatchState.SETTLED), (0, BatchState.STORED)]
    note = entries(store)[0].note
    assert note.startswith("Settled: ")
    assert "not known" not in note
    assert "broke off" in note


def test_a_restart_says_that_nobody_will_know_of_an_answer_that_froze(
    store: Store, api: NextAnswers, spool: Path
) -> None:
    api.put(good(0), silent(good(1)[:-20]), good(0))
    for args in ({}, {}, {"restart_epoch": 1}):
        ingest(store, api.url, spool, seconds=0.3, args=args)
    frozen = entries(store)[1]
    assert (frozen.epoch, frozen.state) == (1, BatchState.INTERRUPTED)
    assert "until the next batch" not in frozen.note
    assert frozen.note.endswith("The source was restarted before a next batch could show it.")


def test_an_answer_that_froze_is_lost_when_a_gap_shows(
    store: Store, api: NextAnswers, spool: Path
) -> None:
    api.put(good(0), silent(good(1)[:-20]), silent(good(1)[:-20]), good(2))
    for _ in range(4):
        ingest(store, api.url, spool, seconds=0.3)
    assert states(store) == [
        (0, BatchState.STORED),
        (None, BatchState.LOST),
        (None, BatchState.SETTLED),
        (2, BatchState.STORED),
    ]


# Content-Length


@pytest.mark.parametrize("length", ["{n}, {n}", "abc", "-5", "", "{n}, 9", "9" * 30, "1_0", "²"])
@pytest.mark.parametrize("then", [cut, silent], ids=["closes", "stays_open"])
def test_a_batch_that_arrived_whole_is_stored_whatever_its_length_is_said_to_be(
    store: Store, api: NextAnswers, spool: Path, length: str, then: Callable[[bytes], Speak]
) -> None:
    body = batch_body(0, [ROW] * 3)
    api.put(then(whole(body, length=length.format(n=len(body)))))
    job = ingest(store, api.url, spool, seconds=0.5)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result.stored == 3


# The spool


def test_what_killed_ingests_left_is_entered_or_cleared(
    store: Store, api: NextAnswers, spool: Path
) -> None:
    spool.mkdir()
    (spool / "e1-a.1.arrow").write_bytes(b"half")
    (spool / "e1-a.json.excused").touch()
    (spool / "notes.json").write_text("somebody's")
    (spool / "e1-b.part").write_bytes(b"x" * (KEPT_BYTES + 5))
    for n in range(120):
        (spool / f"e1-{n:03}.lost").touch()
    api.put(good(0))
    assert ingest(store, api.url, spool).result.batch == 0
    left = sorted(f.name for f in spool.iterdir() if f.suffix != ".lost")
    assert left == ["notes.json"]
    assert len(list(spool.glob("*.lost"))) == 100
    assert (spool / "e1-b.lost").stat().st_size == KEPT_BYTES
    assert states(store)[0] == (None, BatchState.SETTLED)


def test_an_interrupted_answer_is_entered_once_however_often_the_entry_is_killed(
    store: Store, api: NextAnswers, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.mkdir()
    (spool / "e1-a.part").write_bytes(b"{")

    class Killed(BaseException):
        pass

    def die_before_the_rename(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die_before_the_rename)
        with pytest.raises(Killed):
            ingest(store, api.url, spool)
    with store.begin() as work:
        (job,) = work.jobs.open()
        work.jobs.release(job.id, job.attempt)
        work.commit()
    with store.begin() as work:
        (overdue,) = work.jobs.overdue()
        work.jobs.take_over(overdue, 1)
        work.commit()
    next_is_stored(store, api, spool, 0)
    assert states(store) == [(None, BatchState.SETTLED), (0, BatchState.STORED)]


def test_a_full_disk_costs_no_answer(
    store: Store, api: NextAnswers, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put(good(0))
    with monkeypatch.context() as patch:
        patch.setattr("workers.steps.batch_attempts.LEAST_DISK", 1 << 60)
        assert "Make room; nothing was asked for" in ingest(store, api.url, spool).error
    assert api.asked == []
    assert ingest(store, api.url, spool).result.batch == 0


def test_a_disk_that_fills_up_with_an_answer_keeps_it_and_costs_no_try(
    store: Store, api: NextAnswers, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put(good(0))
    free = iter([1 << 60, 0])
    with monkeypatch.context() as patch:
        patch.setattr(
            "workers.steps.batch_attempts.shutil.disk_usage",
            lambda _: SimpleNamespace(free=next(free)),
        )
        job = ingest(store, api.url, spool)
    assert job.error.endswith("the batch was received before and waits to be stored.")
    assert [(b.state, b.tries) for b in entries(store)] == [(BatchState.RECEIVED, 0)]
    assert ingest(store, api.url, spool).result.batch == 0


def test_a_database_whose_disk_is_full_says_so_and_the_batch_is_stored_later(
    database_url: str, dataset: Dataset, api: NextAnswers, spool: Path
) -> None:
    if not database_url.startswith("sqlite"):
        return  # nothing but a real disk fills up a server
    small = Store.open(database_url, dataset)
    sa.event.listen(small.engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count = 150"))
    api.put(good(0, 20_000))
    job = ingest(small, api.url, spool)
    small.close()
    assert job.error.startswith("The disk of the database is full (database or disk is full). Make")
    store = Store.open(database_url, dataset)
    assert states(store) == [(0, BatchState.RECEIVED)]
    assert ingest(store, api.url, spool).result.stored == 20_000
    store.close()


def test_a_number_that_no_database_keeps_is_no_batch(
    store: Store, api: NextAnswers, spool: Path
) -> None:
    api.put(whole(batch_body(10**12, [ROW])), whole(json.dumps({"batch_number": 1}).encode()))
    assert "batch_number" in ingest(store, api.url, spool).error
    ingest(store, api.url, spool)
    next_is_stored(store, api, spool, 2)


def test_the_migration_finds_answers_that_broke_off(empty_database: str, dataset: Dataset) -> None:
    with writing(empty_database) as connection:
        upgrade(connection, "0007")
        for n, (state, digest) in enumerate(
            [("UNREADABLE", ""), ("UNREADABLE", "h"), ("STORED", "h"), ("UNREADABLE", "")], 1
        ):
            insert(
                connection, "batches", id=n, epoch=1, state=state, content_hash=digest,
                spool=f"{n}", bytes=1, received_at=build.NOON.replace(tzinfo=None), rows=0,
                stored=0, quarantined=0, gap=0, note="",
            )  # fmt: skip
        connection.commit()
    migrate(empty_database, dataset)
    store = Store.open(empty_database, dataset)
    assert [b.state for b in entries(store)] == [
        BatchState.LOST, BatchState.UNREADABLE, BatchState.STORED, BatchState.INTERRUPTED,
    ]  # fmt: skip
    store.close()
