"""The queries of the Overview page: required actions, live version, latest jobs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from console.desk import Desk
from console.queries import promotion
from console.queries import status as status_queries
from console.text.batch_ledger import missing
from core.adapters.store import Work
from core.domain.batches import Batch, EpochState
from core.domain.dataset import Dataset
from core.domain.errors import DriftdeskError, Missing, Refused, RegistryUnavailable
from core.domain.jobs import Job, JobState
from core.domain.metrics import error_in
from core.domain.promotions import ForceRequest, Promotion, Term
from core.domain.sources import first_number
from core.rules.data.batch_ledger import gaps
from core.rules.drift.batch_verdict import BatchVerdict
from core.rules.drift.recommendation import BatchScore, ErrorChange, earlier, error_change
from core.rules.model.feedback_error import of_version
from core.rules.model.verdict_validity import Standing
from core.rules.ops import live_alerts
from core.rules.ops.notification import Delivery
from core.usecases import live_terms

_SCORED = 12
"""For how many batches the error is shown."""

_RESTORED_SHOWN = timedelta(days=1)
"""For how long a restored alias is shown."""


@dataclass(frozen=True, slots=True)
class Need:
    """One required action, and the page for it; `urgent` ones are alerts."""

    title: str
    detail: str
    page: str
    query: dict[str, str] = field(default_factory=dict)
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Overview:
    """The content of the Overview page.

    `term` is the deployment of the live version. `errors` are its errors on the held-out rows of
    the current epoch's latest batches, oldest first; `change` compares the newest with the rest.
    """

    status: status_queries.Status
    needs: tuple[Need, ...]
    term: Term | None
    jobs: tuple[Job, ...]
    errors: tuple[BatchScore, ...]
    change: ErrorChange | None

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
        alerts = _alerts(work, now, stored, errors, desk.dataset)
        undelivered = [n for n in work.notifications.latest(10) if n.state is Delivery.GIVEN_UP]
    needs = [*map(_second_person, forces), *alerts, *_candidates(now), *_failed(now), *_data(now)]
    needs += [Need(_missing(gap), missing(gap).note, "pipeline") for gap in lost]
    title, query = "Follow up on a forced version", {"tab": "Follow-ups"}
    needs += [Need(title, item.text, "promotion", query) for item in follow_ups]
    title = "A notification was not delivered"
    details = [f"{notice.text} Delivery failed: {notice.failure}" for notice in undelivered[:1]]
    needs += [Need(title, detail, "services", urgent=True) for detail in details]
    ordered = tuple(sorted(needs, key=lambda need: not need.urgent))
    return Overview(now, ordered, term, tuple(jobs), tuple(errors), _change(stored, errors))


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
    dataset: Dataset,
) -> list[Need]:
    """Alerts about the live model's error and its traffic, without batches that look broken."""
    if now.live is None:
        return []
    broken = {v.batch_id for v in now.batches.verdicts if v.looks_broken}
    sound = [e for e in errors if e.batch_id not in broken]
    alerts = []
    if sound:
        batch = next(b for b in stored if b.id == sound[-1].batch_id)
        judged = _judged(work, now.live)
        alert = live_alerts.batch_error(judged, sound[-1], batch.number or 0, dataset)
        alerts.append((alert, {"batch": f"{batch.epoch}/{batch.number}"}))
    alert = live_alerts.traffic(work.traffic.last(), now.live.version)
    alerts.append((alert, {"show": "Live traffic"}))
    return [Need(a.title, a.detail, "drift", query, urgent=True) for a, query in alerts if a]


def from_feedback(desk: Desk) -> list[Need]:
    """The alert about the error from feedback; it reads many rows, so cache the result.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    with desk.store.read() as work:
        live = work.promotions.live()
        if live is None:
            return []
        feedback = of_version(work.feedback.told(), live.version)
        judged = _judged(work, live)
    alert = live_alerts.feedback_error(judged, feedback, desk.dataset)
    return [Need(alert.title, alert.detail, "overview", urgent=True)] if alert else []


def _judged(work: Work, live: Promotion) -> float | None:
    """The live version's error in the dossier of its approval."""
    subjects, actions = [f"version:{live.version}"], ["approve", "force", "rollback"]
    decided = work.audit.of(subjects=subjects, actions=actions)
    digest = decided[-1].details.get("dossier") if decided else ""
    metrics = live.metrics
    if digest and digest != live.dossier_digest:
        with suppress(Missing, Refused):
            metrics = work.dossiers.get(str(digest)).candidate.metrics
    return error_in(metrics)


def _missing(gap: range) -> str:
    one = f"Batch {gap.start} is missing"
    return one if len(gap) == 1 else f"Batches {gap.start} to {gap.stop - 1} are missing"


def _second_person(request: ForceRequest) -> Need:
    title = f"Version {request.version} awaits a second approver"
    detail = f"{request.asked_by} requested to force it: {request.reason}"
    return Need(title, detail, "promotion", {"version": str(request.version)})


def _candidates(now: status_queries.Status) -> list[Need]:
    """The candidates that await approval, without those being re-evaluated."""
    needs = []
    for c in now.candidates:
        seen = now.recommendation(c)
        if seen.standing is not Standing.JUDGING:
            title, query = f"Version {c.version} awaits approval", {"version": str(c.version)}
            needs.append(Need(f"{title} ({seen.standing})", seen.says, "promotion", query))
    return needs


def _failed(now: status_queries.Status) -> list[Need]:
    return [
        Need(f"The last {job.kind.value} job failed", job.error, "pipeline",
             {"job": str(job.id)}, urgent=True)
        for job in now.last_jobs.values()
        if job.state is JobState.FAILED
    ]  # fmt: skip


def _data(now: status_queries.Status) -> list[Need]:
    """The batches that need an action, and the end of the source."""
    waiting = now.batches.waiting
    needs = [
        Need(v.title, v.detail, "drift", {"batch": f"{v.epoch}/{v.number}"})
        for v in waiting
        if v.is_current
    ]
    needs += _of_earlier_epochs([v for v in waiting if not v.is_current])
    if now.epoch and now.epoch.state is EpochState.EXHAUSTED:
        title = "The source has delivered its last batch"
        needs.append(Need(title, "Restart the source to begin the next epoch.", "pipeline"))
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
        needs.append(Need(title, detail, "drift", {"batch": f"{epoch}/{of_it[0].number}"}))
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
