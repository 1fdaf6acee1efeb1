"""Alerts about the live model, which stay until a person has seen them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from console.desk import Desk
from core.adapters.store import Work
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.errors import Missing, Refused
from core.domain.metrics import error_in
from core.domain.promotions import Promotion
from core.rules.drift.recommendation import BatchScore
from core.rules.model.feedback_error import of_version
from core.rules.ops import live_alerts
from core.rules.ops.live_alerts import SEEN, Alert

_WINDOWS = 10
"""How many windows of live traffic are looked at."""


@dataclass(frozen=True, slots=True)
class Open:
    """An alert that nobody has seen yet.

    `subject` names the batch or the window of live traffic; empty if the alert ends by itself.
    `query` is the address of the Drift page that shows it.
    """

    alert: Alert
    subject: str
    query: dict[str, str] = field(default_factory=dict)


def unseen(
    work: Work,
    live: Promotion,
    batches: Sequence[Batch],
    scores: Sequence[BatchScore],
    *,
    approved: float | None,
    dataset: Dataset,
) -> list[Open]:
    """The alerts about the live version, newest first; a later batch does not end one.

    `scores` are its errors on `batches` that do not look broken, oldest first; `approved` is the
    error that it was approved with.
    """
    by_id = {batch.id: batch for batch in batches}
    found = []
    for score in reversed(scores):
        batch = by_id[score.batch_id]
        if alert := live_alerts.batch_error(approved, score, batch.number or 0, dataset):
            query = {"batch": f"{batch.epoch}/{batch.number}"}
            found.append(Open(alert, batch.subject, query))
    windows = [
        (window, alert)
        for window in work.traffic.latest(_WINDOWS)
        if (alert := live_alerts.traffic(window, live.version))
    ]
    subjects = [f"window:{window.id}" for window, _ in windows]
    seen = _seen(work, live.version, [*subjects, *(entry.subject for entry in found)])
    if windows and not seen & set(subjects[:1]):  # the newest one stands for those before it
        found.append(Open(windows[0][1], subjects[0], {"show": "Live traffic"}))
    return [entry for entry in found if entry.subject not in seen]


def _seen(work: Work, version: int, subjects: Collection[str]) -> set[str]:
    """Those of the subjects whose alert about this version a person has seen."""
    events = work.audit.of(subjects=list(subjects), actions=[SEEN]) if subjects else []
    return {event.subject for event in events if event.details.get("version") == version}


def from_feedback(desk: Desk) -> Alert | None:
    """The alert about the error from feedback; it reads many rows, so cache the result.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    with desk.store.read() as work:
        live = work.promotions.live()
        if live is None:
            return None
        feedback = of_version(work.feedback.told(), live.version)
        judged = approved_error(work, live)
    return live_alerts.feedback_error(judged, feedback, desk.dataset)


def approved_error(work: Work, live: Promotion) -> float | None:
    """The live version's error in the dossier of its approval."""
    subjects, actions = [f"version:{live.version}"], ["approve", "force", "rollback"]
    decided = work.audit.of(subjects=subjects, actions=actions)
    digest = decided[-1].details.get("dossier") if decided else ""
    metrics = live.metrics
    if digest and digest != live.dossier_digest:
        with suppress(Missing, Refused):
            metrics = work.dossiers.get(str(digest)).candidate.metrics
    return error_in(metrics)
