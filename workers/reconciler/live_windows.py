"""Live traffic: cuts recorded predictions into windows and compares each once."""

from __future__ import annotations

from datetime import timedelta

import structlog

from core.rules.drift import thresholds
from core.rules.drift.live_windows import alarm, alarms, cut
from core.rules.ops.notification import Event
from workers.runtime.services import Services

SETTLED = timedelta(seconds=10)
"""The least age of a request, since replicas record with a delay and not in order."""

AT_ONCE = 4
"""The most windows that one pass cuts; the next pass continues."""

LOOKED_BACK = 50
"""How many earlier windows are searched for a breach that was notified already."""

log = structlog.get_logger()


def watch_traffic(services: Services) -> None:
    """Cut the requests since the last window, if there are enough for one.

    Without a live version with a training profile there is no reference, and requests wait. Safe
    to run concurrently: each window is made by one process.

    Raises:
        StoreUnavailable: the database is away.
    """
    for _ in range(AT_ONCE):
        if not _cut_next(services):
            return


def _cut_next(services: Services) -> bool:
    """Cut one window; False if there was none, or another process was first."""
    with services.store.read() as work:
        live = work.promotions.live()
        if live is None:
            return False
        before = work.traffic.last()
        due = work.traffic.requests(before, work.now - SETTLED, services.settings.live_window)
        if not due:
            return False
        reference = work.batches.profile("model", live.version)
        dataset = thresholds.in_force(services.dataset, work.limits.in_force())
    if not reference:
        return False
    window, profiles = cut(due, live.version, reference, dataset)
    with services.store.begin() as work:
        earlier = work.traffic.latest(LOOKED_BACK)
        window_id = work.traffic.add(window, profiles, before)
        if window_id is None:
            return False
        if alarms(window, earlier):
            work.notifications.add(Event.BREACH, f"window:{window_id}", alarm(window))
        work.commit()
    log.info("window cut", window=window_id, version=live.version, drifted=window.drifted)
    return True
