"""What a rollback means for the batches that the version it took away was trained on. Pure.

The rule: such a batch is not untrained, and a training on the same rows would make the same version
again. So it asks for no training, and it waits for a person, whose answer ends it: the version goes
live again, or the batch is dismissed. A newer version that was trained on it answers it as well.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A version that was live and trained on a batch, and the older one that is live now.

    Without `by_rollback` the older one went live by an approval.
    """

    version: int
    live: int
    by_rollback: bool

    def title(self, them: str = "it") -> str:
        """What is true, after the name and a colon; `them` stands for the batch or the batches."""
        how = "was rolled back" if self.by_rollback else "was live before"
        return (
            f"version {self.version}, which {how}, was trained on {them}; the live version "
            f"{self.live} was not"
        )

    @property
    def to_do(self) -> str:
        """What a person can do."""
        return (
            f"Make version {self.version} live again, or dismiss what needs no action. Training "
            "helps only with more rows or another recipe."
        )
