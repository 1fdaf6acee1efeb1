"""The queries of the Overview page: required actions, live version, latest jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from console.desk import Desk
from console.queries import live_alerts, promotion
from console.queries import status as status_queries
from console.text.batch_ledger import missing
from core.adapters.store import Work
from core.domain.batches import Batch, EpochState
from core.domain.dataset import Dataset
from core.domain.errors import DriftdeskError, RegistryUnavailable
from core.domain.jobs import Job, JobState
from core.domain.promotions import ForceRequest, Promotion, Term
from core.domain.sources import first_number
from core.rules.data.batch_ledger import gaps
from core.rules.drift.batch_verdict import BatchVerdict
from core.rules.drift.live_windows import Window
from core.rules.drift.recommendation import BatchScore, ErrorChange, earlier, error_change
from core.rules.model.verdict_validity import Standing
from core.rules.ops.notification import Delivery
from core.rules.ops.schedule import Schedule
from core.usecases import live_terms

_SCORED = 12
"""For how many batches the error is shown."""

_SCHEDULES = 3
"""How many coming runs are shown."""

_RESTORED_SHOWN = timedelta(days=1)
"""For how long a restored alias is shown."""


@dataclass(frozen=True, slots=True)
class Need:
    """One required action, and the page for it; `urgent` ones are alerts.

    `act` says what the person does there. `seen` is the subject of an alert that a person can mark
    as seen, which ends it.
    """

    title: str
    detail: str
    page: str
    query: dict[str, str] = field(default_factory=dict)
    urgent: bool = False
    act: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """The content of the Overview page.

    `term` is the deployment of the live version. `errors` are its errors on the held-out rows of
    the current epoch's latest batches, oldest first; `change` compares the newest with the rest.
    `approved` is its error in the dossier of its approval, `batches` are those of `errors`.
    `before` is the version that a rollback would bring back, `window` the newest window of live
    traffic, and `schedules` are those that are due next, soonest first.
    """

    status: status_queries.Status
    needs: tuple[Need, ...]
    term: Term | None
    jobs: tuple[Job, ...]
    errors: tuple[BatchScore, ...]
    change: ErrorChange | None
    approved: float | None = None
    batches: tuple[Batch, ...] = ()
    before: Promotion | None = None
    window: Window | None = None
    schedules: tuple[Schedule, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is no data, no job and no model yet."""
        return not (self.jobs or self.needs or self.status.last_batch or self.status.live)


def overview(desk: Desk) -> Overview:
    """Read everything from the database; no other service is called.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    now = status_queries.status(desk)
    with desk.store.read() as work:
        jobs = work.jobs.recent(8)
        follow_ups = work.force_requests.follow_ups(limit=20)
        forces = work.force_requests.open_forces()
        stored = work.batches.stored(now.epoch.number) if now.epoch else []
        arrived = work.batches.arrived(now.epoch.number) if now.epoch else []
        lost = gaps(arrived, first_number(desk.dataset.source))
        term = next(iter(live_terms.terms(work, 1)), None)
        errors = _errors(work, now, stored)
        approved = live_alerts.approved_error(work, now.live) if now.live else None
        alerts = _alerts(work, now, stored, errors, approved=approved, dataset=desk.dataset)
        before, window = live_terms.rollback_target(work), work.traffic.last()
        due = sorted(
            (s for s in work.schedules.all() if s.next_run_at), key=lambda s: (s.next_run_at, s.id)
        )
        undelivered = [n for n in work.notifications.latest(10) if n.state is Delivery.GIVEN_UP]
    needs = [*map(_second_person, forces), *alerts, *_candidates(now), *_failed(now), *_data(now)]
    needs += [Need(_missing(gap), missing(gap).note, "pipeline") for gap in lost]
    title, query = "Follow up on a forced version", {"tab": "Follow-ups"}
    act = "Record the outcome"
    needs += [Need(title, item.text, "promotion", query, act=act) for item in follow_ups]
    title = "A notification was not delivered"
    details = [f"{notice.text} Delivery failed: {notice.failure}" for notice in undelivered[:1]]
    needs += [Need(title, detail, "services", urgent=True) for detail in details]
    ordered = tuple(sorted(needs, key=lambda need: not need.urgent))
    scored = {b.id: b for b in stored}
    return Overview(
        now, ordered, term, tuple(jobs), tuple(errors), _change(stored, errors),
        approved=approved, batches=tuple(scored[e.batch_id] for e in errors),
        before=before, window=window, schedules=tuple(due[:_SCHEDULES]),
    )  # fmt: skip


def _errors(work: Work, now: status_queries.Status, stored: list[Batch]) -> list[BatchScore]:
    """The live version's error on the current epoch's latest batches, oldest first."""
    if now.live is None:
        return []
    last = sorted(b.id for b in stored)[-_SCORED:]
    return [score for score in work.scores.of(now.live.version, last) if score.metrics]


def _change(stored: list[Batch], errors: list[BatchScore]) -> ErrorChange | None:
    """The newest error compared with the earlier usable batches."""
    if not errors:
        return None
    newest = next(b for b in stored if b.id == errors[-1].batch_id)
    usable = [b for b in stored if b.stored and not b.is_held]
    before = {b.id for b in earlier(usable, newest)}
    return error_change(errors[-1], [e for e in errors if e.batch_id in before])


def _alerts(
    work: Work,
    now: status_queries.Status,
    stored: list[Batch],
    errors: list[BatchScore],
    *,
    approved: float | None,
    dataset: Dataset,
) -> list[Need]:
    """Alerts about the live model's error and its traffic, without batches that look broken."""
    if now.live is None:
        return []
    broken = {v.batch_id for v in now.batches.verdicts if v.looks_broken}
    sound = [e for e in errors if e.batch_id not in broken]
    return [
        Need(
            entry.alert.title, entry.alert.detail, "drift", entry.query,
            urgent=True, act="Compare", seen=entry.subject,
        )
        for entry in live_alerts.unseen(
            work, now.live, stored, sound, approved=approved, dataset=dataset
        )
    ]  # fmt: skip


