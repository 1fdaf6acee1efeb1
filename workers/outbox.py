"""Posting what the outbox holds: at least once, in order, and never for long at a time."""

from __future__ import annotations

import structlog

from core.errors import NotDelivered
from core.notice import Notice
from core.store import Store
from workers.webhook import Webhook
from workers.wiring import Wiring

log = structlog.get_logger()


def post_due(wiring: Wiring) -> None:
    """Post the notices whose turn has come; the first that fails ends the round.

    The rest would go to the same receiver, and a reconciler has more to do than wait for it.

    Raises:
        StoreUnavailable: the database is away.
    """
    with wiring.store.read() as work:
        due = work.notify.due()
    if not due:
        return
    webhook = Webhook.of(wiring.settings)
    for notice in due:
        if why := _unwanted(wiring, notice, webhook):
            with wiring.store.begin() as work:
                work.notify.skip(notice, why)
                work.commit()
        elif webhook and not _post(wiring.store, webhook, notice):
            return


def _unwanted(wiring: Wiring, notice: Notice, webhook: Webhook | None) -> str:
    if webhook is None:
        return "WEBHOOK_URL is not set."
    if notice.event not in wiring.settings.notified:
        return f"WEBHOOK_EVENTS does not name {notice.event.value}."
    return ""


def _post(store: Store, webhook: Webhook, notice: Notice) -> bool:
    """One try; False when it failed."""
    with store.begin() as work:
        taken = work.notify.take(notice)
        work.commit()
    if not taken:
        return True
    try:
        webhook.post(notice)
    except NotDelivered as error:
        log.warning("notice not delivered", notice=notice.id, reason=str(error))
        with store.begin() as work:
            work.notify.failed(notice, str(error))
            work.commit()
        return False
    with store.begin() as work:
        work.notify.delivered(notice)
        work.commit()
    log.info("notice delivered", notice=notice.id, what=notice.event.value)
    return True
