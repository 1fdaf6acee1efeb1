"""Every wait for the database has a limit, and the database does not wait for a client for ever."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from unittest.mock import MagicMock

import pymysql
import pytest
import sqlalchemy as sa

from core.adapters.store import Store
from core.adapters.store.engine import _prepare_server, translated
from core.adapters.store.tables import jobs
from core.adapters.store.timeouts import CHANGING, LOOKING, WORKING, Timeouts, of_jobs
from core.domain.dataset import Dataset
from core.domain.errors import LeaseLost, StoreBusy, StoreUnavailable
from core.domain.job_results import SourceEnded
from core.domain.jobs import JobKind
from tests.campaign.wires import Mode, Wire
from tests.databases import fresh_database, migrated
from workers.runtime.job_run import Run

BRIEF = Timeouts(connect=1, answer=1, lock=1, idle=3)
PATIENT = Timeouts(connect=1, answer=30, lock=1, idle=3)
"""Like every setting that ships, it outlasts the server's own answer about a lock."""


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def ends(act: Callable[[], object]) -> Exception:
    """Do it in a thread, so that one that never ends fails the test; returns what it raised."""
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(act).exception(timeout=60)
    assert isinstance(found, Exception), found
    return found


def look(store: Store) -> int:
    with store.read() as work:
        return len(work.jobs.recent())


def test_a_server_without_a_greeting_times_out(dataset: Dataset) -> None:
    with silent_server() as port:
        store = Store.open(f"mysql+pymysql://root@127.0.0.1:{port}/x", dataset, BRIEF)
        assert isinstance(ends(lambda: look(store)), StoreUnavailable)
        store.close()


def test_a_server_that_stops_answering_times_out(mariadb: str, dataset: Dataset) -> None:
    url = fresh_database(mariadb)
    migrated(url, dataset)
    port = int(mariadb.rsplit(":", 1)[1])
    with Wire("database", port) as wire:
        store = Store.open(url.replace(f":{port}/", f":{wire.port}/"), dataset, BRIEF)
        assert look(store) == 0
        wire.turn(Mode.SILENT)
        assert isinstance(ends(lambda: look(store)), StoreUnavailable)
        store.close()


@pytest.fixture
def brief(database_url: str, store: Store, dataset: Dataset) -> Iterator[Store]:
    opened = Store.open(database_url, dataset, PATIENT)
    yield opened
    opened.close()


def a_run(store: Store) -> Run:
    with store.begin() as work:
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.commit()
    run = Run.claim(store, job.id, 1, timedelta(seconds=30))
    assert run is not None
    return run


def test_what_somebody_else_holds_is_waited_for_only_so_long(store: Store, brief: Store) -> None:
    run = a_run(store)
    with store.begin() as work:
        run.fence(work)
        other = Run(brief, run.job, run._owner, run._lease)
        assert isinstance(ends(other.still_held), StoreBusy)
        assert look(brief) == 1  # a look waits for nobody
    other.still_held()


def test_a_pool_without_a_free_connection_is_waited_for_only_so_long(brief: Store) -> None:
    with ExitStack() as stack:
        for _ in range(15):  # five, and ten more while they are needed
            stack.enter_context(brief.engine.connect())
        assert isinstance(ends(lambda: look(brief)), StoreUnavailable)
    assert look(brief) == 0


@pytest.fixture
def ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """MySQL ends idle connections after the same seconds as MariaDB: two minutes are too long."""
    monkeypatch.setattr("core.adapters.store.engine._UNTOLD_IDLE", 1)


@pytest.mark.usefixtures("ends_soon")
def test_a_transaction_whose_client_stands_still_is_ended_by_the_server(
    mariadb: str, dataset: Dataset
) -> None:
    url = fresh_database(mariadb)
    migrated(url, dataset)
    still, other = Store.open(url, dataset, PATIENT), Store.open(url, dataset, WORKING)
    run = a_run(still)
    with pytest.raises(StoreUnavailable), still.begin() as work:
        run.fence(work)
        work.jobs.log(run.job.id, "The work succeeded.")
        with other.begin() as meanwhile:  # waits until the server has ended the one that is still
            assert meanwhile.jobs.release(run.job.id, 1)
            (overdue,) = meanwhile.jobs.overdue()
            assert meanwhile.jobs.take_over(overdue, 3)
            meanwhile.commit()
        run.complete(work, SourceEnded())
    with pytest.raises(LeaseLost):
        run.still_held()
    with other.read() as work:
        assert work.jobs.lines(run.job.id) == []
    still.close()
    other.close()


