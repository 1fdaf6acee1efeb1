"""The watch over a running job: its process is ended when it cannot, or will not, end by itself.

RQ forks a process for each job. The parent stays awake: it sees in memory that they share whether
the process still moves, and in the database whether its job is still wanted and still its own. A
process may hold the lock without which no cancel can be recorded there, so Redis is asked, too,
whether one was announced.
A killed process leaves nothing half done: its transaction is rolled back, which gives back the
rows that it held, and the reconciler settles the rest.
"""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import structlog

from core.adapters.rq_queue import Queue
from core.adapters.store import Store
from core.domain.errors import DriftdeskError, Missing, QueueUnavailable
from core.domain.jobs import Job, JobState

LOOK_EVERY = 0.5
"""Seconds between two looks of the parent, and between two beats of the child."""

UNWATCHED = 1.0
"""Seconds that a job runs before it is watched: most are over by then, and cost nothing more."""

GRACE = 2.5
"""Seconds in which a process may stop by itself once its job is cancelled, or that is announced."""

TIDYING = 30.0
"""Seconds for one whose job was taken over, to take back what it did too late."""

_REDIS_REST = 30.0
"""Seconds for which Redis is not asked after it failed, so that the watch does not wait for it."""

log = structlog.get_logger()


class Cause(StrEnum):
    """Why a process is ended from outside."""

    CANCELLED = "cancelled"
    OVERTAKEN = "overtaken"
    FROZEN = "frozen"


GRACES = {Cause.CANCELLED: GRACE, Cause.OVERTAKEN: TIDYING}
"""Seconds that a process has to stop by itself, by why it must."""


class Pulse:
    """A counter in memory that a parent shares with the children that it forks."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    def beat(self) -> None:
        """Count on from here, in a thread of this process, for as long as it moves."""
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    def _beat(self) -> None:
        count = self.count()
        while True:
            count += 1
            self._page[:8] = count.to_bytes(8, "little")
            time.sleep(LOOK_EVERY)

    def count(self) -> int:
        """Where the counter stands."""
        return int.from_bytes(self._page[:8], "little")


class Judgement:
    """Decides from what is seen at each look whether the process must be ended. Pure.

    `still` is for how many seconds it may stand still. Time in which the parent itself did not
    look, as when the whole machine was stopped, is not counted against the child.
    """

    def __init__(self, attempt: int, still: float, now: float) -> None:
        self._attempt = attempt
        self._still = still
        self._looked = now
        self._beats = -1
        self._moved = now
        self._unwanted: float | None = None

    def see(
        self, now: float, beats: int, job: Job | None, *, announced: bool = False
    ) -> Cause | None:
        """Take in one look; `job` is None where the database could not be asked.

        `announced` says that a cancel waits to be recorded.
        """
        if beats != self._beats or now - self._looked > GRACE:
            self._beats, self._moved = beats, now
        self._looked = now
        if now - self._moved > self._still:
            return Cause.FROZEN
        why = self._why_unwanted(job, announced=announced) if job else None
        if why is None:
            self._unwanted = self._unwanted if job is None else None
            return None
        self._unwanted = now if self._unwanted is None else self._unwanted
        return why if now - self._unwanted > GRACES[why] else None

    def _why_unwanted(self, job: Job, *, announced: bool) -> Cause | None:
        if job.attempt != self._attempt:
            return Cause.OVERTAKEN
        cancelled = job.cancel_requested or announced
        return Cause.CANCELLED if cancelled and job.state is JobState.RUNNING else None


@dataclass(eq=False)
class Watch:
    """Watches over one process while the block runs, and ends it where it must."""

    pid: int
    job_id: int
    attempt: int
    pulse: Pulse
    still: float
    store: Callable[[], Store]
    queue: Callable[[], Queue]
    cause: Cause | None = None
    """Why it was ended; None while it was not."""
    _ask_redis_at: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        # RQ wakes its main thread by SIGALRM; no signal may come here in its place.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        if self._over.wait(UNWATCHED):
            return
        try:
            store = self.store()
        except DriftdeskError as error:
            log.warning("cannot watch a job", job=self.job_id, reason=str(error))
            return
        try:
            self._look(store)
        finally:
            store.close()

    def _look(self, store: Store) -> None:
        judgement = Judgement(self.attempt, self.still, time.monotonic())
        queue = self.queue()
        while not self._over.wait(LOOK_EVERY):
            job = self._job(store)
            announced = self._is_cancel_announced(queue)
            cause = judgement.see(time.monotonic(), self.pulse.count(), job, announced=announced)
            if cause and not self._over.is_set():
                self.cause = cause
                log.warning("ending a job's process", job=self.job_id, cause=cause.value)
                self._kill()
                return

    def _job(self, store: Store) -> Job | None:
        try:
            with store.read() as work:
                return work.jobs.get(self.job_id)
        except Missing:
            return None
        except DriftdeskError as error:
            log.debug("cannot look at the job", job=self.job_id, reason=str(error))
            return None

    def _is_cancel_announced(self, queue: Queue) -> bool:
        if time.monotonic() < self._ask_redis_at:
            return False
        try:
            return queue.is_cancel_announced(self.job_id, self.attempt)
        except QueueUnavailable as error:
            log.debug("cannot ask for announced cancels", job=self.job_id, reason=str(error))
            self._ask_redis_at = time.monotonic() + _REDIS_REST
            return False

    def _kill(self) -> None:
        """End the process and all that it started: RQ gives each job a process group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            log.debug("it ended by itself", job=self.job_id)
