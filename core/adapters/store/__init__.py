"""The store: all persistent data, behind one unit of work.

`Store.begin()` opens a transaction and returns a `Work`, with one part per subject; it rolls back
unless `Work.commit()` is called, which `Store.transaction()` does. `Store.read()` is for reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from core.adapters.store.audit import Audit
from core.adapters.store.batches import Batches
from core.adapters.store.dataset_columns import require_columns
from core.adapters.store.deliveries import Deliveries
from core.adapters.store.desk_work import DeskWork
from core.adapters.store.dossiers import Dossiers
from core.adapters.store.drift import Drift
from core.adapters.store.engine import WRITE, make_engine, snapshot, translated
from core.adapters.store.expired import Expired
from core.adapters.store.feedback import Feedback
from core.adapters.store.force_requests import ForceRequests
from core.adapters.store.forward_scores import ForwardScores
from core.adapters.store.held_batches import HeldBatches
from core.adapters.store.job_search import JobSearch
from core.adapters.store.jobs import Jobs
from core.adapters.store.limits import Limits
from core.adapters.store.metrics_snapshot import Metrics, MetricsSnapshot
from core.adapters.store.notifications import Notifications
from core.adapters.store.predictions import Predictions
from core.adapters.store.promotions import Promotions
from core.adapters.store.quarantine import Quarantine
from core.adapters.store.replicas import Replicas
from core.adapters.store.schedules import Schedules
from core.adapters.store.schema_version import require
from core.adapters.store.scope import DATASET, EVERY
from core.adapters.store.scores import Scores
from core.adapters.store.tables import rows_table
from core.adapters.store.timeouts import WORKING, Timeouts
from core.adapters.store.traffic import Traffic
from core.adapters.store.training_lineage import Lineage
from core.domain.dataset import Dataset
from core.rules.access.roles import Actor

if TYPE_CHECKING:
    import pyarrow as pa

    from core.adapters.store.rows import Rows
    from core.adapters.store.staged_rows import StagedRows


def utc_now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


class Work:
    """One transaction, with the tables by subject."""

    def __init__(
        self,
        connection: sa.Connection,
        dataset: Dataset,
        rows_table: sa.Table,
        now: datetime,
        by: Actor | None = None,
    ) -> None:
        self._connection = connection
        self.dataset = dataset
        self._rows_table = rows_table
        self.now = now
        self.audit = Audit(connection, now, by, dataset=dataset.name)
        self.batches = Batches(connection, now)
        self.deliveries = Deliveries(connection, now)
        self.dossiers = Dossiers(connection, now)
        self.drift = Drift(connection, now)
        self.feedback = Feedback(connection, now)
        self.job_search = JobSearch(connection, now)
        self.holds = HeldBatches(connection, self.batches, now)
        self.jobs = Jobs(connection, now)
        self.limits = Limits(connection, now)
        self.lineage = Lineage(connection, now)
        self.notifications = Notifications(connection, now)
        self.force_requests = ForceRequests(connection, now)
        self.forward_scores = ForwardScores(connection, now)
        self.predictions = Predictions(connection, now)
        self.promotions = Promotions(connection, now)
        self.quarantine = Quarantine(connection, now)
        self.replicas = Replicas(connection, now)
        self.schedules = Schedules(connection, now)
        self.scores = Scores(connection, now)
        self.traffic = Traffic(connection, now)

    @cached_property
    def rows(self) -> Rows:
        """The dataset's rows; imported on first use, because Arrow takes a while to import."""
        from core.adapters.store.rows import Rows  # noqa: PLC0415

        return Rows(self._connection, self.dataset, self._rows_table)

    @cached_property
    def expired(self) -> Expired:
        """Data past its retention."""
        return Expired(self._connection, self.rows, self.now)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """A part whose changes are taken back where it raises, while the rest is kept."""
        with self._connection.begin_nested():
            yield

    def abandon(self) -> None:
        """Discard the connection, whose state is unknown after an aborted statement."""
        self._connection.invalidate()

    def metrics_snapshot(self) -> MetricsSnapshot:
        """The pipeline's metrics."""
        return Metrics(self._connection, self.now).read()

    def commit(self) -> None:
        """Commit; the audit trail is written last."""
        self.audit.flush()
        self._connection.commit()


