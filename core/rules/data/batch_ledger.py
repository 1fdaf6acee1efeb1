"""Rules of the batch ledger: attempts to store a batch, gaps in the numbers, and allowed actions.

Pure. A received batch is the next one to be stored until it is stored or closed. Each attempt is
counted and committed before the bytes are read, so it counts whatever ends it: an error, a killed
process, a lease that was lost while C code held the interpreter.

An attempt is excused if its end had nothing to do with the batch: the job was cancelled, or the
database was unavailable or locked. Since a batch could itself crash the database, the total is
bounded too: `_TRIES_IN_ALL` times as many attempts, excused or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from core.domain.batches import Batch, BatchState
from core.domain.errors import IllegalTransition
from core.domain.safe_text import printable

_TRIES_IN_ALL = 5

SKIPPABLE = (BatchState.RECEIVED, BatchState.CLOSED)
"""States of a batch that a person may close."""

RETRYABLE = (
    BatchState.RECEIVED,
    BatchState.CLOSED,
    BatchState.SKIPPED,
    BatchState.UNREADABLE,
)
"""States of a batch that a person may let be read again; its bytes are kept."""

ARRIVED = (BatchState.STORED, BatchState.CLOSED, BatchState.SKIPPED)
"""States of a batch that arrived, so its number is not missing."""


def stored_note(number: int, epoch: int, origin: str, stored: int, quarantined: int) -> str:
    """The first sentence of a stored batch's note: what was stored of it, and from where."""
    came = f" from {printable(origin)}" if origin else ""
    rest = f", {quarantined:,} quarantined." if quarantined else "."
    rows = "1 row" if stored == 1 else f"{stored:,} rows"
    return f"Batch {number} of epoch {epoch}{came}: {rows} stored{rest}"


def remarks_on(batch: Batch) -> str:
    """A batch's note without what its own columns say: counts, and where it came from."""
    first = stored_note(
        batch.number or 0,
        batch.epoch,
        batch.origin,
        batch.stored - batch.read_again,
        batch.quarantined + batch.read_again,
    )
    return batch.note.removeprefix(first).strip()


def is_out_of_tries(batch: Batch, most: int) -> bool:
    """Whether a batch is to be closed instead of tried again."""
    return batch.tries - batch.excused >= most or batch.tries >= most * _TRIES_IN_ALL


def is_stuck(batch: Batch) -> bool:
    """Whether a waiting batch has failed to be stored."""
    return batch.state is BatchState.RECEIVED and batch.tries > 0


def require_skippable(batch: Batch) -> None:
    """Check that a person may close this batch.

    Raises:
        IllegalTransition: its state does not allow it.
    """
    if batch.state not in SKIPPABLE:
        raise IllegalTransition(
            f"Entry {batch.id} of the ledger {batch.state.in_words}; only one that waits or was "
            "closed can be skipped."
        )


def require_retryable(batch: Batch, epoch: int) -> None:
    """Check that this batch can be read again while `epoch` is the current one.

    Raises:
        IllegalTransition: its state does not allow it, or its epoch is over.
    """
    if batch.state not in RETRYABLE:
        raise IllegalTransition(
            f"Entry {batch.id} of the ledger {batch.state.in_words}; there is nothing to read "
            "again."
        )
    if batch.epoch < epoch:
        raise IllegalTransition(
            f"Entry {batch.id} of the ledger belongs to epoch {batch.epoch}, which is over. The "
            "source gives its batches again after each restart."
        )


def require_quarantine_readable(batch: Batch, epoch: int) -> None:
    """Check that quarantined rows of this batch can be stored while `epoch` is the current one.

    Raises:
        IllegalTransition: it has none, or its rows may not change any more.
    """
    if batch.state is not BatchState.STORED or not batch.quarantined:
        why = (
            "has no quarantined rows"
            if batch.state is BatchState.STORED
            else (batch.state.in_words)
        )
        raise IllegalTransition(
            f"Entry {batch.id} of the ledger {why}; there is nothing to read again."
        )
    if batch.epoch < epoch:
        raise IllegalTransition(
            f"Batch {batch.number} belongs to epoch {batch.epoch}, which is over: its rows do not "
            "change any more. The source gives its batches again after a restart."
        )
    if batch.rows_removed_at:
        raise IllegalTransition(
            f"The rows of batch {batch.number} were removed, so none are added to them."
        )


def gaps(arrived: Iterable[int], first: int | None = 0) -> list[range]:
    """The ranges of numbers missing below the highest one that arrived in an epoch, ascending.

    `arrived` are the numbers of all its batches that did; `first` is the number of an epoch's
    first batch, None where it may be any.
    """
    before = [] if first is None else [first - 1]
    return [range(a + 1, b) for a, b in pairwise([*before, *sorted(set(arrived))]) if b - a > 1]


def gap_before(number: int, arrived: Iterable[int], first: int | None = 0) -> int:
    """How many numbers were skipped between the highest that arrived before and this one.

    `first` is the number of an epoch's first batch; None where it may be any.
    """
    newest = max(arrived, default=(number if first is None else first) - 1)
    return max(number - newest - 1, 0)


def settle(interrupted: Sequence[Batch], gap: int) -> list[tuple[Batch, BatchState]]:
    """The new states of the interrupted answers before a batch that is stored, oldest first.

    `gap` counts the batch numbers that are missing just before it. As many answers are lost; the
    API sent the batches of the others again.
    """
    return [
        (batch, BatchState.LOST if n < gap else BatchState.SETTLED)
        for n, batch in enumerate(interrupted)
    ]
