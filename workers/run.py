"""One run of one job: the lease that it holds, what it says while it works, and how it ends."""

from __future__ import annotations

import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta
from types import FrameType
from typing import Any, Self

import structlog

from core import trace
from core.errors import DriftdeskError, JobCancelled, LeaseLost, StoreUnavailable
from core.notice import Event, failed
from core.records import Job, JobState
from core.store import Store, Work

_SAY_EVERY = 0.5
"""Seconds between two writes of the progress, so that saying costs less than doing."""

log = structlog.get_logger()


class Run:
    """A claimed job, from inside.

    A heartbeat thread renews the lease three times in its length. When the lease is lost or
    the job is to be cancelled, the next `progress` raises, and so does a block of
    `interruptible` code at once.
    """

    def __init__(self, store: Store, job: Job, owner: str, lease: timedelta) -> None:
        self.store = store
        self.job = job
        self._owner = owner
        self._lease = lease
        self._stop: DriftdeskError | None = None
        self._over = threading.Event()
        self._interruptible = False
        self._said = 0.0

    @classmethod
    def claim(cls, store: Store, job_id: int, attempt: int, lease: timedelta) -> Self | None:
        """Start an attempt of a job; None when it was cancelled, replaced or started already."""
        owner = uuid.uuid4().hex
        with store.begin() as work:
            job = work.jobs.claim(job_id, attempt, owner, lease)
            work.commit()
        return cls(store, job, owner, lease) if job else None

    @contextmanager
    def heartbeats(self) -> Iterator[None]:
        """Keep the lease while the block runs."""
        # In a copy of this context, so that its lines say whose heart it is.
        beat = copy_context().run
        thread = threading.Thread(target=beat, args=(self._beat,), name="heartbeat", daemon=True)
        before = signal.signal(signal.SIGUSR1, self._interrupted)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            signal.signal(signal.SIGUSR1, before)

    def _beat(self) -> None:
        pause = min(self._lease.total_seconds() / 3, 2.0)
        while not self._over.wait(pause) and self._stop is None:
            try:
                with self.store.begin() as work:
                    if work.jobs.heartbeat(self.job.id, self._owner, self._lease):
                        self._stop = JobCancelled("Cancelled on request.")
                    work.commit()
            except LeaseLost as error:
                # A job that ended in the main thread between two beats has no lease to renew.
                self._stop = None if self._over.is_set() else error
            except StoreUnavailable as error:
                log.warning("heartbeat missed", reason=str(error))
        if self._stop and self._interruptible:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def _interrupted(self, _signal: int, _frame: FrameType | None) -> None:
        if self._stop and self._interruptible:
            raise self._stop

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Mark code that may be broken off anywhere, because it writes nothing."""
        self.check()
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False
        self.check()

    def check(self) -> None:
        """Go on only if the job is still wanted and still ours.

        Raises:
            JobCancelled: somebody asked it to stop.
            LeaseLost: another run has taken over.
        """
        if self._stop:
            raise self._stop

    def progress(self, share: float, stage: str, *, always: bool = False) -> None:
        """Say how far the job is, from 0 to 1, and what it is doing.

        Raises:
            JobCancelled, LeaseLost: see `check`.
        """
        self.check()
        if not always and time.monotonic() - self._said < _SAY_EVERY:
            return
        self._said = time.monotonic()
        with self.store.begin() as work:
            work.jobs.progress(self.job.id, self._owner, share, stage)
            work.commit()

    def about(self, **ids: Any) -> None:
        """Put what the run is about on its log lines and its span: `batch`, `version`, `actor`."""
        structlog.contextvars.bind_contextvars(**ids)
        trace.note(**ids)

    def say(self, message: str, level: str = "info") -> None:
        """Write a line to the job's log and to the worker's."""
        getattr(log, level)(message)
        with self.store.begin() as work:
            work.jobs.log(self.job.id, message, level)
            work.commit()

    def complete(self, work: Work, result: dict[str, Any]) -> None:
        """End the job well, in the same transaction as what it wrote, and commit both.

        Raises:
            LeaseLost: another run has taken over; nothing is kept.
        """
        work.jobs.finish(self.job.id, self._owner, JobState.SUCCEEDED, result=result)
        work.commit()

    def fence(self, work: Work) -> None:
        """Let only the run that holds the lease write in this transaction.

        Raises:
            LeaseLost: another run has taken over.
        """
        work.jobs.fence(self.job.id, self._owner)

    def end(self, state: JobState, error: str) -> None:
        """End the job badly, or as cancelled, with a sentence for the operator."""
        try:
            with self.store.begin() as work:
                work.jobs.log(self.job.id, error, "error" if state is JobState.FAILED else "info")
                work.jobs.finish(self.job.id, self._owner, state, error=error)
                if state is JobState.FAILED:
                    work.notify.add(Event.FAILED, f"job:{self.job.id}", failed(self.job, error))
                work.commit()
        except LeaseLost:
            log.warning("taken over by another run", job=self.job.id)
