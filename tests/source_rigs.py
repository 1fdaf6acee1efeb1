"""Sources with something behind them that delivers houses, for the contract of the port.

Each rig says in `SAYS` what a person reads in each kind of trouble, and above it why it lacks one.
"""

from __future__ import annotations

import gzip
import io
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from console.actions import uploads
from console.desk import Desk
from core.adapters import filesystem
from core.adapters.filesystem import open_url
from core.adapters.store import Store
from core.adapters.store.tables import rows_table
from core.domain.errors import BadInput
from core.domain.job_results import NoNewBatch, SourceEnded
from core.domain.jobs import Job, JobKind, JobState
from core.domain.sources import DataApiSource, FilesSource, SqlSource, UploadSource
from core.domain.sources import Source as SourceOptions
from core.platform.settings import Settings
from tests.answers import NextAnswers, batch_body, endless, next_answers, silent, trickle, whole
from tests.build import somebody
from tests.databases import drop_databases, fresh_database
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.object_store import BUCKET
from tests.stacks import free_port
from tests.work import LEASE, OneStep
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run
from workers.sources import sql_limits
from workers.sources.data_api import DataApi
from workers.sources.files import Files
from workers.sources.http_exchange import Limits
from workers.sources.port import Source
from workers.sources.sql import Query
from workers.sources.upload import Uploads
from workers.steps.ingest import Ingest

MOST_BYTES = 100_000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"10000\r\n" + b" " * 65536 + b"\r\n"