def from_feedback(desk: Desk) -> list[Need]:
    """The alert about the error from feedback; it reads many rows, so cache the result.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    alert = live_alerts.from_feedback(desk)
    return [Need(alert.title, alert.detail, "overview", urgent=True)] if alert else []


def _missing(gap: range) -> str:
    one = f"Batch {gap.start} is missing"
    return one if len(gap) == 1 else f"Batches {gap.start} to {gap.stop - 1} are missing"


def _second_person(request: ForceRequest) -> Need:
    title = f"Version {request.version} awaits a second approver"
    detail = f"{request.asked_by} requested to force it: {request.reason}"
    query = {"version": str(request.version)}
    return Need(title, detail, "promotion", query, act="Confirm or turn down")


def _candidates(now: status_queries.Status) -> list[Need]:
    """The candidates that await approval, without those being re-evaluated."""
    needs = []
    for c in now.candidates:
        seen = now.recommendation(c)
        if seen.standing is not Standing.JUDGING:
            title, query = f"Version {c.version} awaits approval", {"version": str(c.version)}
            act = f"Review version {c.version}"
            title = f"{title} ({seen.standing})"
            needs.append(Need(title, seen.says, "promotion", query, act=act))
    return needs


def _failed(now: status_queries.Status) -> list[Need]:
    return [
        Need(f"The last {job.kind.value} job failed", job.error, "pipeline",
             {"job": str(job.id)}, urgent=True, act="See its log, or retry")
        for job in now.last_jobs.values()
        if job.state is JobState.FAILED
    ]  # fmt: skip


def _data(now: status_queries.Status) -> list[Need]:
    """The batches that need an action, and the end of the source."""
    waiting = now.batches.waiting
    needs = [
        Need(
            v.title, v.detail, "drift", {"batch": f"{v.epoch}/{v.number}"},
            act=f"Review batch {v.number}",
        )
        for v in waiting
        if v.is_current
    ]  # fmt: skip
    needs += _of_earlier_epochs([v for v in waiting if not v.is_current])
    if now.epoch and now.epoch.state is EpochState.EXHAUSTED:
        title = "The source has delivered its last batch"
        detail = "Restart the source to begin the next epoch."
        needs.append(Need(title, detail, "pipeline", act="Restart the source"))
    return needs


def _of_earlier_epochs(waiting: list[BatchVerdict]) -> list[Need]:
    """One action for each earlier epoch, whose rows are not trained on by default."""
    needs = []
    for epoch in dict.fromkeys(v.epoch for v in waiting):
        of_it = [v for v in waiting if v.epoch == epoch]
        if len(of_it) == 1:
            title, detail = of_it[0].title, of_it[0].detail
        else:
            title = f"{len(of_it)} batches of epoch {epoch} need a decision"
            numbers = ", ".join(str(v.number) for v in reversed(of_it))
            detail = (
                f"Batches {numbers}: no version was trained on them, and training reads their rows "
                "only if you choose that epoch. Dismiss the batches that need no action."
            )
        query = {"batch": f"{epoch}/{of_it[0].number}"}
        needs.append(Need(title, detail, "drift", query, act="Review them"))
    return needs


def disagreement(desk: Desk) -> list[Need]:
    """Where the decided, the registered and the served version differ; calls other services."""
    try:
        agree = promotion.agreement(desk)
    except DriftdeskError as error:
        name = "MLflow" if isinstance(error, RegistryUnavailable) else "A service"
        return [Need(f"{name} is unreachable", str(error), "services", urgent=True)]
    page = "promotion" if agree.alias_moved else "services"
    title = "Registry and serving disagree"
    return [*put_back(desk), *(Need(title, why, page, urgent=True) for why in agree.differs)]


def put_back(desk: Desk) -> list[Need]:
    """Whether driftdesk restored the alias within the last day; calls no other service."""
    with desk.store.read() as work:
        since = work.now - _RESTORED_SHOWN
        restored = work.audit.latest(1, action="put back", actor="driftdesk", since=since)
    details = [f"{event.at:%Y-%m-%d %H:%M} UTC. {event.reason}" for event in restored]
    return [Need("The alias was restored", detail, "promotion") for detail in details]
