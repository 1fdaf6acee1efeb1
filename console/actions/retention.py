"""Pruning expired data now, and continuing MLflow's version numbers."""

from __future__ import annotations

from dataclasses import dataclass

from console.actions.access import needs
from console.desk import Desk
from core.rules.access.roles import Actor, Right
from core.rules.model.promotion_states import require_reason
from core.usecases.retention import Due, Retention


@dataclass(frozen=True, slots=True)
class Continued:
    """The newest version on record, and how many of MLflow's version numbers were skipped."""

    newest: int
    used_up: int


def due(desk: Desk) -> Due:
    """What has expired by the RETAIN settings."""
    return Retention.of(desk.store, desk.settings).due()


@needs(Right.MANAGE)
def prune(desk: Desk, actor: Actor) -> Due:
    """Delete what has expired; returns what was deleted.

    Raises:
        NotAllowed: the actor may not operate this desk.
    """
    retention = Retention.of(desk.store, desk.settings)
    due = retention.due()
    for _ in retention.run(actor.name):
        pass
    return due


@needs(Right.MANAGE)
def continue_numbers(desk: Desk, actor: Actor, *, reason: str) -> Continued:
    """Raise MLflow's version counter above the versions on record, if it is lower.

    For an MLflow whose registered model was renamed, deleted or created again, if the old versions
    are lost: training publishes nothing as long as MLflow would give a number a second time.

    Raises:
        NotAllowed: the actor may not operate this desk.
        ReasonRequired: no reason was given.
        RegistryUnavailable: MLflow is unavailable.
    """
    reason = require_reason(reason, "continuing MLflow's version numbers")
    with desk.store.read() as work:
        newest = next((p.version for p in work.promotions.latest(1)), 0)
    used_up = desk.registry.continue_numbers(newest)
    if used_up:
        with desk.store.transaction(actor) as work:
            details = {"newest": newest, "used_up": used_up}
            subject = f"model:{desk.registry.name}"[:100]
            work.audit.add(actor.name, "continue numbers", subject, reason=reason, details=details)
    return Continued(newest, used_up)
