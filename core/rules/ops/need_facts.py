"""What the needs of a dataset follow from: plain records, read for one dataset or for many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.domain.audit_event import AuditEvent
from core.domain.batches import Batch, Epoch
from core.domain.fleet import FailedJob, Refusal
from core.domain.promotions import FollowUp, ForceRequest, Promotion
from core.rules.drift.live_windows import Window
from core.rules.drift.recommendation import BatchScore
from core.rules.drift.verdict_facts import Facts
from core.rules.ops.notification import Notice


@dataclass(frozen=True, slots=True)
class NeedFacts:
    """What the needs of one dataset follow from; the defaults are those of an empty one.

    `approved` is the error that the live version was last approved with. `batches` are the newest
    stored ones, `verdicts` what the verdicts about them follow from, and about those before them
    that may wait for a person; both newest first. `scores` are the live version's errors on
    `batches`, oldest first, and `windows` the newest of live traffic that drifted. `seen` has the
    subjects whose alert about the live version a person has seen.

    `candidates` await approval; those in `judging` are being re-evaluated, and `unjudged` has the
    failed re-evaluations by version. `failed_jobs` are the newest of their kind, `uncompared` the
    failed comparisons of `batches` by their ids. `arrived` has the numbers of the current epoch's
    batches, if some are missing. `undelivered` is a notification that was given up.
    `served` is what replicas answered with since the live version went live, by their addresses;
    empty while a promotion is under way. `restored` is the last time that driftdesk put the alias
    back, within a day.
    """

    live: Promotion | None = None
    approved: float | None = None
    epoch: Epoch | None = None
    batches: tuple[Batch, ...] = ()
    verdicts: tuple[Facts, ...] = ()
    scores: tuple[BatchScore, ...] = ()
    windows: tuple[Window, ...] = ()
    seen: frozenset[str] = frozenset()
    candidates: tuple[Promotion, ...] = ()
    judging: frozenset[int] = frozenset()
    unjudged: Mapping[int, FailedJob] = field(default_factory=dict)
    forces: tuple[ForceRequest, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    failed_jobs: tuple[FailedJob, ...] = ()
    uncompared: Mapping[int, FailedJob] = field(default_factory=dict)
    arrived: tuple[int, ...] = ()
    undelivered: Notice | None = None
    refusals: tuple[Refusal, ...] = ()
    served: Mapping[str, int | None] = field(default_factory=dict)
    restored: AuditEvent | None = None

    @property
    def live_version(self) -> int | None:
        """The live version on record, if any."""
        return self.live.version if self.live else None
