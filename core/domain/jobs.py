"""Jobs, their states, and their log lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.domain.job_results import JobResult


class JobKind(StrEnum):
    """The kinds of jobs."""

    INGEST = "ingest"
    DRIFT = "drift"
    TRAIN = "train"
    JUDGE = "judge"
    PROMOTE = "promote"


class JobState(StrEnum):
    """The state of a job. REQUESTED is in the table only; QUEUED is in Redis too."""

    REQUESTED = "REQUESTED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_over(self) -> bool:
        """Whether the job has ended; only a retry continues it."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)

    @property
    def in_words(self) -> str:
        """What goes after "the job" in a sentence."""
        return _IN_WORDS[self]


AGAINST = "against"
"""The argument of a judge job that only compares: the other version."""

COMPARES = "compare:"
"""How the keys of such jobs begin."""

RETRYABLE = (JobState.FAILED, JobState.CANCELLED)
"""The states in which a job can be retried."""

_IN_WORDS = {
    JobState.REQUESTED: "waits to be queued",
    JobState.QUEUED: "waits in line",
    JobState.RUNNING: "runs",
    JobState.SUCCEEDED: "has succeeded",
    JobState.FAILED: "has failed",
    JobState.CANCELLED: "was cancelled",
}


@dataclass(frozen=True, slots=True)
class Job:
    """A unit of work that was requested.

    `attempt` counts from 1 and grows with each retry; `progress` runs from 0 to 1;
    `error` is a sentence for the operator; `result` is None until it has
    succeeded; `trace` is the
    traceparent of the request (see `core.platform.tracing`), empty in old jobs. `joined` is only
    set in the answer to a request: the job was open already, with the same arguments.
    """

    id: int
    kind: JobKind
    state: JobState
    attempt: int
    args: dict[str, Any]
    actor: str
    requested_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: float = 0.0
    stage: str = ""
    error: str = ""
    result: JobResult | None = None
    cancel_requested: bool = False
    trace: str = ""
    joined: bool = False

    @property
    def evaluates(self) -> bool:
        """Whether it makes a new dossier of a version; a comparison of two versions makes none."""
        return self.kind is JobKind.JUDGE and AGAINST not in self.args


STAGE = "stage"
"""The level of a log line that begins a stage of a job."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log line of a job."""

    at: datetime
    level: str
    message: str
