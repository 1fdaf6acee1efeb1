"""What there is to train on and to be judged by, read at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.adapters.store import Store
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.dossier import Lesson, RowsFrom
from core.domain.errors import TooMuchToTrainOn
from core.domain.evaluation import SplitDate
from core.domain.profiles import ColumnProfile
from core.rules.data.holdout import is_held_out
from core.rules.data.profile import Profiler
from core.rules.data.time_split import at_their_time
from core.rules.data.training_set import lesson, rows_digest
from core.usecases.epoch_end import trainable
from workers.evidence.split_rows import Columns, Gathered, Side, date_of_split, usable_chunks
from workers.recipes.command.row_spool import RowSpool

MOST_VALUES = 100_000_000
"""How many values an epoch may have to be trained on: training holds them all, some 8 GB."""

_HELD = 2
"""How many values of a row count that is in memory without its features: its target and hash."""

MOST_EVALUATED = 1_000_000
"""The default of EVALUATION_ROWS, the maximum number of held-out rows for an evaluation."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """One epoch's usable rows on both sides of the split, without those of held batches.

    `held_out_rows` counts all held-out rows; if there are very many, `judged` has a sample.
    If the training rows are in a `spool`, or were read without features, `learned` has only their
    target. `profiles` are those of the training rows, none without features. `overlap` counts
    held-out rows that may have been trained on: rows with an equal row on the other side, or whose
    hash belongs to the other side. `split` is the split date of a split by time.
    """

    dataset: Dataset
    batches: list[Batch]
    learned: Side
    judged: Side
    profiles: tuple[ColumnProfile, ...]
    overlap: int
    held_out_rows: int
    split: SplitDate | None = None
    spool: RowSpool | None = None

    @property
    def training(self) -> Columns:
        """The columns of the training rows."""
        return self.learned.columns

    @property
    def held_out(self) -> Columns:
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
    def judged_on(self) -> RowsFrom:
        """The batches that the held-out rows are from."""
        numbers = {b.id: b.number or 0 for b in self.batches}
        used = {numbers[i] for i in set(self.judged.batch_ids.tolist()) if i in numbers}
        return RowsFrom(self.epoch, tuple(sorted(used)))

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
    spool: RowSpool | None = None,
    features: bool = True,
    check: Callable[[], None] = lambda: None,
) -> TrainingData:
    """Read the current epoch, or an earlier one whose rows are kept.

    Of more than `most_evaluated` held-out rows, those with the smallest content hashes are used, in
    their order, so that all versions are evaluated on the same sample. With a `spool`, training
    rows go there chunk by chunk, and only their targets and hashes are held in memory. Without
    `features`, as for a re-evaluation, targets, hashes and batches are held, and nothing is
    profiled. `check` is called between chunks, and may break off the reading.

    Raises:
        NothingToTrainOn: no batch has been stored yet, all of them are held, the epoch's rows
            were removed, or their times do not allow a split.
        TooMuchToTrainOn: they do not fit into memory.
        DiskRefused: the spool cannot be written.
    """
    dataset, split = store.dataset, None
    learning, judging = Gathered(), Gathered(most_evaluated)
    profiler = Profiler(dataset, exact=spool is None)
    with store.read() as work:
        number = trainable(work, epoch)
        batches = work.holds.usable(number)
        in_memory = features and spool is None
        _require_room(batches, len(dataset.features) + 1 if in_memory else _HELD)
        without = [b.id for b in work.batches.stored(number) if b not in batches]
        if dataset.evaluation.by_time:
            split = date_of_split(work, number, without)
        for chunk, held_out in usable_chunks(work, number, without, split):
            check()
            judging.add(held_out)
            if in_memory:
                learning.add(chunk)
                continue
            learning.add(chunk.only([dataset.target.name], batches=not features))
            if spool is not None:
                spool.add(chunk.columns, chunk.hashes)
                _profile(profiler, chunk.columns, dataset)
    learned, judged = learning.whole(), judging.whole()
    if in_memory:
        _profile(profiler, learned.columns, dataset)
    return TrainingData(
        dataset,
        batches,
        learned,
        judged,
        tuple(p for p in profiler.finish() if p.count + p.nulls),
        _overlap(learned, judged),
        judging.rows,
        split,
        spool,
    )


def _overlap(learned: Side, judged: Side) -> int:
    """The number of held-out rows that may have been trained on.

    With a split by time, the same content at another time is another row.
    """
    if learned.times is not None and judged.times is not None:
        before = at_their_time(learned.hashes, learned.times)
        return int(among(at_their_time(judged.hashes, judged.times), before).sum())
    twins = among(judged.hashes, learned.hashes)
    return int((twins | ~is_held_out(judged.hashes)).sum())


def among(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which hashes are known; `numpy.isin` takes five times as long."""
    if not len(known):
        return np.zeros(len(hashes), np.bool_)
    ordered = np.sort(known)
    places = np.searchsorted(ordered, hashes)
    found: NDArray[np.bool_] = ordered[np.minimum(places, len(ordered) - 1)] == hashes
    return found


def _require_room(batches: Sequence[Batch], columns: int) -> None:
    """Refuse what does not fit into memory, before it is read.

    Raises:
        TooMuchToTrainOn: it does not.
    """
    rows = sum(b.stored for b in batches)
    if rows * columns > MOST_VALUES:
        raise TooMuchToTrainOn(
            f"There are {rows:,} rows to train on, and at most {MOST_VALUES // columns:,} of them "
            "fit into memory. Hold batches that are not needed (`driftdesk batch hold`), or "
            "deliver fewer rows."
        )


def _profile(profiler: Profiler, rows: Columns, dataset: Dataset) -> None:
    for name, values in rows.items():
        if not dataset.column(name).is_text:
            profiler.add(name, values)
            continue
        counts: Counter[str | None] = Counter(values.tolist())
        counts[None] = counts.pop("", 0)
        profiler.add(name, counts)
