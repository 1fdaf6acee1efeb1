"""Reading and loading that a cancelled job gives up at once, wherever it is.

SQLite has one writer: while a job loads rows, a request to cancel it cannot be recorded. So the
request is announced through Redis first, and the load is rolled back to let the database record it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.adapters.readers import parse
from core.adapters.store import Work
from core.domain.dataset import Dataset
from core.domain.errors import JobCancelled, LeaseLost
from core.domain.jobs import Job
from core.rules.data.profile import Profiler
from workers.runtime.job_run import CancelAnnounced, Run


def read_chunks(
    run: Run,
    path: Path,
    dataset: Dataset,
    profiler: Profiler,
    number: int | None,
    *,
    most_bytes: int,
) -> Iterator[parse.Chunk]:
    """The chunks of a batch; records progress, and raises when the run must stop.

    Raises:
        JobCancelled, LeaseLost: see `Run.check`.
        BatchUnreadable: see `parse.chunks`.
    """
    share, valid = 0.0, 0
    stage = "reading the batch" if number is None else f"reading batch {number}"

    def at(read: float) -> None:
        nonlocal share
        share = read

    detected = parse.note(path, dataset)
    if detected:
        run.say(detected)
    for chunk in parse.chunks(path, dataset, profiler, at, most_bytes):
        run.progress(0.3 + 0.4 * share, stage)
        valid += chunk.rows.num_rows
        yield chunk
    run.progress(0.75, f"storing {valid:,} rows", always=True)


@contextmanager
def given_up_at_once(
    run: Run, work: Work, is_cancel_announced: Callable[[Job], bool]
) -> Iterator[None]:
    """Let the block's statements be broken off anywhere; its transaction is rolled back then.

    Raises:
        JobCancelled, LeaseLost: see `Run.check`.
        StoreBusy: a cancel was announced, and not recorded after the rollback.
    """
    try:
        with run.interruptible(is_cancel_announced):
            yield
    except CancelAnnounced:
        work.abandon()
        run.await_cancel()
    except (JobCancelled, LeaseLost):
        work.abandon()
        raise
