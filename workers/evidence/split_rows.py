"""The usable rows of an epoch on both sides of the split, read in chunks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.adapters.store import Work
from core.domain.errors import NothingToTrainOn
from core.domain.evaluation import SplitDate
from core.rules.data import usable_rows
from core.rules.data.holdout import row_hash
from core.rules.data.time_split import later, split_date
from core.rules.model.evaluation import sample

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Side:
    """Usable rows on one side of the split.

    `batch_ids` has the batch of each row, `hashes` the hash of its content. `times` is the time
    column of a split by time, with NaN for null.
    """

    columns: Columns
    batch_ids: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    times: NDArray[np.float64] | None = None

    def where(self, keep: NDArray[np.bool_ | np.intp]) -> Side:
        """The selected rows, by a flag for each row or by their indices."""
        return Side(
            _kept(self.columns, keep),
            self.batch_ids[keep],
            self.hashes[keep],
            None if self.times is None else self.times[keep],
        )

    def only(self, names: Iterable[str], *, batches: bool = False) -> Side:
        """The same rows with these columns alone, and with their batches only if `batches`."""
        columns = {name: self.columns[name] for name in names}
        ids = self.batch_ids if batches else np.empty(0, np.int64)
        return Side(columns, ids, self.hashes, self.times)


class Gathered:
    """Collects the chunks of one side; of more than `most` rows those with the smallest hashes."""

    def __init__(self, most: int | None = None) -> None:
        self._parts: list[Side] = []
        self._most = most
        self._held = 0
        self.rows = 0
        """How many rows came."""

    def add(self, side: Side) -> None:
        """Take in a chunk."""
        self._parts.append(side)
        self.rows += len(side.hashes)
        self._held += len(side.hashes)
        if self._most is not None and self._held > 2 * self._most:
            self._parts = [self.whole()]
            self._held = self._most

    def whole(self) -> Side:
        """The rows, in order of arrival; at least one chunk must have come."""
        parts, self._parts = self._parts, []
        times = [part.times for part in parts if part.times is not None]
        side = Side(
            {n: np.concatenate([p.columns[n] for p in parts]) for n in parts[0].columns},
            np.concatenate([part.batch_ids for part in parts]),
            np.concatenate([part.hashes for part in parts]),
            np.concatenate(times) if times else None,
        )
        if self._most is not None and len(side.hashes) > self._most:
            side = side.where(np.sort(sample(side.hashes, self._most)))
        return side


def usable_chunks(
    work: Work, epoch: int, without: Collection[int], split: SplitDate | None
) -> Iterator[tuple[Side, Side]]:
    """The rows to train on and the held-out rows, in chunks of some thousands; at least one chunk.

    Rows of the batches `without` are left out. Rows later than `split` are held out, or by hash
    without one.
    """
    dataset = work.dataset
    names = [*(c.name for c in dataset.features), dataset.target.name]
    by = dataset.evaluation.time_column
    read = [*names, *({by} - {"", *names}), "batch_id", "held_out"]
    for rows in work.rows.chunks(read, held_out=None, epoch=epoch, without=without):
        keep = usable_rows.usable(rows, dataset)
        columns = _kept({name: rows[name] for name in names}, keep)
        times = rows[by][keep] if by else None
        side = Side(columns, rows["batch_id"][keep], row_hash(columns, dataset), times)
        held_out = rows["held_out"][keep] != 0
        if split is not None:
            held_out = later(rows[split.column][keep], split)
        yield side.where(~held_out), side.where(held_out)


def date_of_split(work: Work, epoch: int, without: Collection[int]) -> SplitDate:
    """The split date of a split by time.

    Raises:
        NothingToTrainOn: there is no usable row, none has a time, or all have the same.
    """
    dataset, how = work.dataset, work.dataset.evaluation
    bounded = [dataset.target.name, *(c.name for c in dataset.features if not c.is_text)]
    names = list(dict.fromkeys([*bounded, how.time_column]))
    chunks = work.rows.chunks(names, held_out=None, epoch=epoch, without=without)
    times = np.concatenate([c[how.time_column][usable_rows.usable(c, dataset)] for c in chunks])
    if not len(times):
        raise NothingToTrainOn("No stored row can be used for training. Ingest more rows.")
    return split_date(times, how.share, dataset.column(how.time_column))


def _kept(rows: Columns, keep: NDArray[np.bool_ | np.intp]) -> dict[str, NDArray[Any]]:
    return {name: values[keep] for name, values in rows.items()}
