"""Reads ahead in a thread, so that reading and storing run at the same time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from queue import Empty, Queue
from typing import TypeVar

T = TypeVar("T")

_AHEAD = 1
"""The number of items in the queue; one more is being read. Memory use grows by these items."""

_SWITCH = 1e-4
"""Python's thread switch interval in seconds while a reader runs.

With the default of 5 ms, a thread that sends a file in many small pieces waits 5 ms for each.
"""

_ENDS_WITHIN = 1.0
"""Seconds to wait for the reader thread to end when the block ends early."""


@contextmanager
def read_ahead(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Iterate over the items while a thread reads the next ones ahead.

    An error of the iterator is raised in the block, after the items that came before it. If the
    block ends early, the reader ends after its current item.
    """
    read: Queue[tuple[T] | BaseException | None] = Queue(_AHEAD)
    over = threading.Event()

    def fill() -> None:
        end: BaseException | None = None
        try:
            for item in items:
                read.put((item,))
                if over.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are used
            end = error
        read.put(end)

    def taken() -> Iterator[T]:
        while isinstance(item := read.get(), tuple):
            yield item[0]
            del item  # frees its memory while waiting for the next one
        if item is not None:
            raise item

    interval = sys.getswitchinterval()
    # Run in a copy of this context, so that the thread's log lines name the job.
    thread = threading.Thread(target=copy_context().run, args=(fill,), name="reader", daemon=True)
    sys.setswitchinterval(_SWITCH)
    thread.start()
    try:
        yield taken()
    finally:
        sys.setswitchinterval(interval)
        over.set()
        with suppress(Empty):  # make room for an item that the reader is blocked on
            while True:
                read.get_nowait()
        thread.join(_ENDS_WITHIN)
