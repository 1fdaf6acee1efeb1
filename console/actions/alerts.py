"""Marking an alert about the live model as seen."""

from __future__ import annotations

from console.actions.access import needs
from console.desk import Desk
from core.domain.errors import Missing
from core.rules.access.roles import Actor, Right
from core.rules.ops.live_alerts import SEEN
from core.rules.ops.needs import needs as required


@needs(Right.RUN)
def see(desk: Desk, actor: Actor, subject: str) -> None:
    """Put on record that this person has seen the alert about a batch or a window of live traffic.

    `subject` is `batch:EPOCH/NUMBER` or `window:ID`. The record is about the live version.

    Raises:
        Missing: there is no such alert, or a person has seen it.
    """
    name = desk.dataset.name
    with desk.store.desk() as every:
        facts = every.needs([name])[name]
    if subject not in {need.seen for need in required(desk.dataset, facts) if need.seen}:
        raise Missing(f"There is no open alert about {subject[:60]!r}.")
    with desk.store.transaction(actor) as work:
        # Of the version that was looked at, even if another one goes live at this moment.
        details = {"version": facts.live_version}
        work.audit.add(actor.name, SEEN, subject, details=details)
