"""The nouns of driftdesk, as frozen data: what is stored, shown and passed between steps.

Times are aware UTC datetimes. Nothing here knows how it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

_WHOLE = 1000


def figure(value: float) -> str:
    """A number as sentences say it: no decimals from a thousand on, four digits below."""
    return f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:.4g}"


class JobKind(StrEnum):
    """What an operator may queue."""

    INGEST = "ingest"
    DRIFT = "drift"
    TRAIN = "train"
    JUDGE = "judge"
    PROMOTE = "promote"


class JobState(StrEnum):
    """Where a job stands. REQUESTED is in the table only; QUEUED is in Redis too."""

    REQUESTED = "REQUESTED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to the job unless it is retried."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Job:
    """A unit of work that was asked for.

    `attempt` counts from 1 and grows with each retry; `progress` runs from 0 to 1;
    `error` is a sentence for the operator; `result` is what the step has to say; `trace` is the
    traceparent of what asked for it (see `core.trace`), empty in jobs from before there were any.
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
    result: dict[str, Any] = field(default_factory=dict)
    cancel_requested: bool = False
    trace: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a job wrote while it ran."""

    at: datetime
    level: str
    message: str


class EpochState(StrEnum):
    """Whether the source still has batches to give in this epoch."""

    OPEN = "OPEN"
    EXHAUSTED = "EXHAUSTED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One run through the source's batches, from a restart to the next."""

    number: int
    state: EpochState
    started_at: datetime


class BatchState(StrEnum):
    """Where a batch stands in the ledger.

    RECEIVED: bytes are on disk and not yet read. STORED: rows, profile and counts are in.
    REPEATED: the same content was stored before, so nothing was added. CONFLICT: the number
    was stored before with other content. UNREADABLE: the bytes are no batch.
    """

    RECEIVED = "RECEIVED"
    STORED = "STORED"
    REPEATED = "REPEATED"
    CONFLICT = "CONFLICT"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, slots=True)
class Batch:
    """One answer of the data API, as the ledger has it.

    Once read, `rows` = `stored` + `quarantined`. `gap` counts the batch numbers that were
    skipped just before this one.
    """

    id: int
    epoch: int
    state: BatchState
    number: int | None
    content_hash: str
    spool: str
    bytes: int
    received_at: datetime
    rows: int = 0
    stored: int = 0
    quarantined: int = 0
    gap: int = 0
    note: str = ""
    stored_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A row that could not be stored: where it stood, why, and what it said."""

    row_number: int
    reason: str
    content: str


@dataclass(frozen=True, slots=True)
class Tails:
    """The ends of a numeric column value by value, and what lies between them by its moments.

    `low` and `high` are the smallest and largest values, ascending, at most
    `core.profile.KEPT_EXTREMES` each; `rest` counts all others. Their `mean` and `std` (divided by
    n) are in the column's unit; `skew` and `kurtosis` (of a normal: 3) have none. `steps` says how
    the values lie around the median and the upper quartile, which may stand for many equal ones:
    for each the share of rows below it, the share up to it, and the values next to it.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    rest: int = 0
    mean: float = 0.0
    std: float = 0.0
    skew: float = 0.0
    kurtosis: float = 0.0
    steps: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What is kept of a column once its rows are gone.

    For numbers `mean`, `std` (ddof 1) and `grid` (quantiles at `core.profile.LEVELS`) are over
    the values that are not null, and None where there are too few; `categories` holds the
    counts of the most common values of a text column and `distinct` how many there are in all.
    `tails` is None where there is no number, and in profiles kept before there were tails.
    """

    column: str
    count: int
    nulls: int
    mean: float | None = None
    std: float | None = None
    q50: float | None = None
    q75: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    grid: tuple[float, ...] = ()
    categories: dict[str, int] = field(default_factory=dict)
    distinct: int = 0
    tails: Tails | None = None

    def statistic(self, name: str) -> float | None:
        """The value of one of `core.dataset.STATISTICS`; None where it is not defined."""
        return {"mean": self.mean, "std": self.std, "50": self.q50, "75": self.q75}[name]


class Reference(StrEnum):
    """What a batch is compared with."""

    PREVIOUS = "previous"
    CHAMPION = "champion"


class Finding(StrEnum):
    """What became of one comparison."""

    WITHIN = "within"
    BREACH = "breach"
    UNDEFINED = "undefined"


@dataclass(frozen=True, slots=True)
class StatChange:
    """One statistic of one column, then and now.

    `ratio` is |current - reference| / |reference|, and None exactly when `finding` is
    UNDEFINED (a reference that is zero or missing, or a missing current value). `band` is how
    large the ratio gets between two draws from the same data (see `core.noise`); None where that
    is not known.
    """

    column: str
    statistic: str
    reference: float | None
    current: float | None
    ratio: float | None
    limit: float
    finding: Finding
    band: float | None = None

    @property
    def could_be_noise(self) -> bool:
        """Whether this is a breach that two draws from the same data could show as well."""
        return (
            self.finding is Finding.BREACH
            and self.band is not None
            and self.ratio is not None
            and self.ratio <= self.band
        )

    @property
    def name(self) -> str:
        """The original's name of this figure, such as `price_mean`."""
        return f"{self.column}_{self.statistic}"


