"""The port of sources: where the batches of a dataset come from.

A source puts the bytes of the next batch on disk, before anything reads them. A reader decides
what a row in them is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.domain.batches import Batch
from core.domain.errors import SourceUnavailable
from core.domain.sources import Format

Progress = Callable[[int, int], None]
"""Gets the bytes so far and the bytes announced (0 if unknown), and cancels by raising."""


class AnswerBroken(SourceUnavailable):
    """The request was sent, but the answer is incomplete.

    Whether the source counts that batch as delivered is unknown until the next one.
    """


@dataclass(frozen=True, slots=True)
class Received:
    """A batch whose bytes are flushed to disk.

    `size` is in bytes, `content_hash` the SHA-256 in hex. `compression` is "", ".gz" or ".zst".
    `origin` names the file or query that it came from, at most `LONGEST_ORIGIN` characters.
    `watermark` is how far a query has read, or which version of a file this is. Both are empty
    where there is none.
    """

    path: Path
    size: int
    content_hash: str
    format: Format = Format.JSON
    compression: str = ""
    origin: str = ""
    watermark: str = ""

    @property
    def suffix(self) -> str:
        """The suffix of its spool file, which says how to read it."""
        return f".{self.format.value}{self.compression}"


LONGEST_ORIGIN = 1_000
LONGEST_WATERMARK = 100


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of a source.

    `of_origins` finds the entries of some origins (at most `MOST_ORIGINS` in one call), `watermark`
    the newest watermark of the entries whose origin begins with a text ("" without one).
    """

    of_origins: Callable[[Sequence[str]], Mapping[str, Sequence[Batch]]]
    watermark: Callable[[str], str]


MOST_ORIGINS = 500

NOTHING_KNOWN = Known(lambda _origins: {}, lambda _beginning: "")


class Source(Protocol):
    """Where the batches of one dataset come from.

    `asks_once`: a request that breaks off may cost a batch, because the source counts it as served.
    Where it does not, an incomplete answer is deleted, and the next ingest asks again.
    `can_restart`: the source comes to an end, and can begin again with its first batch.
    """

    asks_once: bool
    can_restart: bool

    def fetch(self, part: Path, known: Known, arrived: Progress) -> Received:
        """Write the next batch to `part`, flushed to disk.

        `part` is created before anything is asked, so a leftover means that an answer may be lost.

        Raises:
            SourceExhausted: there are no more batches; the epoch ends.
            NothingNew: there is no new batch now; there may be one later.
            SourceRefused: the source refused, and says why.
            SourceUnavailable: the source could not be reached; nothing was lost.
            AnswerBroken: the answer is incomplete; `part` stays, with what arrived.
        """
        ...

    def restart(self, waiting: Progress) -> None:
        """Begin again with the first batch.

        Raises:
            SourceRefused: this source has no beginning to go back to.
            SourceUnavailable: the source could not be reached.
        """
        ...

    def check(self, known: Known) -> str:
        """Say what the next batch would be, without moving anything.

        Raises:
            NothingNew, SourceRefused, SourceUnavailable: see `fetch`.
        """
        ...
