"""Retention: expired data is deleted in small lots, and that is on record.

A run first records what it will delete and why, then deletes. So what a killed run deleted is on
record too, and the next run continues. The current epoch's rows never expire: a candidate is judged
on all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from core.adapters.spool import SpoolFile, SpoolFolder, open_spool
from core.adapters.store import Store, Work
from core.adapters.store.expired import Cutoffs, Kind
from core.domain.batches import BatchState
from core.platform.settings import Settings
from core.rules.data.spool_names import owner

LOT = 1_000
"""Rows that one transaction deletes, while SQLite blocks all other writers."""

_READ = tuple(state for state in BatchState if state is not BatchState.RECEIVED)
"""States of a batch whose file is not read again."""

_LEFTOVERS = (".lost", ".arrow")
"""Files that are an answer which broke off, or what a killed worker had prepared."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Retention periods; 0 keeps everything.

    `epochs` is how many closed epochs keep their rows: here 0 keeps none, and None all.
    """

    epochs: int | None = None
    rows_epochs: int = 0
    predictions_days: int = 0
    logs_days: int = 0
    spool_days: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Keep:
        """The settings RETAIN_*."""
        return cls(**{f.name: getattr(settings, f"retain_{f.name}") for f in fields(cls)})


@dataclass(frozen=True, slots=True)
class Due:
    """Expired data: how many entries of each kind, and the spool's files with their bytes."""

    counts: dict[Kind, int]
    files: int
    bytes: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.files and not any(self.counts.values())

    def to_json(self) -> dict[str, Any]:
        """As the audit trail keeps it: only what exists."""
        numbers: dict[str, Any] = {kind.value: n for kind, n in self.counts.items() if n}
        return numbers | ({"spool files": self.files, "bytes": self.bytes} if self.files else {})


@dataclass(frozen=True, slots=True)
class Retention:
    """A store and its spool, with their retention periods.

    Every method raises `StoreUnavailable` if the database is unavailable, and `SpoolUnavailable` if
    files of the spool may expire and it is.
    """

    store: Store
    spool: SpoolFolder
    keep: Keep

    @classmethod
    def of(cls, store: Store, settings: Settings) -> Retention:
        """The store with the periods of the settings."""
        return cls(store, open_spool(settings), Keep.of(settings))

    def due(self) -> Due:
        """What is expired now."""
        with self.store.read() as work:
            cutoffs = self._cutoffs(work.now)
            counts = {kind: work.expired.count(kind, cutoffs) for kind in Kind}
            now = work.now
        files = self._files(now)
        return Due(counts, len(files), sum(file.size for file in files))

    def run(self, actor: str) -> Iterator[int]:
        """Delete what is expired, one lot with each step; yields how many entries."""
        due = self.due()
        if due.is_empty:
            return
        with self.store.transaction() as work:
            cutoffs = self._cutoffs(work.now)
            files = self._files(work.now)
            details = due.to_json() | {"kept": self._kept()}
            work.audit.add(actor, "prune", "retention", details=details)
        for file in files:
            with suppress(OSError):  # the next run tries again
                self.spool.delete(file.name)
        yield len(files)
        for kind in Kind:
            gone = LOT
            while gone:
                with self.store.transaction() as work:
                    gone = work.expired.delete(kind, cutoffs, LOT)
                yield gone

    def _kept(self) -> dict[str, int]:
        """The periods that are set, by their settings."""
        no_limit = {"epochs": None}  # everywhere else it is 0
        return {
            f"RETAIN_{name.upper()}": value
            for name, value in asdict(self.keep).items()
            if value != no_limit.get(name, 0)
        }

    def _cutoffs(self, now: datetime) -> Cutoffs:
        return Cutoffs(
            self.keep.epochs,
            self.keep.rows_epochs or None,
            _before(now, self.keep.predictions_days),
            _before(now, self.keep.logs_days),
        )

    def _files(self, now: datetime) -> list[SpoolFile]:
        """Old spool files that are not read again."""
        before = _before(now, self.keep.spool_days)
        if before is None:
            return []
        old = [file for file in self.spool.files() if file.modified < before.timestamp()]
        with self.store.read() as work:
            return [file for file in sorted(old, key=lambda f: f.name) if _is_read(work, file)]


def _is_read(work: Work, file: SpoolFile) -> bool:
    """Whether a spool file is this dataset's, and not read again."""
    if owner(file.name) not in ("", work.dataset.name):
        return False
    if file.name.endswith(_LEFTOVERS):
        return True
    batch = work.batches.received(file.name)
    return batch is not None and batch.state in _READ


def _before(now: datetime, days: int) -> datetime | None:
    return now - timedelta(days=days) if days else None
