"""One run of one job: its lease, its progress and log, and its end."""

from __future__ import annotations

import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta
from types import FrameType
from typing import Any, NoReturn, Self

import structlog

from core.adapters.store import Store, Work
from core.domain.errors import (
    DriftdeskError,
    JobCancelled,
    LeaseLost,
    StoreBusy,
    StoreUnavailable,
)
from core.domain.job_results import JobResult
from core.domain.jobs import STAGE, Job, JobState
from core.platform import tracing
from core.rules.ops.notification import Event, failed

_PROGRESS_EVERY = 0.5
"""The least time between two writes of the progress, in seconds."""

_BEAT_EVERY = 1.0
"""Seconds between two heartbeats at most: a request to cancel is noticed at the next one."""

_ASK_EVERY = 0.25
"""Seconds between two questions whether a cancel is announced, and whether it is recorded."""

_RECORDED_WITHIN = 10.0
"""Seconds within which a cancel is recorded once the run has given back the database's lock."""

log = structlog.get_logger()


class CancelAnnounced(DriftdeskError):
    """A cancel of this job waits for the database's lock, which this run may hold."""


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
        self._stopping = threading.Lock()
        self._over = threading.Event()
        self._interruptible = False
        self._progress_at = 0.0
        self._stage = ""

    @classmethod
    def claim(cls, store: Store, job_id: int, attempt: int, lease: timedelta) -> Self | None:
        """Start an attempt of a job; None when it was cancelled, replaced or started already."""
        owner = uuid.uuid4().hex
        with store.transaction() as work:
            job = work.jobs.claim(job_id, attempt, owner, lease)
        return cls(store, job, owner, lease) if job else None

    @contextmanager
    def heartbeats(self) -> Iterator[None]:
        """Keep the lease while the block runs."""
        # In a copy of this context, so that its log lines name the job.
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
        pause = min(self._lease.total_seconds() / 3, _BEAT_EVERY)
        while not self._over.wait(pause) and self._stop is None:
            try:
                with self.store.transaction() as work:
                    if work.jobs.heartbeat(self.job.id, self._owner, self._lease):
                        self._stop = JobCancelled("Cancelled on request.")
            except LeaseLost as error:
                # A job that ended in the main thread between two beats has no lease to renew.
                self._stop = None if self._over.is_set() else error
            except StoreUnavailable as error:
                log.warning("heartbeat missed", reason=str(error))
        self._interrupt()

    def _interrupt(self) -> None:
        if self._stop and self._interruptible:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def _interrupted(self, _signal: int, _frame: FrameType | None) -> None:
        if self._stop and self._interruptible:
            raise self._stop

    @contextmanager
    def interruptible(
        self, is_cancel_announced: Callable[[Job], bool] | None = None
    ) -> Iterator[None]:
        """Mark code that may be broken off anywhere: what it has written is rolled back.

        Code that holds SQLite's write lock is broken off by an announced cancel, too, since no
        heartbeat can learn of one meanwhile.

        Raises:
            JobCancelled, LeaseLost: see `check`.
            CancelAnnounced: roll back, then call `await_cancel`.
        """
        self.check()
        over = threading.Event()
        self._interruptible = True
        try:
            if is_cancel_announced is not None:
                arguments = (is_cancel_announced, over)
                threading.Thread(target=self._listen, args=arguments, daemon=True).start()
            yield
        except Exception as error:
            # Code that catches everything may have made another error of the interruption.
            if self._stop and error is not self._stop:
                raise self._stop from error
            raise
        finally:
            self._interruptible = False
            with self._stopping:
                over.set()
        self.check()

    def _listen(self, is_cancel_announced: Callable[[Job], bool], over: threading.Event) -> None:
        while not over.wait(_ASK_EVERY) and self._stop is None:
            if is_cancel_announced(self.job):
                with self._stopping:
                    if not over.is_set():
                        self._stop = CancelAnnounced("A cancel waits to be recorded.")
        self._interrupt()

    def await_cancel(self) -> NoReturn:
        """Wait until the announced cancel is in the database; nothing may be locked by this run.

        Raises:
            JobCancelled: it is.
            LeaseLost: another run has taken over, or the job is over.
            StoreBusy: it was not recorded in time.
        """
        deadline = time.monotonic() + _RECORDED_WITHIN
        while time.monotonic() < deadline:
            with self.store.read() as work:
                job = work.jobs.get(self.job.id)
            if job.attempt != self.job.attempt or job.state is not JobState.RUNNING:
                raise LeaseLost(f"Job {self.job.id} was taken over or ended.")
            if job.cancel_requested:
                raise JobCancelled("Cancelled on request.")
            time.sleep(_ASK_EVERY)
        raise StoreBusy(
            "Loading was broken off because a cancel was announced, but the database has no "
            "such request. Retry the job, or cancel it again."
        )

    def check(self) -> None:
        """Raise if this run must stop.

        Raises:
            JobCancelled: cancelling was requested.
            LeaseLost: another run has taken over.
        """
        if self._stop:
            raise self._stop

    def still_held(self, *, wanted: bool = True) -> None:
        """Ask the database whether this run still has the job, and renew its lease.

        Call it right before each act outside the database. A process that was stopped and goes
        on later then finds out before it acts. The check and the act are two steps all the same,
        so whoever reads the outside afterwards corrects what an overtaken run did between them.
        With `wanted=False` a request to cancel does not count: for acts that undo others.

        Raises:
            LeaseLost: another run has taken over, or the job is over.
            JobCancelled: cancelling was requested.
            StoreUnavailable: the database is unavailable.
        """
        with self.store.transaction() as work:
            cancelled = work.jobs.heartbeat(self.job.id, self._owner, self._lease)
        if cancelled and wanted:
            raise JobCancelled("Cancelled on request.")

    def progress(self, share: float, stage: str, *, always: bool = False) -> None:
        """Record the progress, from 0 to 1, and the current stage, at most twice a second.

        `always` records it at once, and begins a stage: the job's log gets a line for it.

        Raises:
            JobCancelled, LeaseLost: see `check`.
        """
        self.check()
        if not always and time.monotonic() - self._progress_at < _PROGRESS_EVERY:
            return
        self._progress_at = time.monotonic()
        with self.store.transaction() as work:
            work.jobs.progress(self.job.id, self._owner, share, stage)
            if always and stage != self._stage:
                work.jobs.log(self.job.id, stage, STAGE)
                self._stage = stage

    def about(self, **ids: Any) -> None:
        """Bind ids to the run's log lines and its span: `batch`, `version`, `actor`."""
        structlog.contextvars.bind_contextvars(**ids)
        tracing.note(**ids)

    def say(self, message: str, level: str = "info") -> None:
        """Write a line to the job's log and to the worker's.

        Raises:
            LeaseLost: another run has taken over.
        """
        getattr(log, level)(message)
        with self.store.transaction() as work:
            self.fence(work)
            work.jobs.log(self.job.id, message, level)

    def complete(self, work: Work, result: JobResult) -> None:
        """End the job as succeeded, in the same transaction as its writes, and commit.

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
        """End the job as failed or cancelled, with a sentence for the operator."""
        try:
            with self.store.transaction() as work:
                work.jobs.log(self.job.id, error, "error" if state is JobState.FAILED else "info")
                work.jobs.finish(self.job.id, self._owner, state, error=error)
                if state is JobState.FAILED:
                    work.notifications.add(
                        Event.FAILED, f"job:{self.job.id}", failed(self.job, error)
                    )
        except LeaseLost:
            log.warning("taken over by another run", job=self.job.id)
