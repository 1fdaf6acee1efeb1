"""The queues and their workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from console.desk import Desk
from core.adapters.rq_queue import QUEUES, WorkerInfo
from core.domain.errors import QueueRefused
from core.usecases.stalled_jobs import SILENT, SILENT_AT_WORK

WORKER_STATES = ("busy", "idle", "silent", "dead")
"""The states of a worker: a silent one has missed heartbeats at work, a dead one for longer."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker and its state: busy, idle, silent or dead; `entry` is the job that it runs."""

    name: str
    state: str
    entry: str
    heartbeat: datetime | None
    started: datetime | None


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue: its kinds of jobs, its length and its workers.

    `stalled` is the reason if Redis refuses writes; the workers are then unknown.
    """

    name: str
    kinds: str
    length: int
    workers: list[Worker]
    stalled: str = ""

    @property
    def is_served(self) -> bool:
        """Whether a living worker takes jobs from it."""
        return any(worker.state != "dead" for worker in self.workers)


def queues(desk: Desk) -> list[Queue]:
    """Every queue with its workers.

    Raises:
        QueueUnavailable: Redis is unavailable.
    """
    now, stalled = datetime.now(UTC), ""
    try:
        desk.queue.try_write()
    except QueueRefused as error:
        stalled = str(error)
    workers = sorted(desk.queue.workers(), key=lambda w: w.name)
    every = []
    for name, length in sorted(desk.queue.lengths().items(), reverse=True):
        kinds = ", ".join(kind.value for kind, queue in QUEUES.items() if queue == name)
        serving = [
            Worker(w.name, state_of(w, now), w.entry, w.heartbeat, w.born)
            for w in workers
            if name in w.queue.split(",") and not stalled
        ]
        every.append(Queue(name, kinds, length, serving, stalled))
    return every


def state_of(worker: WorkerInfo, now: datetime) -> str:
    """Busy, idle, silent at work, or dead: no heartbeat for much longer than between two."""
    if worker.heartbeat is None or now - worker.heartbeat > SILENT:
        return "dead"
    if worker.state != "busy":
        return "idle"
    return "silent" if now - worker.heartbeat > SILENT_AT_WORK else "busy"
