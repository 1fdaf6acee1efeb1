"""The end of an epoch: when it comes, and which rows leave training or are deleted then."""

from __future__ import annotations

from collections.abc import Sequence

from core.adapters.store import Work
from core.domain.batches import Batch, Epoch, EpochState
from core.domain.errors import NothingToTrainOn
from core.platform.settings import Settings
from core.rules.data.epoch_ending import Ending, EpochRows


def ending(work: Work, retain: int) -> Ending | None:
    """What the end of the current epoch changes; None before the first epoch.

    `retain` is the number of closed epochs whose rows are kept.
    """
    epochs = work.batches.epochs()
    if not epochs:
        return None
    current, *earlier = epochs
    rows = {r.epoch: r for r in work.lineage.rows()}
    mine = rows.pop(current.number, EpochRows(current.number, 0, 0, 0))
    gone = tuple(r for r in rows.values() if r.epoch <= current.number - retain)
    numbers = work.batches.stored_numbers(current.number).values()
    return Ending(
        current.number,
        mine.rows,
        mine.untrained,
        retain,
        gone,
        _last(max(numbers, default=-1), earlier),
        current.state is EpochState.EXHAUSTED,
        work.batches.received() is not None,
    )


def ends_epoch(work: Work, settings: Settings, *, restart: bool = False) -> Ending | None:
    """What changes if an ingest ends the epoch; None if it does not, as far as is known.

    A `restart` always ends it; another ingest does if the data has ended and SOURCE_RESTART=auto.
    """
    epoch_end = ending(work, settings.retain_epochs)
    return epoch_end if epoch_end and (restart or restarts_by_itself(epoch_end, settings)) else None


def restarts_by_itself(epoch_end: Ending, settings: Settings) -> bool:
    """Whether the next ingest ends the epoch automatically, as far as is known."""
    return settings.source_restart == "auto" and epoch_end.is_next


def _last(newest: int, earlier: Sequence[Epoch]) -> int | None:
    """The newest number, if the last complete epoch ended with it."""
    known = next((e.last_number for e in earlier if e.last_number is not None), None)
    return newest if known is not None and newest == known else None


def trainable(work: Work, wanted: int | None = None) -> int:
    """The number of the epoch to train on: the current one unless another is wanted.

    Raises:
        NothingToTrainOn: it has no rows that may be used.
    """
    current = work.batches.epoch()
    if current is None:
        raise NothingToTrainOn("No batch has been stored yet. Ingest one first.")
    number = current.number if wanted is None else wanted
    if work.holds.usable(number):
        return number
    held = [str(b.number) for b in work.holds.held(number) if not b.rows_removed_at]
    if held:
        raise NothingToTrainOn(
            f"Every batch of epoch {number} is held ({', '.join(held)}), so there is nothing to "
            "train on. Release one, or ingest the next batch."
        )
    raise NothingToTrainOn(why_no_rows(work.batches.stored(number), number))


def why_no_rows(stored: Sequence[Batch], epoch: int) -> str:
    """Why the database has no rows of an epoch."""
    if any(b.rows_removed_at for b in stored):
        return f"The rows of epoch {epoch} were removed. Choose an epoch whose rows are kept."
    return f"Epoch {epoch} has no stored rows."
