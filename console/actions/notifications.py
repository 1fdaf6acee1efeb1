"""Reading notifications, and sending a test."""

from __future__ import annotations

from console.actions.access import needs, whole_desk
from console.desk import Desk
from core.domain.errors import Missing, SettingsError
from core.rules.access.roles import Actor, Right
from core.rules.ops.notification import Event, Notice


def notices(desk: Desk, limit: int = 20) -> list[Notice]:
    """The newest notifications and their delivery states."""
    with desk.store.read() as work:
        return work.notifications.latest(limit)


def notice(desk: Desk, uid: str) -> Notice:
    """One notification.

    Raises:
        Missing: there is none of that id.
    """
    with desk.store.read() as work:
        notification = work.notifications.get(uid)
    if notification is None:
        raise Missing(f"There is no notification {uid}.")
    return notification


@needs(Right.NOTIFY)
def send_test(desk: Desk, actor: Actor) -> str:
    """Put a test notification into the outbox; returns its id.

    Raises:
        SettingsError: WEBHOOK_URL is not set.
    """
    if not desk.settings.webhook_host:
        raise SettingsError("Set WEBHOOK_URL, for the console and the reconciler, and restart.")
    with desk.store.transaction(actor) as work:
        text = f"This is a test from driftdesk, requested by {actor.name}."
        uid = work.notifications.add(Event.TEST, "webhook", text)
        work.audit.add(
            actor.name, "test webhook", "webhook", details={"id": uid}, dataset=whole_desk(desk)
        )
    return uid
