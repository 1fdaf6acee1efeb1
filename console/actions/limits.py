"""Changing drift limits."""

from __future__ import annotations

from collections.abc import Mapping

from console.actions.access import needs
from console.desk import Desk
from core.rules.access.roles import Actor, Right
from core.rules.drift.thresholds import Key
from core.usecases import decisions


@needs(Right.LIMITS)
def set_limits(
    desk: Desk, actor: Actor, wanted: Mapping[Key, float | None], *, reason: str
) -> None:
    """Set drift limits; None resets one to the dataset file's.

    Raises:
        BadInput, ReasonRequired: see `core.usecases.decisions.set_limits`.
    """
    with desk.store.transaction(actor) as work:
        decisions.set_limits(work, desk.dataset, wanted, actor=actor.name, reason=reason)