@pytest.mark.whole
@pytest.mark.usefixtures("ends_soon")
def test_a_row_locked_without_a_change_is_let_go_too(mariadb: str, dataset: Dataset) -> None:
    """For the server such a transaction only reads, and yet nobody else gets the row."""
    url = fresh_database(mariadb)
    migrated(url, dataset)
    still, other = Store.open(url, dataset, PATIENT), Store.open(url, dataset, WORKING)
    run = a_run(still)
    let_go = False
    with pytest.raises(StoreUnavailable), still.begin() as work:
        work._connection.execute(sa.update(jobs).values(kind=jobs.c.kind))
        with other.begin() as meanwhile:
            let_go = meanwhile.jobs.release(run.job.id, 1)
            meanwhile.commit()
        run.fence(work)
    assert let_go
    still.close()
    other.close()


def test_a_job_outlasts_a_page_that_stands_still_and_ends_with_its_lease() -> None:
    assert LOOKING.idle is not None
    assert LOOKING.idle < WORKING.lock
    assert of_jobs(30.0).idle == 30
    assert of_jobs(3.9).idle == 3
    assert CHANGING.answer is None


@pytest.mark.parametrize(
    ("version", "lease", "limits"),
    [
        (
            "5.5.5-10.11.6-MariaDB",
            30,
            {"idle_write_transaction_timeout": 30, "idle_readonly_transaction_timeout": 60},
        ),
        ("8.4.3", 30, {"wait_timeout": 120}),  # MySQL ends any connection that is idle for so long
        ("8.0.39", 300, {"wait_timeout": 300}),
    ],
)
def test_each_kind_of_server_gets_the_idle_limit_that_it_has(
    version: str, lease: int, limits: dict[str, int]
) -> None:
    connection = MagicMock()
    connection.get_server_info.return_value = version
    _prepare_server(connection, of_jobs(lease))
    cursor = connection.cursor.return_value.__enter__.return_value
    (statement,) = cursor.execute.call_args.args
    sent = dict(part.split(" = ") for part in statement.removeprefix("SET SESSION ").split(", "))
    locks = {"innodb_lock_wait_timeout": 60, "lock_wait_timeout": 60, "net_read_timeout": lease}
    assert sent == {name: str(seconds) for name, seconds in (locks | limits).items()}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1021, "Disk full (/tmp/#sql); waiting for someone to free some space..."),
        (1114, "The table 'rows' is full"),
        (1030, 'Got error 28 "No space left on device" from storage engine InnoDB'),
    ],
)
def test_a_server_whose_disk_is_full_is_named_as_one(code: int, text: str) -> None:
    with pytest.raises(StoreUnavailable, match="disk of the database is full"), translated():
        raise sa.exc.OperationalError("INSERT", {}, pymysql.err.OperationalError(code, text))


@pytest.mark.parametrize(
    "error",
    [
        pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query"),
        pymysql.err.InterfaceError(0, ""),
        sqlite3.OperationalError("disk I/O error"),
    ],
)
def test_a_drivers_own_error_is_told_as_one_of_the_database(error: Exception) -> None:
    """SQLAlchemy passes on what fails while it sets a connection's isolation level."""
    with pytest.raises(StoreUnavailable, match="did not answer as it should"), translated():
        raise error


def test_a_busy_file_is_named_as_one(tmp_path: Path, dataset: Dataset) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrated(url, dataset)
    one, other = Store.open(url, dataset), Store.open(url, dataset, BRIEF)
    with one.begin(), pytest.raises(StoreBusy, match="Another process holds"), other.begin():
        pytest.fail("both write at once")
    one.close()
    other.close()
