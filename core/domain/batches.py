"""Batches and the epochs that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.domain.sources import Format


class EpochState(StrEnum):
    """Whether the source still has batches in this epoch."""

    OPEN = "OPEN"
    EXHAUSTED = "EXHAUSTED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One run through the source's batches, from a restart to the next.

    `last_number` is the number of the source's last batch; None until the source has said that
    there are no more.
    """

    number: int
    state: EpochState
    started_at: datetime
    last_number: int | None = None


class BatchState(StrEnum):
    """The state of a batch in the ledger.

    RECEIVED: on disk, not yet parsed. STORED: rows, profile and counts are in the database.
    REPEATED: the same content was stored before, so nothing was added. CONFLICT: the number was
    stored before with other content. UNREADABLE: the bytes are not a batch. CLOSED: storing it
    failed too often. SKIPPED: a person closed it. INTERRUPTED: the answer was incomplete, and
    whether the API counts it as delivered is unknown. LOST: the API does, as the next batch's
    number showed. SETTLED: the API does not; that batch came later.
    """

    RECEIVED = "RECEIVED"
    STORED = "STORED"
    REPEATED = "REPEATED"
    CONFLICT = "CONFLICT"
    UNREADABLE = "UNREADABLE"
    CLOSED = "CLOSED"
    SKIPPED = "SKIPPED"
    INTERRUPTED = "INTERRUPTED"
    LOST = "LOST"
    SETTLED = "SETTLED"

    @property
    def in_words(self) -> str:
        """What goes after "the entry" in a sentence."""
        return _IN_WORDS[self]


DELIVERY_UNKNOWN = (
    "Whether the API counts that batch as delivered is not known until the next batch comes: "
    "either it is that one, or its number shows a gap."
)
"""In the note of an INTERRUPTED batch, whose source `asks_once`; taken out once it is settled."""

_IN_WORDS = {
    BatchState.RECEIVED: "waits to be read",
    BatchState.STORED: "is stored",
    BatchState.REPEATED: "repeats an earlier batch",
    BatchState.CONFLICT: "conflicts with an earlier batch",
    BatchState.UNREADABLE: "is unreadable",
    BatchState.CLOSED: "is closed",
    BatchState.SKIPPED: "is skipped",
    BatchState.INTERRUPTED: "was interrupted",
    BatchState.LOST: "is lost",
    BatchState.SETTLED: "is settled",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """One answer of the source in the ledger.

    Once read, `rows` = `stored` + `quarantined`. `read_again` counts those of the stored rows that
    were in quarantine before a reading rule changed. `gap` counts the batch numbers that were
    skipped just before this one. `tries` counts the attempts to store it, each before it starts;
    `excused` counts those that a transient cause ended (see `core.rules.data.batch_ledger`).

    While held (`held_at`) it is excluded from references, error measurement and training;
    `released_at` is when a person last released it. `rows_removed_at` is set when its rows are
    deleted.

    `origin` names the file or query that it came from, and `watermark` how far that query has read
    or which version of the file this is; both are empty for a data API.
    """

    id: int
    epoch: int
    state: BatchState
    number: int | None
    content_hash: str
    spool: str
    bytes: int
    received_at: datetime
    rows: int = 0
    stored: int = 0
    quarantined: int = 0
    read_again: int = 0
    gap: int = 0
    note: str = ""
    stored_at: datetime | None = None
    tries: int = 0
    excused: int = 0
    held_at: datetime | None = None
    held_by: str | None = None
    hold_reason: str | None = None
    released_at: datetime | None = None
    rows_removed_at: datetime | None = None
    origin: str = ""
    format: Format = Format.JSON
    watermark: str = ""

    @property
    def is_held(self) -> bool:
        """Whether it is excluded from comparisons and training."""
        return self.held_at is not None

    @property
    def kept_rows(self) -> int:
        """The number of its rows that are still in the rows table."""
        return 0 if self.rows_removed_at else self.stored

    @property
    def subject(self) -> str:
        """Its subject in the audit trail, by epoch and number, such as `batch:2/3`."""
        return f"batch:{self.epoch}/{self.number}"


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """An invalid row: its number, the reasons, and its content as JSON or as raw text."""

    row_number: int
    reason: str
    content: str

    @property
    def is_whole(self) -> bool:
        """Whether the content is all that arrived, so that it can be read again."""
        return not self.content.startswith(NOT_KEPT) and LOST_CHARACTER not in self.content


KEPT_CONTENTS = 10_000
"""How many quarantined rows of a batch keep their content; all keep their reasons."""

NOT_KEPT = "(not kept: "
"""How the content of a row begins whose content was not kept."""

LOST_CHARACTER = "\ufffd"
"""Stands for bytes that are no character."""

KEPT = 16_000
"""How many characters of a quarantined row are kept; a longer one cannot be read again."""

LONGEST_ROW = 1 << 20
"""The longest row that is read, in bytes. Of a longer one only the beginning is kept."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value or a row that has no values to check, and the rule that it breaks."""

    rule: str
