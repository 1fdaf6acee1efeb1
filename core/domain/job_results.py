"""What a job that succeeded leaves on record: one record for each outcome of each job kind.

Each field has a default, because older results lack some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.domain.batches import BatchState, EpochState
from core.domain.dossier import Difference


@dataclass(frozen=True, slots=True)
class BatchStored:
    """Ingest: a batch was stored.

    `rows` is the sum of `stored` and `quarantined`; `gap` counts batches before it that never
    arrived; `ended` tells what the end of an epoch removed, if this batch began the next one.
    """

    batch: int = 0
    batch_id: int = 0
    epoch: int = 0
    state: BatchState = BatchState.STORED
    rows: int = 0
    stored: int = 0
    quarantined: int = 0
    gap: int = 0
    note: str = ""
    ended: Mapping[str, int | Mapping[str, int]] | None = None
    drift_job: int | None = None


@dataclass(frozen=True, slots=True)
class RowsReadAgain:
    """Ingest: quarantined rows of a stored batch were read again.

    `added` of them are stored now, and `left` are still in quarantine.
    """

    batch: int | None = None
    batch_id: int = 0
    epoch: int = 0
    added: int = 0
    left: int = 0
    note: str = ""
    drift_job: int | None = None


@dataclass(frozen=True, slots=True)
class BatchNotStored:
    """Ingest: a batch added nothing, because it was stored before or its epoch is over.

    `batch` is its number, None where the ledger would have numbered it.
    """

    batch: int | None = 0
    state: BatchState = BatchState.SKIPPED
    note: str = ""


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """Ingest: the source has no more batches in this epoch."""

    state: EpochState = EpochState.EXHAUSTED
    note: str = ""


@dataclass(frozen=True, slots=True)
class NoNewBatch:
    """Ingest: the source had no new batch; the epoch goes on."""

    nothing_new: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class BatchCompared:
    """Drift: a batch was compared with its references.

    `compared_with` names the reference batch, `compared_note` says why it was not the batch just
    before; `retrain` is the drift rule's verdict for it, `retrain_by_champion` the one for the
    champion's training rows, None without a champion. `required` says whether the deciding verdict
    requires training, and `retrain_when` which finding decides; None and empty in older results.
    """

    batch: int | None = None
    epoch: int = 0
    compared_with: str = ""
    compared_note: str = ""
    held: bool = False
    retrain: bool = False
    retrain_by_champion: bool | None = None
    reasons: tuple[str, ...] = ()
    recommendation: str = ""
    advice: tuple[str, ...] = ()
    verdict: str = ""
    retrain_when: str = ""
    required: bool | None = None
    train_job: int | None = None


@dataclass(frozen=True, slots=True)
class VersionProposed:
    """Train: a version was registered and proposed; `metrics` are on the held-out rows."""

    version: int = 0
    recommended: bool = False
    reasons: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    promote_job: int | None = None


@dataclass(frozen=True, slots=True)
class NothingNew:
    """Train: no version was proposed, because version `same_as` is the same model."""

    same_as: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class VersionJudged:
    """Judge: version `judged` was evaluated again."""

    judged: int = 0
    recommended: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionsCompared:
    """Judge: two versions on the same held-out rows, which neither was trained on.

    `batches` numbers those that the rows are from; all rows are later than `after`, if it is set.
    `metrics` and `others` are those of `version` and of `against`, and `differences` are the first
    minus the second. `note` is the sentence about the primary metric.
    """

    version: int = 0
    against: int = 0
    epoch: int = 0
    batches: tuple[int, ...] = ()
    rows: int = 0
    after: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    others: Mapping[str, float] = field(default_factory=dict)
    differences: Mapping[str, Difference] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class VersionPromoted:
    """Promote: a version is live; `before` is the version that was live until then."""

    version: int = 0
    before: int | None = None
    note: str = ""


JobResult = (
    BatchStored
    | RowsReadAgain
    | BatchNotStored
    | SourceEnded
    | NoNewBatch
    | BatchCompared
    | VersionProposed
    | NothingNew
    | VersionJudged
    | VersionsCompared
    | VersionPromoted
)


def sentence(result: JobResult | None) -> str:
    """A result in a sentence: its verdict, its note, or the first of its reasons; or empty.

    What is said of a version begins with its number: a list of jobs does not name it otherwise.
    """
    match result:
        case None:
            return ""
        case BatchCompared() if result.verdict:
            return result.verdict
        case BatchCompared():
            return next(iter(result.reasons), "")
        case VersionProposed(version=version) | VersionJudged(judged=version):
            return f"Version {version}: {next(iter(result.reasons), 'evaluated.')}"
        case _:
            return result.note


def next_job(result: JobResult | None) -> int | None:
    """The id of the job that the one with this result queued, if it queued one."""
    match result:
        case (
            BatchStored(drift_job=job) | RowsReadAgain(drift_job=job) | BatchCompared(train_job=job)
        ):
            return job
        case VersionProposed(promote_job=job):
            return job
        case _:
            return None
