"""What the whole desk knows about its datasets: plain records of facts that span several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from core.domain.batches import BatchState
from core.domain.jobs import JobKind, JobState


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that failed, the newest of its kind or of its key."""

    id: int
    kind: JobKind
    finished_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class NewestBatch:
    """The last entry of a ledger; `number` is None until it is known."""

    id: int
    epoch: int
    number: int | None
    state: BatchState
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """A replica of serving that refused a version, and why."""

    url: str
    why: str


@dataclass(frozen=True, slots=True)
class FleetFacts:
    """What a line of the fleet says about one dataset; the defaults are those of an empty one.

    `open_jobs` counts jobs by state. `next_run_at` is that of the next schedule; None if none runs.
    """

    dataset: str
    live_version: int | None = None
    live_since: datetime | None = None
    open_jobs: Mapping[JobState, int] = field(default_factory=dict)
    newest_batch: NewestBatch | None = None
    next_run_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a dataset costs.

    `rows` are those in its table now, `bytes` all that were received from its source, and
    `seconds` the work of its ended runs by the kind of job.
    """

    dataset: str
    rows: int = 0
    bytes: int = 0
    predictions: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that a search found.

    `kind` is dataset, version, job, batch, epoch or prediction; `ref` is its name, number or id
    there: of a batch the id in the ledger. `state` is in a word, empty where there is none; `at` is
    the time of its last change.
    """

    kind: str
    dataset: str
    title: str
    ref: str
    state: str = ""
    at: datetime | None = None


class OpenJob(NamedTuple):
    """A job that is not over, of any dataset."""

    dataset: str
    kind: JobKind
    job_id: int
    attempt: int
    state: JobState
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class KnownDataset:
    """A dataset that the desk has seen; `digest` is the SHA-256 of its file in hex.

    A disabled one runs nothing; the last three fields are None and empty if it is enabled.
    """

    name: str
    digest: str
    seen_at: datetime
    disabled_at: datetime | None = None
    disabled_by: str = ""
    reason: str = ""

    @property
    def is_disabled(self) -> bool:
        """Whether a person has disabled it."""
        return self.disabled_at is not None
