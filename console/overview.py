"""What needs a person now, what is live, and what ran last: the first look of the day."""

from __future__ import annotations

from dataclasses import dataclass, field

from console import queries, review
from console.desk import Desk
from core.advice import BatchScore
from core.errors import DriftdeskError
from core.notice import Delivery
from core.records import EpochState, Job, JobKind, JobState, Term

_SCORED = 12
"""How many batches' errors are shown."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for a person, and the page on which it is done.

    `urgent` ones are broken; the others wait for a decision.
    """

    title: str
    detail: str
    page: str
    query: dict[str, str] = field(default_factory=dict)
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Overview:
    """The first look.

    `term` says since when and by whom the live version is live; `errors` how it does on the
    held-out rows of the last batches, oldest first.
    """

    status: queries.Status
    needs: tuple[Need, ...]
    term: Term | None
    jobs: tuple[Job, ...]
    errors: tuple[BatchScore, ...]

    @property
    def error_before(self) -> float | None:
        """The mean absolute error on the batches before the newest, all their rows together."""
        earlier = self.errors[:-1]
        rows = sum(e.rows for e in earlier)
        return sum(e.metrics["mae"] * e.rows for e in earlier) / rows if rows else None

    @property
    def is_empty(self) -> bool:
        """Whether this desk has seen nothing yet."""
        return not (self.jobs or self.needs or self.status.last_batch or self.status.live)


def overview(desk: Desk) -> Overview:
    """Look at everything that the database knows; no neighbour is asked.

    Raises:
        StoreUnavailable: the database is away.
    """
    now = queries.status(desk)
    with desk.store.read() as work:
        jobs = work.jobs.recent(8)
        follow_ups = work.oversight.follow_ups(limit=20)
        forces = work.oversight.open_forces()
        ledger = work.batches.stored(now.epoch.number) if now.epoch else []
        lives = work.audit.latest(1, action="live")
        last = [b.id for b in work.batches.ledger(_SCORED)]
        errors = work.scores.of(now.live.version, last) if now.live else []
        undelivered = [n for n in work.notify.latest(10) if n.state is Delivery.GIVEN_UP]
    needs = [
        Need(
            f"Version {request.version} waits for a second person",
            f"{request.asked_by} asked to force it: {request.reason}",
            "promotion",
            {"version": str(request.version)},
        )
        for request in forces
    ]
    needs += _candidates(now)
    needs += _failed(now)
    needs += _data(now)
    needs += [
        Need(
            f"Batch {b.number} came after a gap",
            f"{b.gap} batch{'es' if b.gap > 1 else ''} before it never arrived. What is lost comes "
            "back when the source is restarted.",
            "pipeline",
        )
        for b in ledger
        if b.gap
    ]
    needs += [
        Need("Look back at a forced version", item.text, "promotion", {"show": "Follow-ups"})
        for item in follow_ups
    ]
    needs += [
        Need(
            "A notification was not delivered",
            f"{notice.text} The receiver refused it or was away: {notice.failure}",
            "services",
            urgent=True,
        )
        for notice in undelivered[:1]
    ]
    terms = review.terms_of(lives)
    ordered = sorted(needs, key=lambda need: not need.urgent)
    return Overview(
        now,
        tuple(ordered),
        terms[0] if terms else None,
        tuple(jobs),
        tuple(e for e in errors if e.metrics),
    )


def _candidates(now: queries.Status) -> list[Need]:
    found = []
    for c in now.candidates:
        word = "recommended" if c.verdict.promote else "not recommended"
        against = [gate.says for gate in c.failed_gates]
        found.append(
            Need(
                f"Version {c.version} waits for a decision, {word}",
                (against or list(c.verdict.reasons) or [""])[0],
                "promotion",
                {"version": str(c.version)},
            )
        )
    return found


def _failed(now: queries.Status) -> list[Need]:
    return [
        Need(
            f"The last {kind.value} job failed",
            job.error,
            "pipeline",
            {"job": str(job.id)},
            urgent=True,
        )
        for kind, job in now.last_jobs.items()
        if job.state is JobState.FAILED
    ]


def _data(now: queries.Status) -> list[Need]:
    """What the newest batch asks for, unless training has answered it already."""
    found = []
    report, train = now.report, now.last_jobs.get(JobKind.TRAIN)
    answered = (
        report is not None
        and train is not None
        and train.requested_at >= report.created_at
        and train.state is not JobState.FAILED
    )
    if report and report.report.retrain and not answered:
        found.append(
            Need(
                f"Batch {report.batch_number} asks for training",
                report.report.reasons[0],
                "drift",
                {"batch": str(report.batch_id)},
            )
        )
    if now.epoch and now.epoch.state is EpochState.EXHAUSTED:
        found.append(
            Need(
                "The source has served its last batch",
                "Restart it to begin the next epoch.",
                "pipeline",
            )
        )
    return found


def disagreement(desk: Desk) -> list[Need]:
    """Where what was decided, registered and served are not one; asks the neighbours."""
    try:
        agree = review.agreement(desk)
    except DriftdeskError as error:
        return [Need("A neighbour does not answer", str(error), "services", urgent=True)]
    page = "promotion" if agree.alias_moved else "services"
    return [
        Need("Registry and serving disagree", sentence, page, urgent=True)
        for sentence in agree.differs
    ]
