"""Delivers the outbox: at least once, in order, and in bounded steps."""

from __future__ import annotations

import structlog

from core.adapters.store import Store
from core.domain.errors import NotDelivered
from core.rules.ops.notification import Notice
from workers.reconciler.webhook import Webhook
from workers.runtime.services import Services

log = structlog.get_logger()


def post_due(services: Services) -> None:
    """Post the due notifications; the first failure ends the round.

    The others go to the same receiver, and the reconciler must not wait for it.

    Raises:
        StoreUnavailable: the database is away.
    """
    with services.store.read() as work:
        due = work.notifications.due()
    if not due:
        return
    webhook = Webhook.of(services.settings, services.dataset.name)
    for notice in due:
        if why := _unwanted(services, notice, webhook):
            with services.store.transaction() as work:
                work.notifications.skip(notice, why)
        elif webhook and not _post(services.store, webhook, notice):
            return


def _unwanted(services: Services, notice: Notice, webhook: Webhook | None) -> str:
    if webhook is None:
        return "WEBHOOK_URL is not set."
    if notice.event not in services.settings.notified:
        return f"WEBHOOK_EVENTS does not name {notice.event.value}."
    return ""


def _post(store: Store, webhook: Webhook, notice: Notice) -> bool:
    """One attempt; False if it failed."""
    with store.transaction() as work:
        taken = work.notifications.take(notice)
    if not taken:
        return True
    try:
        webhook.post(notice)
    except NotDelivered as error:
        log.warning("notice not delivered", notice=notice.id, reason=str(error))
        with store.transaction() as work:
            work.notifications.failed(notice, str(error))
        return False
    with store.transaction() as work:
        work.notifications.delivered(notice)
    log.info("notice delivered", notice=notice.id, what=notice.event.value)
    return True
