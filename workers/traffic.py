"""Watching live traffic: what was recorded is cut into windows, and each is compared once."""

from __future__ import annotations

from datetime import timedelta

import structlog

from core import limits
from core.notice import Event
from core.traffic import alarm, alarms, cut
from workers.wiring import Wiring

SETTLED = timedelta(seconds=10)
"""How old a request must be: replicas record behind their answers, and not in the same order."""

AT_ONCE = 4
"""How many windows one pass cuts at most; the next pass goes on with what is left."""

LOOKED_BACK = 50
"""How many windows are looked at to see whether a breach was told of already."""

log = structlog.get_logger()


def watch_traffic(wiring: Wiring) -> None:
    """Cut what has come in since the last window, if it makes one.

    Without a live version, or where its training rows are not known, there is nothing to compare
    with; requests then wait until there is. Several may cut at once: each window is made by one of
    them, and the others say nothing.

    Raises:
        StoreUnavailable: the database is away.
    """
    for _ in range(AT_ONCE):
        if not _cut_next(wiring):
            return


def _cut_next(wiring: Wiring) -> bool:
    """Cut one window; False if there was none to cut, or somebody else was first."""
    with wiring.store.read() as work:
        live = work.promotions.live()
        if live is None:
            return False
        before = work.traffic.last()
        due = work.traffic.requests(before, work.now - SETTLED, wiring.settings.live_window)
        if not due:
            return False
        reference = work.batches.profile("model", live.version)
        dataset = limits.in_force(wiring.dataset, work.limits.in_force())
    if not reference:
        return False
    window, profiles = cut(due, live.version, reference, dataset)
    with wiring.store.begin() as work:
        earlier = work.traffic.latest(LOOKED_BACK)
        window_id = work.traffic.add(window, profiles, before)
        if window_id is None:
            return False
        if alarms(window, earlier):
            work.notify.add(Event.BREACH, f"window:{window_id}", alarm(window))
        work.commit()
    log.info("window cut", window=window_id, version=live.version, drifted=window.drifted)
    return True