class Store:
    """A database, opened for one dataset: everything but `desk` sees and changes its rows alone.

    `engine` has connections for that dataset. The first transaction checks the schema version.
    """

    def __init__(
        self, engine: sa.Engine, dataset: Dataset, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.engine = engine.execution_options(**{DATASET: dataset.name})
        self.dataset = dataset
        self._clock = clock
        self._rows_table = rows_table(dataset)
        self._fits = False

    @classmethod
    def open(cls, url: str, dataset: Dataset, timeouts: Timeouts = WORKING) -> Store:
        """A store on a database URL; it connects on first use."""
        return cls(make_engine(url, timeouts), dataset)

    def for_dataset(self, dataset: Dataset) -> Store:
        """The same database, opened for another dataset; both share their connections."""
        return Store(self.engine, dataset, self._clock)

    @contextmanager
    def begin(self, by: Actor | None = None) -> Iterator[Work]:
        """A unit of work that rolls back unless it is committed.

        `by` is the acting person, whose role every audit row has.

        Raises:
            StoreUnavailable: the database is unavailable, locked for too long, or full.
            SchemaMismatch: its tables are of another version.
        """
        with translated(self.engine), self.engine.connect() as connection:
            writing = connection.execution_options(**{WRITE: True})
            self._look(writing)
            yield self._work(writing, by)

    @contextmanager
    def transaction(self, by: Actor | None = None) -> Iterator[Work]:
        """As `begin`, and committed at the end of the block unless that raises."""
        with self.begin(by) as work:
            yield work
            work.commit()

    @contextmanager
    def read(self) -> Iterator[Work]:
        """A consistent, read-only snapshot.

        Raises:
            StoreUnavailable: the database is unavailable.
            SchemaMismatch: its tables are of another version.
        """
        with snapshot(self.engine) as connection:
            self._look(connection)
            yield self._work(connection)

    @contextmanager
    def desk(self) -> Iterator[DeskWork]:
        """A consistent, read-only snapshot of all datasets.

        Raises:
            StoreUnavailable: the database is unavailable.
            SchemaMismatch: its tables are of another version.
        """
        with snapshot(self.engine) as connection:
            require(connection)
            yield DeskWork(connection.execution_options(**{DATASET: EVERY}), self._clock())

    @contextmanager
    def desk_transaction(self, by: Actor | None = None) -> Iterator[DeskWork]:
        """A unit of work over all datasets, committed at the end of the block unless that raises.

        Raises:
            StoreUnavailable: the database is unavailable, locked for too long, or full.
            SchemaMismatch: its tables are of another version.
        """
        with translated(self.engine), self.engine.connect() as connection:
            writing = connection.execution_options(**{WRITE: True, DATASET: EVERY})
            require(writing)
            desk = DeskWork(writing, self._clock(), by)
            yield desk
            desk.audit.flush()
            writing.commit()

    def prepared(
        self, path: Path, chunks: Iterable[pa.RecordBatch]
    ) -> Iterable[pa.RecordBatch] | StagedRows:
        """Rows for `Rows.load`, prepared as far as possible before the transaction begins.

        SQLite has one write lock for the whole database, so all rows are read and written to the
        file `path` first, which the caller deletes. Other databases lock the new rows only, so
        there the rows are read while they load.

        Raises:
            OSError: `path` cannot be written.
        """
        if self.engine.dialect.name != "sqlite":
            return chunks
        from core.adapters.store.staged_rows import stage  # noqa: PLC0415 - as for `rows`

        return stage(path, chunks)

    def _work(self, connection: sa.Connection, by: Actor | None = None) -> Work:
        return Work(connection, self.dataset, self._rows_table, self._clock(), by)

    def _look(self, connection: sa.Connection) -> None:
        if not self._fits:
            require(connection)
            if sa.inspect(connection).has_table(self._rows_table.name):
                require_columns(connection, self._rows_table)
            self._fits = True

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
