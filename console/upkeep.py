"""What is over its time goes at somebody's word, before the reconciler's hour."""

from __future__ import annotations

from console.access import needs
from console.desk import Desk
from core.retention import Due, Retention
from core.roles import Actor, Right


def due(desk: Desk) -> Due:
    """What the RETAIN settings do not keep any more."""
    return Retention.of(desk.store, desk.settings).due()


@needs(Right.OPERATE)
def prune(desk: Desk, actor: Actor) -> Due:
    """Delete it; returns what it was.

    Raises:
        NotAllowed: the actor may not operate this desk.
    """
    retention = Retention.of(desk.store, desk.settings)
    over = retention.due()
    for _ in retention.run(actor.name):
        pass
    return over
