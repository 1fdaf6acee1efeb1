"""Notifications: what an operator may do about them and ask of them."""

from __future__ import annotations

from console.access import needs
from console.desk import Desk
from core.errors import Missing, SettingsError
from core.notice import Event, Notice
from core.roles import Actor, Right


def notices(desk: Desk, limit: int = 20) -> list[Notice]:
    """The newest notices, and how far each has come."""
    with desk.store.read() as work:
        return work.notify.latest(limit)


def notice(desk: Desk, uid: str) -> Notice:
    """One notice.

    Raises:
        Missing: there is none of that id.
    """
    with desk.store.read() as work:
        found = work.notify.get(uid)
    if found is None:
        raise Missing(f"There is no notification {uid}.")
    return found


@needs(Right.NOTIFY)
def send_test(desk: Desk, actor: Actor) -> str:
    """Put a test into the outbox: it goes the way of every notice. Returns its id.

    Raises:
        SettingsError: there is nowhere to send it.
    """
    if not desk.settings.webhook_host:
        raise SettingsError("Set WEBHOOK_URL, for the console and the reconciler, and restart.")
    with desk.store.begin(by=actor) as work:
        text = f"This is a test from driftdesk, asked for by {actor.name}."
        uid = work.notify.add(Event.TEST, "webhook", text)
        work.audit.add(actor.name, "test webhook", "webhook", details={"id": uid})
        work.commit()
    return uid
