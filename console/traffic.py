"""What is asked about live traffic and about feedback: reads only, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.desk import Desk
from core.hindsight import Bucket, buckets, of_version
from core.limits import Cell
from core.records import ColumnProfile
from core.traffic import Window

NEWEST = 60
"""How many windows can be chosen from."""

COURSE = 30
"""How many windows the course shows."""

Profiles = dict[str, ColumnProfile]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the next window waits for.

    `live` is the version that it will be compared with, `known` whether the rows that it was
    trained on are; `recorded` counts the requests since the last window, up to `size`, which is
    how many it takes. `last` is the newest window's id.
    """

    live: int | None
    known: bool
    recorded: int
    size: int
    last: int | None


def waiting(desk: Desk) -> Waiting:
    """How far the next window is."""
    size = desk.settings.live_window
    with desk.store.read() as work:
        live = work.promotions.live()
        last = work.traffic.last()
        return Waiting(
            live.version if live else None,
            bool(live and work.batches.profile("model", live.version)),
            work.traffic.waiting(last, size),
            size,
            last.id if last else None,
        )


def windows(desk: Desk, limit: int = NEWEST) -> list[Window]:
    """The newest windows first."""
    with desk.store.read() as work:
        return work.traffic.latest(limit)


def window(desk: Desk, window_id: int) -> Window:
    """One window.

    Raises:
        Missing: there is none of that id.
    """
    with desk.store.read() as work:
        return work.traffic.get(window_id)


def profiles(desk: Desk, seen: Window) -> tuple[Profiles, Profiles]:
    """What a window was compared with, and the window itself, by column.

    The target is left out: no request has one.
    """
    with desk.store.read() as work:
        now = {p.column: p for p in work.traffic.profiles(seen.id)}
        then = work.batches.profile("model", seen.version)
    return {p.column: p for p in then if p.column in now}, now


def cells(found: Sequence[Window]) -> list[Cell]:
    """Every statistic of windows as the history has them, oldest first; a window has no epoch."""
    return [
        Cell(w.id, w.id, 0, w.id, c.column, c.statistic, c.ratio, c.limit, c.band)
        for w in reversed(found)
        for c in w.report.changes
    ]


@dataclass(frozen=True, slots=True)
class Hindsight:
    """The error as people told it afterwards: over time, and of the live version alone.

    `told` counts the answers that somebody said something of, up to how many are looked at.
    """

    told: int
    course: list[Bucket]
    live: Bucket | None


def hindsight(desk: Desk) -> Hindsight:
    """The error from feedback."""
    with desk.store.read() as work:
        told = work.feedback.told()
        live = work.promotions.live()
    return Hindsight(len(told), buckets(told), of_version(told, live.version) if live else None)
