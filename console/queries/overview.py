"""The queries of the Overview page: required actions, live version, latest jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.desk import Desk
from console.queries import promotion
from core.adapters.store import Work
from core.domain.batches import Batch
from core.domain.errors import DriftdeskError, RegistryUnavailable
from core.domain.jobs import Job, JobKind
from core.domain.promotions import Promotion, Term
from core.rules.drift.batch_verdict import BatchVerdict
from core.rules.drift.live_windows import Window
from core.rules.drift.recommendation import (
    SCORED_BATCHES,
    BatchScore,
    ErrorChange,
    earlier,
    error_change,
)
from core.rules.model.feedback_error import Bucket
from core.rules.ops.need import Need
from core.rules.ops.needs import DISAGREE, needs, newest_verdict
from core.rules.ops.schedule import Schedule
from core.usecases import live_terms

_SCHEDULES, _RUNS = 3, 5
"""How many coming runs are shown."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The content of the Overview page.

    `newest` is the verdict about the newest batch. `live` is the live version and `term` its
    deployment; `is_moving` is True while another one is being put in its place. `errors` are its
    errors on the held-out rows of the current epoch's latest batches, oldest first; `change`
    compares the newest with the rest. `approved` is its error in the dossier of its approval,
    `batches` are those of `errors`. `before` has the versions that a rollback can bring back, the
    one that it goes to unasked first. `window` is the newest window of live traffic, and
    `schedules` are those that are due next, soonest first.
    """

    live: Promotion | None
    needs: tuple[Need, ...]
    newest: BatchVerdict | None
    is_moving: bool
    term: Term | None
    jobs: tuple[Job, ...]
    errors: tuple[BatchScore, ...]
    change: ErrorChange | None
    approved: float | None = None
    batches: tuple[Batch, ...] = ()
    before: tuple[Promotion, ...] = ()
    window: Window | None = None
    schedules: tuple[Schedule, ...] = ()

    @property
    def as_of(self) -> tuple[int | None, bool]:
        """What is live on record, and whether that is being changed."""
        return self.live.version if self.live else None, self.is_moving

    @property
    def has_newest_error(self) -> bool:
        """Whether no batch is newer than that of the last of `errors`, if there are any."""
        if self.newest is None or not self.batches:
            return True
        return self.batches[-1].id == self.newest.batch_id

    @property
    def is_empty(self) -> bool:
        """Whether there is no data, no job and no model yet."""
        return not (self.jobs or self.needs or self.newest or self.live)


def overview(desk: Desk, feedback: Bucket | None = None) -> Overview:
    """Read everything from the database; no other service is called.

    `feedback` is the live version's error from feedback, which costs enough to be cached.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    name = desk.dataset.name
    with desk.store.desk() as every:
        facts = every.needs([name])[name]
    with desk.store.read() as work:
        jobs = work.jobs.recent(_RUNS)
        is_moving = any(job.kind is JobKind.PROMOTE for job in work.jobs.open())
        stored = work.batches.stored(facts.epoch.number) if facts.epoch else []
        terms = live_terms.terms(work, 1)
        errors = _errors(work, facts.live_version, stored)
        before, window = live_terms.ways_back(work), work.traffic.last()
        term = next((t for t in terms[:1] if t.version == facts.live_version), None)
        due = sorted(
            (s for s in work.schedules.all() if s.next_run_at), key=lambda s: (s.next_run_at, s.id)
        )
    scored = {b.id: b for b in stored}
    return Overview(
        facts.live, needs(desk.dataset, facts, feedback), newest_verdict(desk.dataset, facts),
        is_moving, term, tuple(jobs), tuple(errors), _change(stored, errors),
        approved=facts.approved,
        batches=tuple(scored[e.batch_id] for e in errors), before=tuple(before), window=window,
        schedules=tuple(due[:_SCHEDULES]),
    )  # fmt: skip


def _errors(work: Work, live: int | None, batches: Sequence[Batch]) -> list[BatchScore]:
    """The live version's error on the latest of these batches, oldest first."""
    if live is None:
        return []
    last = sorted(b.id for b in batches)[-SCORED_BATCHES:]
    return [score for score in work.scores.of(live, last) if score.metrics]


def _change(stored: list[Batch], errors: list[BatchScore]) -> ErrorChange | None:
    """The newest error compared with the earlier usable batches."""
    if not errors:
        return None
    newest = next(b for b in stored if b.id == errors[-1].batch_id)
    usable = [b for b in stored if b.stored and not b.is_held]
    before = {b.id for b in earlier(usable, newest)}
    return error_change(errors[-1], [e for e in errors if e.batch_id in before])


def required(desk: Desk) -> tuple[Need, ...]:
    """Everything that needs a person, as far as the database knows.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    name = desk.dataset.name
    with desk.store.desk() as every:
        facts, told = every.needs([name])[name], every.feedback_errors([name])
    return needs(desk.dataset, facts, told.get(name))


def disagreement(desk: Desk, _as_of: object = None) -> list[Need]:
    """Where the decided, the registered and the served version differ; calls other services.

    `_as_of` keeps cached results apart, as that of `console.queries.promotion.agreement`.
    """
    try:
        agree = promotion.agreement(desk)
    except DriftdeskError as error:
        name = "MLflow" if isinstance(error, RegistryUnavailable) else "A service"
        return [Need(f"{name} is unreachable", str(error), "services", urgent=True)]
    page = "promotion" if agree.alias_moved else "services"
    silent = "Serving does not answer"
    return [
        *(Need(DISAGREE, why, page, urgent=True) for why in agree.differs),
        *(Need(silent, why, "services", urgent=True) for why in agree.silent),
    ]
