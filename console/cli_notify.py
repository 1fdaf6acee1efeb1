"""`driftdesk notify-test`: see whether notifications arrive."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from console import notices
from console.terminal import Actor, AsJson, at_desk, tell, who
from core.notice import Delivery

_ASK_EVERY = 0.3


def notify_test(
    *,
    seconds: Annotated[float, typer.Option(min=0, help="How long to wait for it to arrive.")] = 30,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Send a test notification, and say whether the receiver took it."""
    with at_desk(actor) as desk:
        uid = notices.send_test(desk, who(desk, actor))
        deadline = time.monotonic() + seconds
        sent = notices.notice(desk, uid)
        while sent.state is Delivery.PENDING and not sent.failure and time.monotonic() < deadline:
            time.sleep(_ASK_EVERY)
            sent = notices.notice(desk, uid)
        arrived = sent.state is Delivery.DELIVERED
        where = desk.settings.webhook_host
        why = sent.failure or "Nothing has sent it yet. Is the reconciler running?"
        said = f"{where} took it." if arrived else f"{where} did not take it. {why}"
        tell(sent, as_json=as_json, lines=lambda: [said])
        if not arrived:
            raise typer.Exit(1)
