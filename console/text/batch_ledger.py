"""The batch ledger as lines of a table, including missing batches, and its summary. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.text import formatting
from core.domain.batches import Batch, BatchState
from core.domain.safe_text import printable
from core.domain.sources import Source, UploadSource
from core.rules.data.batch_ledger import ARRIVED, RETRYABLE, remarks_on
from core.rules.ops.batch_names import named_batches

MISSING = "MISSING"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a batch, or a range of missing numbers (`batch` is None)."""

    numbers: str
    state: str
    batch: Batch | None
    note: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of an epoch.

    `rows` are in the database, `removed` were. `closed` counts batches received but not stored;
    `lost` counts unreadable responses and those the API counts as delivered; `open` counts
    interrupted responses that may prove lost.
    """

    stored: int
    rows: int
    removed: int
    quarantined: int
    missing: int
    repeated: int
    conflicts: int
    closed: int
    lost: int
    open: int


def lines(batches: Sequence[Batch], gaps: Sequence[range]) -> list[Line]:
    """The ledger newest first, each gap below the batch that revealed it."""
    behind = {gap.stop: gap for gap in gaps}
    ledger_lines = []
    for batch in batches:
        number = "" if batch.number is None else str(batch.number)
        ledger_lines.append(Line(number, batch.state.value, batch, note_of(batch)))
        if batch.state in ARRIVED and batch.number in behind:
            ledger_lines.append(missing(behind[batch.number]))
    return ledger_lines


def note_of(batch: Batch) -> str:
    """The note about a batch, beginning with where it came from, a hold and removed rows."""
    notes = []
    if batch.origin and batch.state is BatchState.STORED:
        notes.append(f"From {printable(batch.origin)}.")
    if batch.is_held:
        notes.append(f"Held: {batch.hold_reason}")
    if batch.rows_removed_at:
        notes.append(f"Rows removed {batch.rows_removed_at:%Y-%m-%d %H:%M} UTC.")
    return " ".join([*notes, remarks_on(batch)]).strip()


def repeats(batch: Batch, first: Batch | None) -> str:
    """A sentence about the first batch with the same content; empty if that is this one."""
    if first is None or first.id == batch.id:
        return ""
    return f"It repeats batch {first.number} of epoch {first.epoch}: equal content."


def missing(gap: range) -> Line:
    """The line of a range of missing numbers."""
    numbers, subject, them = str(gap.start), "This batch was", "it"
    if len(gap) > 1:
        numbers, them = f"{gap.start} to {gap.stop - 1}", "them"
        subject = f"These {len(gap):,} batches were"
    note = f"{subject} never received. The source delivers {them} again only after a restart."
    return Line(numbers, MISSING, None, note)


def summary(batches: Sequence[Batch], gaps: Sequence[range]) -> Summary:
    """The counts of an epoch."""

    def count(state: BatchState) -> int:
        return sum(b.state is state for b in batches)

    stored = [b for b in batches if b.state is BatchState.STORED]
    return Summary(
        stored=len(stored),
        rows=sum(b.kept_rows for b in stored),
        removed=sum(b.stored - b.kept_rows for b in stored),
        quarantined=sum(b.quarantined for b in stored),
        missing=sum(map(len, gaps)),
        repeated=count(BatchState.REPEATED),
        conflicts=count(BatchState.CONFLICT),
        closed=count(BatchState.CLOSED) + count(BatchState.SKIPPED),
        lost=count(BatchState.UNREADABLE) + count(BatchState.LOST),
        open=count(BatchState.INTERRUPTED),
    )


def decidable(batches: Sequence[Batch]) -> list[Batch]:
    """The entries that a person can retry; a received batch only after a first attempt."""
    return [
        b
        for b in batches
        if b.state in RETRYABLE and (b.state is not BatchState.RECEIVED or b.tries)
    ]


def trains_on(batches: Sequence[Batch]) -> str:
    """What a training would use, such as "Uses batches 0 to 2 of epoch 1: 8,417 rows."."""
    numbers = [b.number for b in batches if b.number is not None]
    if not numbers:
        return ""
    rows = formatting.count(sum(b.stored for b in batches), "row")
    named = named_batches(numbers, capital=False)
    return f"Uses {named} of epoch {batches[0].epoch}: {rows}."


def first_batch(source: Source) -> str:
    """What to press for the first batch, as Markdown that begins a sentence."""
    if isinstance(source, UploadSource):
        return "**Upload a file…** makes it the first batch"
    return "**Ingest next batch** fetches the first batch"
