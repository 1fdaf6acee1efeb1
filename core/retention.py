"""Retention: what is over its time goes, a small lot at a time, and that is on record.

A run first writes down what will go and why, then deletes. So what a killed run had deleted is on
record, too; the next run goes on. Rows of the dataset are not its business: they are replaced when
the next epoch begins, and a candidate is judged on all of the current one's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.records import BatchState
from core.settings import Settings
from core.store import Store, Work
from core.store.expired import Cutoffs, Kind

LOT = 1_000
"""Rows that one transaction deletes, while SQLite lets nobody else write."""

_READ = (BatchState.STORED, BatchState.REPEATED, BatchState.CONFLICT, BatchState.UNREADABLE)
"""States of a batch whose file nobody will read any more."""

_LEFTOVERS = (".lost", ".arrow")
"""Files that are an answer which broke off, or what a killed worker had prepared."""


@dataclass(frozen=True, slots=True)
class Keep:
    """For how long what is kept; 0 keeps everything."""

    rows_epochs: int = 0
    predictions_days: int = 0
    logs_days: int = 0
    spool_days: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Keep:
        """As the settings say."""
        return cls(
            settings.retain_rows_epochs,
            settings.retain_predictions_days,
            settings.retain_logs_days,
            settings.retain_spool_days,
        )


@dataclass(frozen=True, slots=True)
class Due:
    """What is over its time: how many of each kind, and the spool's files with their bytes."""

    counts: dict[Kind, int]
    files: int
    bytes: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.files and not any(self.counts.values())

    def to_json(self) -> dict[str, Any]:
        """As the audit trail keeps it: only what there is."""
        said: dict[str, Any] = {kind.value: n for kind, n in self.counts.items() if n}
        return said | ({"spool files": self.files, "bytes": self.bytes} if self.files else {})


@dataclass(frozen=True, slots=True)
class Retention:
    """A store and the spool beside it, and for how long what is kept in them.

    Every verb raises `StoreUnavailable` when the database is away.
    """

    store: Store
    spool: Path
    keep: Keep

    @classmethod
    def of(cls, store: Store, settings: Settings) -> Retention:
        """As the settings say."""
        return cls(store, settings.spool, Keep.of(settings))

    def due(self) -> Due:
        """What would go now."""
        with self.store.read() as work:
            cutoffs = self._cutoffs(work.now)
            counts = {kind: work.expired.count(kind, cutoffs) for kind in Kind}
            now = work.now
        files = self._files(now)
        return Due(counts, len(files), sum(size for _, size in files))

    def run(self, actor: str) -> Iterator[int]:
        """Delete what is over its time, one lot with each step; yields how many went."""
        due = self.due()
        if due.is_empty:
            return
        with self.store.begin() as work:
            cutoffs = self._cutoffs(work.now)
            files = self._files(work.now)
            details = due.to_json() | {"kept": self._kept()}
            work.audit.add(actor, "prune", "retention", details=details)
            work.commit()
        for file, _ in files:
            with suppress(OSError):  # what the disk does not let go today may go tomorrow
                file.unlink()
        yield len(files)
        for kind in Kind:
            gone = LOT
            while gone:
                with self.store.begin() as work:
                    gone = work.expired.delete(kind, cutoffs, LOT)
                    work.commit()
                yield gone

    def _kept(self) -> dict[str, int]:
        """The settings that are in force, by their names."""
        named = {
            "RETAIN_ROWS_EPOCHS": self.keep.rows_epochs,
            "RETAIN_PREDICTIONS_DAYS": self.keep.predictions_days,
            "RETAIN_LOGS_DAYS": self.keep.logs_days,
            "RETAIN_SPOOL_DAYS": self.keep.spool_days,
        }
        return {name: value for name, value in named.items() if value}

    def _cutoffs(self, now: datetime) -> Cutoffs:
        return Cutoffs(
            self.keep.rows_epochs or None,
            _before(now, self.keep.predictions_days),
            _before(now, self.keep.logs_days),
        )

    def _files(self, now: datetime) -> list[tuple[Path, int]]:
        """Old files of the spool that nobody will read any more, each with its bytes."""
        before = _before(now, self.keep.spool_days)
        if before is None:
            return []
        old = []
        for file in sorted(self.spool.glob("*")):
            with suppress(OSError):  # a worker reads it, and takes it away
                about = file.stat()
                if file.is_file() and datetime.fromtimestamp(about.st_mtime, UTC) < before:
                    old.append((file, about.st_size))
        with self.store.read() as work:
            return [(file, size) for file, size in old if _is_read(work, file)]


def _is_read(work: Work, file: Path) -> bool:
    """Whether nobody will read a file of the spool any more."""
    if file.suffix in _LEFTOVERS:
        return True
    batch = work.batches.received(file.name) if file.suffix == ".json" else None
    return batch is not None and batch.state in _READ


def _before(now: datetime, days: int) -> datetime | None:
    return now - timedelta(days=days) if days else None
