"""`driftdesk notify-test`: check that notifications are delivered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from console import actions
from console.cli.shared import Output, of_the_desk
from console.desk import Desk
from core.rules.access.roles import Actor
from core.rules.ops.notification import Delivery

if TYPE_CHECKING:
    from console.cli import answers

_POLL_SECONDS = 0.3


@of_the_desk
def notify_test(
    desk: Desk,
    actor: Actor,
    *,
    seconds: Annotated[float, typer.Option(min=0, help="How long to wait for the delivery.")] = 30,
) -> Output[answers.Notification]:
    """Send a test notification, and report whether it was delivered."""
    uid = actions.notifications.send_test(desk, actor)
    deadline = time.monotonic() + seconds
    sent = actions.notifications.notice(desk, uid)
    while sent.state is Delivery.PENDING and not sent.failure and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        sent = actions.notifications.notice(desk, uid)
    where = desk.settings.webhook_host
    if sent.state is Delivery.DELIVERED:
        return Output(sent, [f"Delivered to {where}."])
    why = sent.failure or "It was not sent yet. Is the reconciler running?"
    return Output(sent, [f"Not delivered to {where}. {why}"], code=1)
