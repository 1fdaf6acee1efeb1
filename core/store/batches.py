"""The batch ledger, by epoch: what came in, what was kept, and what was odd about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.errors import Missing
from core.records import (
    Batch,
    BatchState,
    ColumnProfile,
    Epoch,
    EpochState,
    QuarantinedRow,
    Tails,
)
from core.tables import batches, column_profiles, epochs, quarantine

_COLUMNS = [c for c in batches.c if c.name != "stored_key"]
_STORED = batches.c.state == BatchState.STORED.value
_QUARANTINE_CHUNK = 5_000


def _batch(row: sa.Row[Any]) -> Batch:
    fields = dict(row._mapping)
    return Batch(**fields | {"state": BatchState(fields["state"])})


def _epoch(row: sa.Row[Any]) -> Epoch:
    return Epoch(row.number, EpochState(row.state), row.started_at)


def read_tails(kept: dict[str, Any] | None) -> Tails | None:
    """A column's tails as JSON keeps them."""
    if not kept:
        return None
    lists = {name: tuple(kept[name]) for name in ("low", "high")}
    return Tails(**kept | lists | {"steps": tuple(map(tuple, kept["steps"]))})


class Batches:
    """Epochs, the ledger, quarantined rows and profiles, from inside one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # Epochs

    def epoch(self) -> Epoch | None:
        """The newest epoch, or None before the first batch."""
        query = sa.select(epochs).order_by(epochs.c.number.desc()).limit(1)
        row = self._connection.execute(query).one_or_none()
        return _epoch(row) if row else None

    def epochs(self) -> list[Epoch]:
        """Every epoch, newest first."""
        query = sa.select(epochs).order_by(epochs.c.number.desc())
        return [_epoch(row) for row in self._connection.execute(query)]

    def open_epoch(self) -> Epoch:
        """Close the newest epoch, if there is one, and open the next."""
        last = self.epoch()
        if last:
            self.set_epoch(last.number, EpochState.CLOSED)
        number = last.number + 1 if last else 1
        self._connection.execute(
            sa.insert(epochs).values(
                number=number, state=EpochState.OPEN.value, started_at=self._now
            )
        )
        return Epoch(number, EpochState.OPEN, self._now)

    def set_epoch(self, number: int, state: EpochState) -> None:
        """Change the state of an epoch."""
        self._connection.execute(
            sa.update(epochs).where(epochs.c.number == number).values(state=state.value)
        )

    # The ledger

    def receive(self, epoch: int, content_hash: str, spool: str, size: int) -> Batch:
        """Note that an answer's bytes are on disk, before anybody reads them."""
        inserted = self._connection.execute(
            sa.insert(batches).values(
                epoch=epoch,
                state=BatchState.RECEIVED.value,
                content_hash=content_hash,
                spool=spool,
                bytes=size,
                received_at=self._now,
                note="",
            )
        )
        (batch_id,) = inserted.inserted_primary_key or (0,)
        return self.get(int(batch_id))

    def get(self, batch_id: int) -> Batch:
        """The batch of that id.

        Raises:
            Missing: there is none.
        """
        row = self._connection.execute(
            sa.select(*_COLUMNS).where(batches.c.id == batch_id)
        ).one_or_none()
        if row is None:
            raise Missing(f"There is no batch {batch_id}.")
        return _batch(row)

    def received(self, spool: str = "") -> Batch | None:
        """The oldest answer that nobody has read yet, or the one in that spool file."""
        query = sa.select(*_COLUMNS).order_by(batches.c.id).limit(1)
        if spool:
            query = query.where(batches.c.spool == spool)
        else:
            query = query.where(batches.c.state == BatchState.RECEIVED.value)
        row = self._connection.execute(query).one_or_none()
        return _batch(row) if row else None

    def ledger(self, limit: int = 100) -> list[Batch]:
        """The newest entries first."""
        query = sa.select(*_COLUMNS).order_by(batches.c.id.desc()).limit(limit)
        return [_batch(row) for row in self._connection.execute(query)]

    def stored(self, epoch: int) -> list[Batch]:
        """The stored batches of an epoch, in the order of their numbers."""
        query = (
            sa.select(*_COLUMNS).where(_STORED, batches.c.epoch == epoch).order_by(batches.c.number)
        )
        return [_batch(row) for row in self._connection.execute(query)]

    def last_stored(self, before: int | None = None) -> Batch | None:
        """The batch that was stored last, or last before the one of that id."""
        query = sa.select(*_COLUMNS).where(_STORED).order_by(batches.c.id.desc()).limit(1)
        if before is not None:
            query = query.where(batches.c.id < before)
        row = self._connection.execute(query).one_or_none()
        return _batch(row) if row else None

    def close(self, batch_id: int, state: BatchState, *, number: int | None, note: str) -> None:
        """Note that an answer added no rows, and why."""
        self._update(batch_id, state=state.value, number=number, note=note)

    def store(
        self,
        batch: Batch,
        *,
        epoch: int,
        number: int,
        stored: int,
        quarantined: Sequence[QuarantinedRow],
        gap: int,
        note: str,
    ) -> None:
        """Note that a batch's rows are in, with its counts and the rows that are not."""
        self._update(
            batch.id,
            epoch=epoch,
            state=BatchState.STORED.value,
            number=number,
            rows=stored + len(quarantined),
            stored=stored,
            quarantined=len(quarantined),
            gap=gap,
            note=note,
            stored_at=self._now,
            stored_key=f"{epoch}:{number}",
        )
        for start in range(0, len(quarantined), _QUARANTINE_CHUNK):
            self._connection.execute(
                sa.insert(quarantine),
                [
                    {
                        "batch_id": batch.id,
                        "row_number": q.row_number,
                        "reason": q.reason[:500],
                        "content": q.content,
                    }
                    for q in quarantined[start : start + _QUARANTINE_CHUNK]
                ],
            )

    def _update(self, batch_id: int, **values: Any) -> None:
        self._connection.execute(
            sa.update(batches).where(batches.c.id == batch_id).values(**values)
        )

    def quarantined(self, batch_id: int, limit: int = 100) -> list[QuarantinedRow]:
        """The first rows of a batch that could not be stored."""
        query = (
            sa.select(quarantine.c.row_number, quarantine.c.reason, quarantine.c.content)
            .where(quarantine.c.batch_id == batch_id)
            .order_by(quarantine.c.id)
            .limit(limit)
        )
        return [QuarantinedRow(*row) for row in self._connection.execute(query)]

    # Profiles

    def add_profile(self, owner: str, owner_id: int, profiles: Iterable[ColumnProfile]) -> None:
        """Keep the profile of a batch (`owner` "batch") or of a model's training rows ("model")."""
        self._connection.execute(
            sa.insert(column_profiles),
            [
                {
                    "owner": owner,
                    "owner_id": owner_id,
                    "column_name": p.column,
                    "count": p.count,
                    "nulls": p.nulls,
                    "mean": p.mean,
                    "std": p.std,
                    "q50": p.q50,
                    "q75": p.q75,
                    "minimum": p.minimum,
                    "maximum": p.maximum,
                    "grid": list(p.grid),
                    "categories": p.categories,
                    "distinct_values": p.distinct,
                    "tails": asdict(p.tails) if p.tails else None,
                }
                for p in profiles
            ],
        )

    def profile(self, owner: str, owner_id: int) -> tuple[ColumnProfile, ...]:
        """A kept profile; empty if there is none."""
        table = column_profiles.c
        query = (
            sa.select(column_profiles)
            .where(table.owner == owner, table.owner_id == owner_id)
            .order_by(table.id)
        )
        return tuple(
            ColumnProfile(
                row.column_name,
                row.count_,
                row.nulls,
                row.mean,
                row.std,
                row.q50,
                row.q75,
                row.minimum,
                row.maximum,
                tuple(row.grid),
                row.categories,
                row.distinct_values,
                read_tails(row.tails),
            )
            for row in self._connection.execute(
                query.with_only_columns(
                    *[c.label("count_") if c.name == "count" else c for c in column_profiles.c]
                )
            )
        )
