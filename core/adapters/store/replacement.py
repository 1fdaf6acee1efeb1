"""Restored rows in the place of those that are there: of the whole desk, or of one dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from core.adapters.store.audit import Audit
from core.adapters.store.dump import (
    PAGE,
    Shape,
    carried_tables,
    named_table,
    read_rows,
    shape_of,
)
from core.adapters.store.engine import WRITE, translated
from core.adapters.store.held_numbers import NOBODY, HeldNumbers
from core.adapters.store.scope import DATASET, EVERY, is_scoped
from core.adapters.store.tables import (
    audit,
    audit_head,
    batches,
    column_profiles,
    datasets,
    drift_limits,
    drift_reports,
    follow_ups,
    force_requests,
    job_logs,
    jobs,
    live_windows,
    metadata,
    notifications,
    promotions,
    quarantine,
    rows_table,
    schedules,
)
from core.domain.dataset import Dataset
from core.domain.errors import BackupUnusable, NotEmpty
from core.domain.jobs import JobState
from core.rules.access.roles import Actor
from core.rules.ops.audit_chain import Break
from core.rules.ops.restored_trail import RESTORE

_RENUMBERED = frozenset(
    table.name
    for table in (
        column_profiles, drift_limits, follow_ups, force_requests, job_logs, notifications,
        promotions, quarantine, schedules,
    )
)  # fmt: skip
"""Tables whose ids are in no other row: where another dataset has one by now, rows get new ones."""

REFERRED_TO = frozenset(table.name for table in (batches, drift_reports, jobs, live_windows))
"""Tables whose ids other rows, the audit trail and MLflow name."""


class Replacement:
    """One transaction that replaces rows.

    All rows of these datasets and of the whole desk, or with `only` those of one dataset: then the
    other datasets, what belongs to the whole desk, and the audit trail stay.
    """

    def __init__(
        self, connection: sa.Connection, datasets: Sequence[Dataset], only: str = ""
    ) -> None:
        self._connection = connection
        self._datasets = datasets
        self._only = only
        own = {rows_table(dataset).name for dataset in datasets}
        self._tables = [
            table
            for table in carried_tables(datasets)
            if not only or table.name in own or (is_scoped(table) and table is not audit)
        ]
        self._now = datetime.now(UTC)
        self._held = HeldNumbers(connection)
        self._shifts: dict[str, int] = {}

    def is_empty(self) -> bool:
        """Whether nothing is stored yet; a running desk has seen its datasets."""
        for table in self._tables:
            query = sa.select(sa.literal(1)).select_from(table).limit(1)
            if table is audit_head:
                query = query.where(audit_head.c.last_id > 0)
            elif table is datasets:
                query = query.where(datasets.c.disabled_at.is_not(None))
            if self._connection.execute(query).scalar():
                return False
        return True

    def running(self) -> list[int]:
        """The jobs that are running; until the commit, no waiting one begins."""
        j = jobs.c
        query = sa.select(j.id, j.state, j.lease_until).where(j.active_key.is_not(None))
        found = self._connection.execute(query.order_by(j.id).with_for_update()).all()
        return [
            row.id for row in found if row.state is JobState.RUNNING and row.lease_until > self._now
        ]

    def clear(self) -> None:
        """Delete the rows that are replaced."""
        if self._only:  # else the trail goes too, and with it all that names an id
            self._held.note()
        for table in self._tables:
            self._connection.execute(sa.delete(table))

    def add(self, shape: Shape, lines: Iterable[bytes]) -> int:
        """Insert rows of one table; returns how many. Of one dataset only its own are inserted.

        Raises:
            NotEmpty: another dataset has an id that other rows refer to.
        """
        table, rows = named_table(shape), read_rows(shape, lines)
        if self._only:
            if shape.name not in {own.name for own in self._tables}:
                return 0
            if shape.owner:
                rows = (row for row in rows if row[shape.owner] == self._only)
        added = 0
        while page := list(islice(rows, PAGE)):
            if self._only and shape.owner and (shift := self._shift(shape, page)):
                for row in page:
                    row["id"] += shift
            self._connection.execute(sa.insert(table), page)
            added += len(page)
        return added

    def _shift(self, shape: Shape, page: list[dict[str, Any]]) -> int:
        """What is added to the ids of this page, so that no other dataset has one of them.

        Rows come in the order of their ids; from the first page on that needs it, it is the same
        for the rest of the table, so they stay in that order and meet none of their own.
        """
        if shape.name not in _RENUMBERED:
            _require_free(self._connection, shape, page, self._only)
        elif shape.name not in self._shifts and _taken(self._connection, shape, page, self._only):
            newest = sa.select(sa.func.max(named_table(shape).c.id))
            after = int(self._connection.execute(newest).scalar() or 0) + 1
            self._shifts[shape.name] = after - int(page[0]["id"])
        return self._shifts.get(shape.name, 0)

    def broken(self) -> Break | None:
        """The first break of the restored audit trail, if any."""
        return self._audit().verify()

    def has_event(self, number: int, digest: str) -> bool:
        """Whether the audit trail has this event, so that it goes on from the same one."""
        query = sa.select(audit.c.hash).where(audit.c.id == number)
        every = {DATASET: EVERY}
        found = self._connection.execute(query, execution_options=every).scalar()
        return found == digest

    def _audit(self, by: Actor | None = None) -> Audit:
        """The trail, for the acts of a person; with one dataset all that happens is about it."""
        names = [d.name for d in self._datasets]
        return Audit(self._connection, self._now, by, dataset=names[0] if len(names) == 1 else "")

    def commit(self, by: Actor, subject: str, details: dict[str, Any]) -> None:
        """Record the restore at the end of the trail, and commit."""
        if self._only:
            self._held.keep()
        new_audit = self._audit(by)
        new_audit.add(by.name, RESTORE, subject, details=details)
        new_audit.flush()
        self._connection.commit()


def require_free(
    connection: sa.Connection, shape: Shape, lines: Iterable[bytes], only: str
) -> None:
    """Check that no other dataset has an id of this dataset's rows that other rows refer to.

    Raises:
        NotEmpty: one has.
    """
    if shape.name not in REFERRED_TO:
        return
    rows = (r for r in read_rows(shape, lines) if not shape.owner or r[shape.owner] == only)
    while page := list(islice(rows, PAGE)):
        _require_free(connection, shape, page, only)


def _require_free(
    connection: sa.Connection, shape: Shape, page: list[dict[str, Any]], only: str
) -> None:
    if taken := _taken(connection, shape, page, only):
        raise NotEmpty(
            f"In this database {shape.name} {taken[0]} is of the dataset {taken[1]}, so nothing "
            "was changed. A dataset goes back into the desk that it was backed up from, or into "
            "an empty one (DATABASE_URL)."
        )


def _taken(
    connection: sa.Connection, shape: Shape, page: list[dict[str, Any]], only: str
) -> tuple[Any, str] | None:
    """An id of the page that another dataset has, and which one has it."""
    table = metadata.tables[shape.name]
    if next(iter(table.columns)) is table.c.dataset:  # which is in its key, or the key is random
        return None
    unbound = named_table(shape_of(table))
    key, of = next(iter(unbound.columns)), unbound.c.dataset
    query = sa.select(key, of).where(
        key.in_([row[key.name] for row in page]), of.not_in([only, NOBODY])
    )
    found = connection.execute(query.limit(1)).first()
    return None if found is None else (found[0], found[1])


@contextmanager
def replacing(
    engine: sa.Engine, datasets: Sequence[Dataset], only: str = ""
) -> Iterator[Replacement]:
    """A replacement that rolls back unless it is committed.

    Raises:
        StoreUnavailable: the database is unavailable or full.
        BackupUnusable: it refuses a row.
    """
    try:
        with translated(engine), engine.connect() as opened:
            connection = opened.execution_options(**{WRITE: True, DATASET: only or EVERY})
            yield Replacement(connection, datasets, only)
    except (sa.exc.IntegrityError, sa.exc.DataError) as error:
        arguments = getattr(error.orig, "args", None) or (type(error).__name__,)
        raise BackupUnusable(
            f"The database refused a row of the backup ({arguments[-1]}); nothing was changed."
        ) from error
