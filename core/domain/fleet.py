"""What the whole desk knows about its datasets: plain records of facts that span several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from core.domain.batches import BatchState
from core.domain.drift import Reason
from core.domain.jobs import JobKind, JobState


@dataclass(frozen=True, slots=True)
class OpenCandidate:
    """A version that awaits a decision; `recommended` is the rule's verdict."""

    version: int
    recommended: bool
    proposed_at: datetime


@dataclass(frozen=True, slots=True)
class FailedJob:
    """The newest failed job of its kind; no later job of that kind has succeeded since."""

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
class NewestReport:
    """The newest comparison of a batch with the one before.

    `recommendation` is the one that was stored with it, "" without. `answered`: a person dismissed
    the batch, or a version was trained on it.
    """

    batch_id: int
    epoch: int
    batch_number: int
    retrain: bool
    reasons: tuple[Reason, ...]
    measure_reasons: tuple[Reason, ...]
    created_at: datetime
    recommendation: str = ""
    answered: bool = False


@dataclass(frozen=True, slots=True)
class BatchErrors:
    """The metrics of the live version on one batch's held-out rows.

    `spread` is the standard deviation of the rows' errors. `seen`: a person has seen the alert
    about the live version on this batch.
    """

    batch_id: int
    rows: int
    metrics: Mapping[str, float]
    spread: float = 0.0
    epoch: int = 0
    number: int = 0
    seen: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A replica of serving that refused a version, and why."""

    url: str
    why: str


@dataclass(frozen=True, slots=True)
class FleetFacts:
    """What a line of the fleet says about one dataset; the defaults are those of an empty one.

    `approved` has the live version's metrics in its dossier. `open_jobs` counts jobs by state.
    `errors` has the last 12 batches that the live version was scored on and that are not held,
    oldest first. `next_run_at` is that of the next schedule; None if none runs.
    `replicas` counts replicas of serving that reported lately.
    """

    dataset: str
    live_version: int | None = None
    live_since: datetime | None = None
    approved: Mapping[str, float] = field(default_factory=dict)
    candidates: tuple[OpenCandidate, ...] = ()
    open_jobs: Mapping[JobState, int] = field(default_factory=dict)
    failed_jobs: tuple[FailedJob, ...] = ()
    newest_batch: NewestBatch | None = None
    drift: NewestReport | None = None
    errors: tuple[BatchErrors, ...] = ()
    next_run_at: datetime | None = None
    follow_ups: int = 0
    force_requests: int = 0
    held_batches: int = 0
    undelivered: int = 0
    replicas: int = 0
    refusals: tuple[Refusal, ...] = ()


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

    `kind` is dataset, version, job, batch or prediction; `ref` is its name, number or id there:
    of a batch the id in the ledger.
    """

    kind: str
    dataset: str
    title: str
    ref: str


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
