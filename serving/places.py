"""How many batches may be worked on at once."""

from __future__ import annotations

import threading

from serving.problems import busy


class Places:
    """A number of places; one is taken before a batch is read and given back at its end."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._mutex = threading.Lock()
        self.taken = 0

    def take(self) -> None:
        """Take a place.

        Raises:
            Problem: there is none.
        """
        if not self._free.acquire(blocking=False):
            raise busy("many batches")
        with self._mutex:
            self.taken += 1

    def give(self) -> None:
        """Give it back."""
        with self._mutex:
            self.taken -= 1
        self._free.release()
