"""What the end of an epoch changes, in figures and sentences. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_GO = "retention removes them within the hour, driftdesk prune at once."


@dataclass(frozen=True, slots=True)
class EpochRows:
    """The rows of one epoch in the rows table.

    `untrained` counts the rows of batches whose content no version was trained on.
    """

    epoch: int
    batches: int
    rows: int
    untrained: int


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of the current epoch changes.

    `rows` are those of the epoch, and `untrained` those of batches that no version was trained on;
    they leave training and judging. `kept` says whether they stay in the table after the end.
    `removed` are the rows of earlier epochs that go then.

    `last_batch` is the number of the source's last batch, where it is the newest stored one;
    `is_over` says that the source has said so itself. While a batch waits to be read (`waits`), the
    next ingest reads that one and asks the source for none.
    """

    epoch: int
    rows: int
    untrained: int
    kept: int
    removed: tuple[EpochRows, ...]
    last_batch: int | None
    is_over: bool
    waits: bool = False

    @property
    def is_next(self) -> bool:
        """Whether the next request to the source ends the epoch, as far as is known."""
        return (self.is_over or self.last_batch is not None) and not self.waits

    @property
    def coming(self) -> str:
        """A sentence if the end has come or comes next; empty if that is not known."""
        if self.is_over:
            return f"The source has served its last batch of epoch {self.epoch}."
        if self.last_batch is not None:
            return (
                f"Batch {self.last_batch} is the last batch of the source, as it was in the epoch "
                "before."
            )
        return ""

    @property
    def counts(self) -> str:
        """Which rows leave training, which are kept, and which are deleted."""
        if not self.rows:
            return f"Epoch {self.epoch} has no rows that would go."
        sentence = f"The {self.rows:,} rows of epoch {self.epoch} leave training and judging; "
        if self.untrained:
            many = "any" if self.untrained == self.rows else f"{self.untrained:,}"
            sentence += f"no version was trained on {many} of them."
        else:
            sentence += "versions were trained on all of them."
        if self.kept:
            ends = self.epoch + 1 + self.kept
            sentence += (
                f" They are kept until epoch {ends} begins: choose epoch {self.epoch} for a "
                f"training (driftdesk train --epoch {self.epoch}), or download them."
            )
        else:
            sentence += f" RETAIN_EPOCHS=0 keeps none of them: {_GO}"
        for old in self.removed:
            sentence += (
                f" The {old.rows:,} kept rows of epoch {old.epoch} are kept no longer: {_GO}"
            )
        return sentence

    def to_json(self) -> dict[str, Any]:
        """As JSON, for the audit trail and a job's result."""
        removed = {str(old.epoch): old.rows for old in self.removed}
        if not self.kept and self.rows:
            removed[str(self.epoch)] = self.rows
        return {
            "epoch": self.epoch,
            "rows": self.rows,
            "untrained_rows": self.untrained,
            "kept_epochs": self.kept,
            "removed_rows": removed,
        }
