"""What there is to train on and to be judged by, read at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.adapters.store import Store, Work
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.dossier import Lesson
from core.domain.errors import NothingToTrainOn, TooMuchToTrainOn
from core.domain.evaluation import SplitDate
from core.domain.profiles import ColumnProfile
from core.rules.data import usable_rows
from core.rules.data.holdout import held_out as belongs_to_held_out
from core.rules.data.holdout import row_hash
from core.rules.data.profile import Profiler
from core.rules.data.time_split import at_their_time, later, split_date
from core.rules.data.training_set import lesson, rows_digest
from core.rules.model.evaluation import sample
from core.usecases.epoch_end import trainable

MOST_VALUES = 100_000_000
"""How many values an epoch may have to be trained on: training holds them all, some 8 GB."""


MOST_EVALUATED = 1_000_000
"""The default of EVALUATION_ROWS, the maximum number of held-out rows for an evaluation."""


@dataclass(frozen=True, slots=True)
class Side:
    """The usable rows on one side of the split.

    `batch_ids` has the batch of each row, empty if it was not requested; `hashes` the hash of each
    row's content. `times` is the time column of a split by time, with NaN for null.
    """

    columns: Mapping[str, Any]
    batch_ids: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    times: NDArray[np.float64] | None = None

    def where(self, keep: NDArray[np.bool_ | np.intp]) -> Side:
        """The selected rows, by a flag for each row or by their indices."""
        return Side(
            _kept(self.columns, keep),
            self.batch_ids[keep] if len(self.batch_ids) else self.batch_ids,
            self.hashes[keep],
            None if self.times is None else self.times[keep],
        )


@dataclass(frozen=True, slots=True)
class TrainingData:
    """One epoch's usable rows on both sides of the split, without those of held batches.

    `held_out_rows` counts all held-out rows; if there are very many, `judged` has a sample.
    `profiles` are those of the training rows. `overlap` counts held-out rows that may have been
    trained on: rows with an equal row on the other side, or whose hash belongs to the other side.
    `split` is the split date of a split by time.
    """

    dataset: Dataset
    batches: list[Batch]
    learned: Side
    judged: Side
    profiles: tuple[ColumnProfile, ...]
    overlap: int
    held_out_rows: int
    split: SplitDate | None = None

    @property
    def training(self) -> Mapping[str, Any]:
        """The columns of the training rows."""
        return self.learned.columns

    @property
    def held_out(self) -> Mapping[str, Any]:
        """The columns of the held-out rows."""
        return self.judged.columns

    @property
    def held_out_hashes(self) -> NDArray[np.uint64]:
        """The content hash of each held-out row."""
        return self.judged.hashes

    @property
    def held_out_batches(self) -> NDArray[np.object_]:
        """The number of the batch that each held-out row came with, as text."""
        numbers = {b.id: str(b.number) for b in self.batches}
        return np.array([numbers.get(i, "") for i in self.judged.batch_ids.tolist()], dtype=object)

    @property
    def epoch(self) -> int:
        """The epoch of its batches; 0 without any."""
        return self.batches[0].epoch if self.batches else 0

    @property
    def digest(self) -> str:
        """Names the rows: the same batches give the same digest."""
        return rows_digest(self.batches)

    @property
    def lesson(self) -> Lesson:
        """What a version that is trained on these rows learns from."""
        return lesson(self.batches, self.dataset)

    @property
    def facts(self) -> dict[str, Any]:
        """The facts about its training and held-out rows that are stored with a version."""
        facts: dict[str, Any] = {
            "epoch": self.epoch,
            "batches": [b.number for b in self.batches],
            "training_rows": self.training_rows,
            "held_out_rows": self.held_out_rows,
            "data_digest": self.digest,
        }
        return facts | ({"split_date": self.split.text} if self.split else {})

    @property
    def actual(self) -> NDArray[Any]:
        """The target of the held-out rows: numbers, or texts."""
        values: NDArray[Any] = self.held_out[self.dataset.target.name]
        return values

    @property
    def target(self) -> NDArray[Any]:
        """The target of the training rows."""
        values: NDArray[Any] = self.training[self.dataset.target.name]
        return values

    @property
    def training_rows(self) -> int:
        """How many rows there are to learn from."""
        return len(self.target)


def read(
    store: Store,
    epoch: int | None = None,
    most_evaluated: int = MOST_EVALUATED,
    *,
    learned_batches: bool = False,
) -> TrainingData:
    """Read the current epoch, or an earlier one whose rows are kept.

    Of more than `most_evaluated` held-out rows, those with the smallest content hashes are used, in
    their order, so that all versions are evaluated on the same sample. With `learned_batches`, the
    batch of each training row is read, too.

    Raises:
        NothingToTrainOn: no batch has been stored yet, all of them are held, the epoch's rows
            were removed, or their times do not allow a split.
        TooMuchToTrainOn: they do not fit into memory.
    """
    dataset = store.dataset
    with store.read() as work:
        number = trainable(work, epoch)
        batches = work.holds.usable(number)
        _require_room(batches, len(dataset.features) + 1)
        without = [b.id for b in work.batches.stored(number) if b not in batches]
        sides = [
            _side(
                work, number, without, held_out=side, batches=side is not False or learned_batches
            )
            for side in ((None,) if dataset.evaluation.by_time else (False, True))
        ]
    split = None
    if len(sides) == 1:
        split, *sides = _by_time(sides[0], dataset)
    learned, judged = sides
    held_out_rows = len(judged.hashes)
    if held_out_rows > most_evaluated:
        judged = judged.where(np.sort(sample(judged.hashes, most_evaluated)))
    return TrainingData(
        dataset,
        batches,
        learned,
        judged,
        _profiles(learned.columns, dataset),
        _overlap(learned, judged, dataset),
        held_out_rows,
        split,
    )


def _side(
    work: Work, epoch: int, without: Collection[int], *, held_out: bool | None, batches: bool
) -> Side:
    dataset = work.rows.dataset
    names = [*(c.name for c in dataset.features), dataset.target.name]
    by = dataset.evaluation.time_column
    read = names if not by or by in names else [*names, by]
    rows = work.rows.columns(read, held_out=held_out, epoch=epoch, without=without)
    ids = np.empty(0, np.int64)
    if batches:
        ids = work.rows.batch_ids(held_out=held_out, epoch=epoch, without=without)
    times = np.asarray(rows[by], dtype=np.float64) if by else None
    rows = {name: rows[name] for name in names}
    keep = usable_rows.usable(rows, dataset)
    rows = _kept(rows, keep)
    ids = ids[keep] if batches else ids
    return Side(rows, ids, row_hash(rows, dataset), None if times is None else times[keep])


def _by_time(rows: Side, dataset: Dataset) -> tuple[SplitDate, Side, Side]:
    """The split date, the rows up to it, and the later ones.

    Raises:
        NothingToTrainOn: there is no row, none has a time, or all have the same.
    """
    how = dataset.evaluation
    times = rows.times if rows.times is not None else np.empty(0)
    if not len(times):
        raise NothingToTrainOn("No stored row can be used for training. Ingest more rows.")
    split = split_date(times, how.share, dataset.column(how.time_column))
    after = later(times, split)
    return split, rows.where(~after), rows.where(after)


def _overlap(learned: Side, judged: Side, dataset: Dataset) -> int:
    """The number of held-out rows that may have been trained on.

    With a split by time, the same content at another time is another row.
    """
    if learned.times is not None and judged.times is not None:
        before = at_their_time(learned.hashes, learned.times)
        return int(np.isin(at_their_time(judged.hashes, judged.times), before).sum())
    twins = np.isin(judged.hashes, learned.hashes)
    return int((twins | ~belongs_to_held_out(judged.columns, dataset)).sum())


def _require_room(batches: Sequence[Batch], columns: int) -> None:
    """Refuse what does not fit into memory, before it is read.

    Raises:
        TooMuchToTrainOn: it does not.
    """
    rows = sum(b.stored for b in batches)
    if rows * columns > MOST_VALUES:
        raise TooMuchToTrainOn(
            f"There are {rows:,} rows to train on, and with {columns} columns at most "
            f"{MOST_VALUES // columns:,} fit into memory. Hold batches that are not needed "
            "(`driftdesk batch hold`), or deliver fewer rows."
        )


def _kept(rows: Mapping[str, Any], keep: NDArray[np.bool_ | np.intp]) -> dict[str, Any]:
    return {name: np.asarray(values)[keep] for name, values in rows.items()}


def _profiles(rows: Mapping[str, Any], dataset: Dataset) -> tuple[ColumnProfile, ...]:
    profiler = Profiler(dataset, exact=True)
    for name, values in rows.items():
        is_text = dataset.column(name).is_text
        profiler.add(name, [v or None for v in values] if is_text else values)
    return tuple(p for p in profiler.finish() if p.count + p.nulls)
