"""The store: everything that must last, behind one unit of work.

`Store.begin()` opens a transaction and hands out a `Work`, whose parts are the tables by
subject; nothing is kept unless `Work.commit()` is called. `Store.read()` is for looking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa

from core.dataset import Dataset
from core.roles import Actor
from core.store.audit import Audit
from core.store.batches import Batches
from core.store.dossiers import Dossiers
from core.store.drift import Drift
from core.store.engine import WRITE, make_engine, translated
from core.store.expired import Expired
from core.store.feedback import Feedback
from core.store.figures import Figures, read_figures
from core.store.history import History
from core.store.jobs import Jobs
from core.store.limits import Limits
from core.store.notify import Notify
from core.store.oversight import Oversight
from core.store.predictions import Predictions
from core.store.promotions import Promotions
from core.store.replicas import Replicas
from core.store.revision import require
from core.store.rows import Rows
from core.store.schedules import Schedules
from core.store.scores import Scores
from core.store.traffic import Traffic


def utc_now() -> datetime:
    """The time, as every record keeps it."""
    return datetime.now(UTC)


class Work:
    """One transaction, and the tables as seen from inside it."""

    def __init__(
        self,
        connection: sa.Connection,
        dataset: Dataset,
        now: datetime,
        by: Actor | None = None,
    ) -> None:
        self._connection = connection
        self.now = now
        self.audit = Audit(connection, now, by)
        self.batches = Batches(connection, now)
        self.dossiers = Dossiers(connection, now)
        self.drift = Drift(connection, now)
        self.expired = Expired(connection)
        self.feedback = Feedback(connection)
        self.history = History(connection)
        self.jobs = Jobs(connection, now)
        self.limits = Limits(connection, now)
        self.notify = Notify(connection, now)
        self.oversight = Oversight(connection, now)
        self.predictions = Predictions(connection)
        self.promotions = Promotions(connection, now)
        self.replicas = Replicas(connection, now)
        self.rows = Rows(connection, dataset)
        self.schedules = Schedules(connection, now)
        self.scores = Scores(connection, now)
        self.traffic = Traffic(connection, now)

    def figures(self) -> Figures:
        """Where the pipeline stands, for those who measure it."""
        return read_figures(self._connection, self.now)

    def commit(self) -> None:
        """Keep everything that was written since `begin`; the audit trail goes last."""
        self.audit.flush()
        self._connection.commit()


class Store:
    """A database and the dataset whose rows it holds.

    It works on a database of this version's shape alone: the first transaction looks.
    """

    def __init__(
        self, engine: sa.Engine, dataset: Dataset, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.engine = engine
        self.dataset = dataset
        self._clock = clock
        self._fits = False

    @classmethod
    def open(cls, url: str, dataset: Dataset) -> Store:
        """A store on the database of that URL; it connects on first use."""
        return cls(make_engine(url), dataset)

    @contextmanager
    def begin(self, by: Actor | None = None) -> Iterator[Work]:
        """A unit of work that rolls back unless it is committed.

        `by` is the person at whose word it is done: every audit row keeps their role.

        Raises:
            StoreUnavailable: the database is away, locked for too long, or full.
            SchemaMismatch: its tables are of another version.
        """
        with translated(), self.engine.connect() as connection:
            writing = connection.execution_options(**{WRITE: True})
            self._look(writing)
            yield Work(writing, self.dataset, self._clock(), by)

    @contextmanager
    def read(self) -> Iterator[Work]:
        """A consistent look; it writes nothing.

        Raises:
            StoreUnavailable: the database is away.
            SchemaMismatch: its tables are of another version.
        """
        with translated(), self.engine.connect() as connection:
            if connection.dialect.name != "sqlite":  # where every transaction is a snapshot
                connection.execution_options(isolation_level="REPEATABLE READ")
            self._look(connection)
            yield Work(connection, self.dataset, self._clock())

    def _look(self, connection: sa.Connection) -> None:
        if not self._fits:
            require(connection)
            self._fits = True

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()