class Rig:
    """A source, what it has delivered, and a worker on `store` that ingests it."""

    SAYS: ClassVar[dict[str, str]]
    NEXT: ClassVar[str]
    """What a check says of the next batch, of two rows."""
    options: SourceOptions

    def __init__(self, store: Store, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.store, self.folder, self.patch = store, folder, patch
        self.spool = folder / "spool"
        self.prices: list[float] = []
        self.handed_over: list[bytes] = []
        """The bytes of each batch, of a source that has them as bytes."""

    def source(self) -> Source:
        """The source, as a process has it that has just started."""
        raise NotImplementedError

    def deliver(self, count: int) -> None:
        """Put the next batch where the source finds it."""
        raise NotImplementedError

    def trouble(self, kind: str) -> AbstractContextManager[object]:
        """The source in such a state; afterwards it is well again."""
        meant: AbstractContextManager[object] = getattr(self, kind)()
        return meant

    def houses(self, count: int) -> list[list[Any]]:
        """Rows that the source will deliver, each with a price of its own."""
        prices = [1000.5 + len(self.prices) + n for n in range(count)]
        self.prices += prices
        return [house(price) for price in prices]

    @property
    def step(self) -> Ingest:
        dataset = replace(self.store.dataset, source=self.options)
        return Ingest(
            self.source(), self.spool, dataset, False, lambda _job: None, lambda _job: False,
            retain_epochs=9, most_bytes=MOST_BYTES,
        )  # fmt: skip

    def claimed(self) -> Run:
        """The ingest that is open, or a new one, in a worker's hands."""
        with self.store.begin() as work:
            open_jobs = [job for job in work.jobs.open() if job.kind is JobKind.INGEST]
            job = open_jobs[0] if open_jobs else work.jobs.request(JobKind.INGEST, {}, "ana")[0]
            work.commit()
        run = Run.claim(self.store, job.id, job.attempt, LEASE)
        assert run is not None
        return run

    def ingest(self) -> Job:
        run = self.claimed()
        run_to_its_end(run, OneStep(self.step))  # type: ignore[arg-type]
        with self.store.read() as work:
            return work.jobs.get(run.job.id)

    def said(self) -> str:
        """Ingest once; what a person reads about it."""
        job = self.ingest()
        with self.store.read() as work:
            newest = work.batches.ledger()[0]
            reasons = {row.reason for row in work.batches.quarantined(newest.id, 5)}
        return " ".join([job.error, getattr(job.result, "note", ""), *reasons])

    def take_all(self) -> Job:
        """Ingest until nothing is new."""
        for _ in range(9):
            job = self.ingest()
            assert job.state is JobState.SUCCEEDED, job.error
            if isinstance(job.result, NoNewBatch | SourceEnded):
                return job
        raise AssertionError("the source never ends")

    def stored(self) -> list[float]:
        """The prices in the table."""
        table = rows_table(self.store.dataset)
        with self.store.engine.connect() as connection:
            return sorted(connection.execute(sa.select(table.c.price)).scalars())


def house(price: float) -> list[Any]:
    return ["1", "for_sale", price, 3, 2, 0.1, "5", "Avon", "Ohio", "44011", 900.0, None]


class DataApiRig(Rig):
    """A data API; a check cannot know its next batch, since asking would advance its cursor."""

    options = DataApiSource()
    NEXT = "Its next batch is not known"
    SAYS: ClassVar = {
        "away": r"data API at http://127.0.0.1:\d+ cannot be reached\. Check DATA_API_URL",
        "silent": r"broke off after 0 bytes\. Whether the API counts that batch as delivered is",
        "slow": "came slower than 1 kB/s .*DATA_API_MIN_RATE",
        "endless": r"larger than 3,000,000 bytes \(DATA_API_MAX_MB\)",
        "empty": "empty",
        "columns": "price: not in the row",
        "twice": "Batch 0 came again with the same content; nothing was added",
        "conflict": "Batch 0 came again with other content; .* the new bytes are in the spool",
    }

    def __init__(self, api: NextAnswers, *others: Any) -> None:
        super().__init__(*others)
        self._api, self._url, self._limits, self._number = api, api.url, Limits(silence=20), 0

    def source(self) -> Source:
        return DataApi(self._url, 7, "", self._limits, self.options)

    def deliver(self, count: int) -> None:
        self._answer(batch_body(self._number, self.houses(count)))
        self._number += 1

    def _answer(self, body: bytes) -> None:
        self.handed_over.append(body)
        self._api.put(whole(body))

    @contextmanager
    def away(self) -> Iterator[None]:
        self._url = f"http://127.0.0.1:{free_port()}"
        yield
        self._url = self._api.url

    @contextmanager
    def _limited(self, answer: Any, limits: Limits) -> Iterator[None]:
        self._limits = limits
        self._api.put(answer)
        yield
        self._limits = Limits(silence=20)

    def silent(self) -> AbstractContextManager[None]:
        return self._limited(silent(), Limits(silence=0.3))

    def slow(self) -> AbstractContextManager[None]:
        return self._limited(
            trickle(CHUNKED, b"1\r\n \r\n"), Limits(silence=5, rate=1000, window=0.5)
        )

    def endless(self) -> AbstractContextManager[None]:
        return self._limited(endless(CHUNKED, PIECE), Limits(size=3_000_000))

    def empty(self) -> AbstractContextManager[None]:
        return nullcontext(self._answer(b""))

    def columns(self) -> AbstractContextManager[None]:
        names = [name for name in self.store.dataset.source_names if name != "price"]
        rows = [dict.fromkeys(names, 1)] * 2
        self._number += 1
        return nullcontext(self._answer(batch_body(self._number - 1, rows)))

    def twice(self) -> AbstractContextManager[None]:
        return nullcontext(self._answer(self.handed_over[0]))

    def conflict(self) -> AbstractContextManager[None]:
        return nullcontext(self._answer(batch_body(0, [house(7.0)])))


class FilesRig(Rig):
    """A folder.

    It is never silent or slow: a read of a local disk cannot be given up, only its process.
    """

    NEXT = r"The next batch is \d+\.csv: \d+ bytes, csv\."
    SAYS: ClassVar = {
        "away": r"The folder .*/in does not exist\. Create it, or correct url",
        "endless": r"more than 100,000 bytes once decompressed \(FILE_MAX_MB\)",
        "empty": r"The batch is empty\. Its first line must name the columns",
        "columns": "lacks price",
        "twice": r"0\.csv\) came again with the same content.*; nothing was added",
        "conflict": r"0\.csv\) came again with other content; .* the new bytes are in the spool",
    }

    def __init__(self, *others: Any) -> None:
        super().__init__(*others)
        self.inbox = self.folder / "in"
        self.inbox.mkdir()
        self._age = 3600

    @property
    def options(self) -> FilesSource:  # type: ignore[override]
        return FilesSource(f"{self.inbox}/*")

    def source(self) -> Source:
        return Files(self.options)

    def put(self, name: str, content: bytes) -> None:
        """A file that was complete long ago, each younger than the one before."""
        (self.inbox / name).write_bytes(content)
        self._age -= 1
        os.utime(self.inbox / name, (time.time() - self._age,) * 2)

    def deliver(self, count: int) -> None:
        self._put_next(csv_of(self.store, self.houses(count)))

    def _put_next(self, content: bytes, ending: str = "csv") -> None:
        self.handed_over.append(content)
        self.put(f"{len(self.handed_over) - 1:02}.{ending}", content)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.deliver(1)
        hidden = self.inbox.rename(self.folder / "hidden")
        yield
        hidden.rename(self.inbox)

    def endless(self) -> AbstractContextManager[None]:
        return nullcontext(self._put_next(bomb(self.store), "csv.gz"))

    def empty(self) -> AbstractContextManager[None]:
        return nullcontext(self._put_next(b""))

    def columns(self) -> AbstractContextManager[None]:
        return nullcontext(
            self._put_next(csv_of(self.store, [house(1)]).replace(b"price", b"cost"))
        )

    def twice(self) -> AbstractContextManager[None]:
        return nullcontext(self.put("00.csv", self.handed_over[0]))

    def conflict(self) -> AbstractContextManager[None]:
        return nullcontext(self.put("00.csv", csv_of(self.store, [house(7)])))


class ObjectsRig(FilesRig):
    """Files of an object store; its limits of time are those of one request, so it is not slow."""

    SAYS: ClassVar = FilesRig.SAYS | {
        "away": "s3://desk/.* cannot be listed: .* Check that it can be reached and read with the",
        "silent": "s3://desk/.* cannot be listed: .* Check that it can be reached and read with",
        "twice": "4 files received before|1 file received before",
    }

    def __init__(self, *others: Any) -> None:
        super().__init__(*others)
        self._url = f"s3://{BUCKET}/{self.folder.name}"

    @property
    def options(self) -> FilesSource:  # type: ignore[override]
        return FilesSource(f"{self._url}/in/*")

    def source(self) -> Source:
        return Files(self.options, lambda: time.time() + 3600)

    def put(self, name: str, content: bytes) -> None:
        fs, root = open_url(self._url)
        fs.pipe_file(f"{root}/in/{name}", content)

    @contextmanager
    def away(self, url: str = "") -> Iterator[None]:
        self.deliver(1)
        with self.patch.context() as patch:
            patch.setattr(filesystem, "_RETRIES", 0)
            patch.setattr(filesystem, "_REQUEST_SECONDS", timedelta(seconds=1))
            patch.setenv("AWS_ENDPOINT_URL", url or f"http://127.0.0.1:{free_port()}")
            yield

    @contextmanager
    def silent(self) -> Iterator[None]:
        with silent_port() as port, self.away(f"http://127.0.0.1:{port}"):
            yield


class QueryRig(Rig):
    """A table of SQLite.

    Rows behind the watermark are never read again, so nothing comes twice, and a row that changes
    is no conflict. A query that is slow or never ends is one that does not answer.
    """

    NEXT = r"New rows by sold_at( after .*)?: 2\. The next batch has all of them"
    SAYS: ClassVar = {
        "away": "The database at WAREHOUSE_URL cannot be reached: .* Nothing was lost",
        "silent": r"The database at WAREHOUSE_URL did not answer within 0\.2 s\. Nothing was lost",
        "empty": "No row has a sold_at after",
        "columns": "no column price; its columns are .* cost",
    }
    options = SqlSource("WAREHOUSE_URL", "homes", "sold_at")

    def __init__(self, url: str, *others: Any) -> None:
        super().__init__(*others)
        self.url, self._day = url, 0
        names = self.store.dataset.source_names
        types = ["DOUBLE" if isinstance(v, float | int) else "VARCHAR(20)" for v in house(1)]
        columns = ", ".join(f"{name} {type_}" for name, type_ in zip(names, types, strict=True))
        self._run(f"CREATE TABLE homes ({columns}, sold_at INTEGER)")

    def _run(self, statement: str, values: list[dict[str, Any]] | None = None) -> None:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def source(self) -> Source:
        return Query(self.options, self.url)

    def deliver(self, count: int) -> None:
        self._sell(self.houses(count))

    def _sell(self, rows: list[list[Any]]) -> None:
        """Rows with one time."""
        self._day += 1
        names = [f"v{n}" for n in range(len(rows[0]) + 1)]
        values = [dict(zip(names, [*row, self._day], strict=True)) for row in rows]
        self._run(f"INSERT INTO homes VALUES ({', '.join(f':{n}' for n in names)})", values)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.deliver(1)
        well, self.url = self.url, f"sqlite:///{self.folder}/no-folder/warehouse.db"
        yield
        self.url = well

    @contextmanager
    def silent(self) -> Iterator[None]:
        self.deliver(1)
        over = Event()

        def hangs(_engine: Any, *_: Any) -> None:
            over.wait()

        with self.patch.context() as patch:
            patch.setattr(sql_limits, "MOST_SECONDS", 0.2)
            sa.event.listen(sa.Engine, "do_connect", hangs)
            try:
                yield
            finally:
                sa.event.remove(sa.Engine, "do_connect", hangs)
                over.set()

    def empty(self) -> AbstractContextManager[None]:
        return nullcontext(self._run("DELETE FROM homes"))

    @contextmanager
    def columns(self) -> Iterator[None]:
        self._sell([house(1)])
        self._run("ALTER TABLE homes RENAME COLUMN price TO cost")
        yield
        self._run("ALTER TABLE homes RENAME COLUMN cost TO price")


class ServerQueryRig(QueryRig):
    """A table of a database server."""

    SAYS: ClassVar = QueryRig.SAYS | {
        "silent": r"The database at WAREHOUSE_URL broke off: .*timed out.* Nothing was lost",
    }

    @contextmanager
    def away(self, port: int = 0) -> Iterator[None]:
        self.deliver(1)
        there = sa.make_url(self.url).set(host="127.0.0.1", port=port or free_port(), query={})
        well, self.url = self.url, there.render_as_string(hide_password=False)
        yield
        self.url = well

    @contextmanager
    def silent(self) -> Iterator[None]:
        with self.patch.context() as patch, silent_port() as port, self.away(port):
            patch.setattr(sql_limits, "_CONNECT_SECONDS", 1)
            patch.setattr(sql_limits, "_ANSWER_SECONDS", 1)
            yield


class UploadRig(Rig):
    """Files of people.

    There is nothing to ask that could be away, silent or slow, and a name is only a label, so two
    files of one name are no conflict.
    """

    NEXT = "files that people upload; there is nothing to ask"
    SAYS: ClassVar = {
        "endless": r"has more than 1 MB\. Raise FILE_MAX_MB",
        "empty": "The file is empty",
        "columns": "lacks price",
        "twice": r"0\.csv\) came again with the same content.*; nothing was added",
    }
    options = UploadSource()

    def __init__(self, *others: Any) -> None:
        super().__init__(*others)
        dataset = replace(self.store.dataset, source=self.options)
        settings = Settings(_env_file=None, data_dir=self.folder, file_max_mb=1)
        outside: Any = (FakeQueue(), FakeRegistry(), FakeServing())
        self.desk = Desk(settings, dataset, self.store, *outside)
        self._refusal = ""

    def source(self) -> Source:
        return Uploads()

    def deliver(self, count: int) -> None:
        self._upload_next(csv_of(self.store, self.houses(count)))

    def _upload_next(self, content: bytes) -> None:
        self.handed_over.append(content)
        self._upload(f"{len(self.handed_over) - 1:02}.csv", content)

    def again(self) -> None:
        """A person uploads the last file once more."""
        self._upload(f"{len(self.handed_over) - 1:02}.csv", self.handed_over[-1])

    def _upload(self, name: str, content: bytes) -> None:
        uploads.upload(self.desk, somebody("ana"), io.BytesIO(content), name)

    def said(self) -> str:
        return self._refusal or super().said()

    @contextmanager
    def _refused(self, content: bytes) -> Iterator[None]:
        with pytest.raises(BadInput) as refused:
            self._upload("x.csv", content)
        self._refusal = str(refused.value)
        yield
        self._refusal = ""

    def endless(self) -> AbstractContextManager[None]:
        return self._refused(b"x" * 1_000_001)

    def empty(self) -> AbstractContextManager[None]:
        return self._refused(b"")

    def columns(self) -> AbstractContextManager[None]:
        content = csv_of(self.store, [house(1)]).replace(b"price", b"cost")
        return nullcontext(self._upload_next(content))

    def twice(self) -> AbstractContextManager[None]:
        return nullcontext(self._upload("00.csv", self.handed_over[0]))


def csv_of(store: Store, rows: list[list[Any]]) -> bytes:
    lines = [["" if value is None else str(value) for value in row] for row in rows]
    return "\n".join(map(",".join, [list(store.dataset.source_names), *lines])).encode()


def bomb(store: Store) -> bytes:
    """A CSV of more than `MOST_BYTES`, compressed to a fraction of that."""
    return gzip.compress(csv_of(store, [house(1)] * 3_000))


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


RIGS: dict[str, type[Rig]] = {
    "data_api": DataApiRig,
    "files": FilesRig,
    "files_s3": ObjectsRig,
    "sql": QueryRig,
    "sql_mariadb": ServerQueryRig,
    "upload": UploadRig,
}


@contextmanager
def rigged(name: str, request: pytest.FixtureRequest, store: Store, folder: Path) -> Iterator[Rig]:
    """The rig of that name, with the server that it needs."""
    more = (store, folder, request.getfixturevalue("monkeypatch"))
    match name:
        case "data_api":
            with next_answers() as api:
                yield DataApiRig(api, *more)
        case "files":
            yield FilesRig(*more)
        case "files_s3":
            for key, value in request.getfixturevalue("object_store").items():
                more[2].setenv(key, value)
            yield ObjectsRig(*more)
        case "sql":
            yield QueryRig(f"sqlite:///{folder / 'warehouse.db'}", *more)
        case "sql_mariadb":
            server = request.getfixturevalue("mariadb")
            yield ServerQueryRig(fresh_database(server), *more)
            drop_databases(server)
        case _:
            yield UploadRig(*more)
