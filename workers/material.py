"""What there is to train on and to be judged by, read at one moment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.dataset import Dataset
from core.errors import NothingToTrainOn
from core.profile import Profiler
from core.records import Batch, ColumnProfile
from core.split import held_out as belongs_to_held_out
from core.split import row_hash
from core.store import Store
from workers import training


@dataclass(frozen=True, slots=True)
class Material:
    """The current epoch's usable rows on both sides of the split.

    `held_out_batches` has the number of the batch that each held-out row came with; `profiles`
    are of the training rows; `overlap` counts held-out rows that may have been learned from:
    rows with a twin on the other side, or whose content says that they belong there.
    """

    dataset: Dataset
    batches: list[Batch]
    training: Mapping[str, Any]
    held_out: Mapping[str, Any]
    held_out_batches: NDArray[np.object_]
    held_out_hashes: NDArray[np.uint64]
    profiles: tuple[ColumnProfile, ...]
    overlap: int

    @property
    def digest(self) -> str:
        """Names the rows: the same batches give the same digest."""
        content = ",".join(f"{b.number}:{b.content_hash}" for b in self.batches)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def actual(self) -> NDArray[np.float64]:
        """The target of the held-out rows."""
        values: NDArray[np.float64] = self.held_out[self.dataset.target.name]
        return values

    @property
    def training_rows(self) -> int:
        """How many rows there are to learn from."""
        return len(self.training[self.dataset.target.name])


def read(store: Store) -> Material:
    """Read the current epoch.

    Raises:
        NothingToTrainOn: no batch has been stored yet.
    """
    dataset = store.dataset
    names = [*(c.name for c in dataset.features), dataset.target.name]
    with store.read() as work:
        epoch = work.batches.epoch()
        if epoch is None:
            raise NothingToTrainOn("No batch has been stored yet. Ingest one first.")
        batches = work.batches.stored(epoch.number)
        training_rows = work.rows.columns(names, held_out=False)
        held_out = work.rows.columns(names, held_out=True)
        batch_ids = work.rows.batch_ids(held_out=True)
    keep = training.usable(held_out, dataset)
    training_rows = _kept(training_rows, training.usable(training_rows, dataset))
    held_out = _kept(held_out, keep)
    hashes = row_hash(held_out, dataset)
    learned = np.isin(hashes, row_hash(training_rows, dataset))
    learned |= ~belongs_to_held_out(held_out, dataset)
    numbers = {b.id: str(b.number) for b in batches}
    return Material(
        dataset,
        batches,
        training_rows,
        held_out,
        np.array([numbers.get(i, "") for i in batch_ids[keep]], dtype=object),
        hashes,
        _profiles(training_rows, dataset),
        int(learned.sum()),
    )


def _kept(rows: Mapping[str, Any], keep: NDArray[np.bool_]) -> dict[str, Any]:
    return {name: np.asarray(values)[keep] for name, values in rows.items()}


def _profiles(rows: Mapping[str, Any], dataset: Dataset) -> tuple[ColumnProfile, ...]:
    profiler = Profiler(dataset)
    for name, values in rows.items():
        is_text = dataset.column(name).is_text
        profiler.add(name, [v or None for v in values] if is_text else values)
    return tuple(p for p in profiler.finish() if p.count + p.nulls)
