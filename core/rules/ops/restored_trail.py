"""Which audit events still say something about what is there, after restores of one dataset. Pure.

Such a restore brings back the facts of an earlier time while the trail goes on. What the trail has
of the dataset since that time is history: a batch that was dismissed then may wait again now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

RESTORE = "restore"
"""The action of a restore."""

TRAIL = "trail"
"""The detail of a restore of one dataset: how many events of this trail its backup has.

0 if it was made of another desk. A restore of a whole desk brings its trail along, and has none.
"""


class History(NamedTuple):
    """The events of a dataset after one number and before another are history."""

    dataset: str
    after: int
    before: int

    def has(self, dataset: str, number: int) -> bool:
        """Whether it covers that event."""
        return dataset == self.dataset and self.after < number < self.before


def history(restores: Iterable[tuple[str, int, int]]) -> list[History]:
    """What is history after these restores, each a dataset, the detail `TRAIL` and its own number.

    A restore to a time before an earlier restore makes that one history too.
    """
    found: list[History] = []
    for dataset, kept, number in sorted(restores, key=lambda restore: -restore[2]):
        if not any(later.has(dataset, number) for later in found):
            found.append(History(dataset, kept, number))
    return found
