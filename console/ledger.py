"""The ledger as people read it: what came in, with a line of its own for what never did. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.records import Batch, BatchState

MISSING = "MISSING"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a batch, or a run of numbers that never came (`batch` is None)."""

    numbers: str
    state: str
    batch: Batch | None
    note: str


@dataclass(frozen=True, slots=True)
class Summary:
    """An epoch in figures. `lost` counts answers that broke off or could not be read."""

    stored: int
    rows: int
    quarantined: int
    missing: int
    repeated: int
    conflicts: int
    lost: int


def gaps(batches: Iterable[Batch]) -> list[range]:
    """The runs of numbers below the highest stored one that are not stored, lowest first."""
    numbers = {b.number for b in batches if b.state is BatchState.STORED and b.number is not None}
    known = [-1, *sorted(numbers)]
    return [range(a + 1, b) for a, b in pairwise(known) if b - a > 1]


def lines(batches: Sequence[Batch]) -> list[Line]:
    """The ledger newest first, each gap below the batch that showed it."""
    behind: dict[int, range] = {gap.stop: gap for gap in gaps(batches)}
    made = []
    for batch in batches:
        number = "" if batch.number is None else str(batch.number)
        made.append(Line(number, batch.state.value, batch, batch.note))
        if batch.state is BatchState.STORED and batch.number in behind:
            made.append(_missing(behind[batch.number]))
    return made


def _missing(gap: range) -> Line:
    numbers = str(gap.start) if len(gap) == 1 else f"{gap.start} to {gap.stop - 1}"
    said, them = ("This batch", "it") if len(gap) == 1 else (f"These {len(gap):,} batches", "them")
    note = f"{said} never came. The source gives {them} again only after a restart."
    return Line(numbers, MISSING, None, note)


def summary(batches: Sequence[Batch]) -> Summary:
    """What an epoch comes to."""

    def count(state: BatchState) -> int:
        return sum(b.state is state for b in batches)

    stored = [b for b in batches if b.state is BatchState.STORED]
    return Summary(
        stored=len(stored),
        rows=sum(b.stored for b in stored),
        quarantined=sum(b.quarantined for b in stored),
        missing=sum(len(gap) for gap in gaps(batches)),
        repeated=count(BatchState.REPEATED),
        conflicts=count(BatchState.CONFLICT),
        lost=count(BatchState.UNREADABLE),
    )