@dataclass(frozen=True, slots=True)
class DriftReport:
    """A comparison of two profiles: every change, the verdict, and the verdict in words."""

    retrain: bool
    reasons: tuple[str, ...]
    changes: tuple[StatChange, ...]


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A drift report with its place in history."""

    id: int
    batch_id: int
    epoch: int
    batch_number: int
    reference: Reference
    reference_name: str
    created_at: datetime
    report: DriftReport


class PromotionState(StrEnum):
    """Where a candidate's way to serving stands."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    LIVE = "LIVE"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    RETIRED = "RETIRED"


@dataclass(frozen=True, slots=True)
class Score:
    """How one model version does on the held-out rows."""

    version: int
    rows: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that a candidate must fulfil to be recommended, and whether it does.

    One that `blocks` and is not passed leaves no way but force: what it found makes the other
    figures worthless.
    """

    name: str
    passed: bool
    says: str
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule recommends about a candidate, and why."""

    promote: bool
    reasons: tuple[str, ...]
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class Promotion:
    """A model version's way to serving.

    `dossier` is the short form of the evidence: both scores, the batches that trained it, counts
    of rows, the gates and the digest of the model file. `dossier_digest` names the whole of it,
    which is frozen in a table of its own; empty for a version that was never judged here.
    """

    id: int
    version: int
    state: PromotionState
    verdict: Verdict
    dossier: dict[str, Any]
    proposed_at: datetime
    proposed_by: str
    forced: bool = False
    reason: str = ""
    decided_at: datetime | None = None
    decided_by: str = ""
    live_at: datetime | None = None
    ended_at: datetime | None = None
    failure: str = ""
    dossier_digest: str = ""

    @property
    def failed_gates(self) -> tuple[Gate, ...]:
        """What speaks against it, as the rule sees it."""
        gates = (Gate(**entry) for entry in self.dossier.get("gates", []))
        return tuple(gate for gate in gates if not gate.passed)

    @property
    def compared_with(self) -> int | None:
        """The version that was champion when it was judged."""
        champion = self.dossier.get("champion")
        return int(champion["version"]) if champion else None


@dataclass(frozen=True, slots=True)
class ForceRequest:
    """A force that one person has asked for and that another must confirm.

    `outcome` is empty while it is open, then "confirmed" or "withdrawn".
    """

    id: int
    version: int
    reason: str
    asked_at: datetime
    asked_by: str
    closed_at: datetime | None = None
    closed_by: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What somebody must still look at, because a decision went against the recommendation."""

    id: int
    subject: str
    text: str
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None = None
    closed_by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """A time during which a version was live; `until` is None for the present one."""

    version: int
    since: datetime
    until: datetime | None
    by: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Replica:
    """One running process of serving: where it is reached, what it serves, what it refused."""

    id: str
    url: str
    model_version: int | None
    digest: str
    refused: str
    started_at: datetime
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what to which subject, when and why; `hash` chains it to the event before."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    reason: str
    details: dict[str, Any]
    hash: str = ""
