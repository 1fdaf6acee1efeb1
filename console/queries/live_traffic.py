"""Read-only, bounded queries about live traffic and feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.desk import Desk
from core.domain.profiles import ColumnProfile
from core.rules.drift.live_windows import Window
from core.rules.drift.thresholds import Cell
from core.rules.model.feedback_error import Bucket, buckets, of_version

NEWEST = 60
"""How many windows are listed."""

HISTORY = 30
"""How many windows the history shows."""

Profiles = dict[str, ColumnProfile]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The progress of the next window.

    `live` is the version to compare with, `has_profile` whether its training data has one.
    `recorded` counts the requests since the last window, at most `size`, the size of a window.
    `last` is the newest window's id.
    """

    live: int | None
    has_profile: bool
    recorded: int
    size: int
    last: int | None


def waiting(desk: Desk) -> Waiting:
    """The progress of the next window."""
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
    """The windows, newest first."""
    with desk.store.read() as work:
        return work.traffic.latest(limit)


def window(desk: Desk, window_id: int) -> Window:
    """One window.

    Raises:
        Missing: there is none of that id.
    """
    with desk.store.read() as work:
        return work.traffic.get(window_id)


def profiles(desk: Desk, window: Window) -> tuple[Profiles, Profiles]:
    """The profiles of the training data and of a window, by column, without the target."""
    with desk.store.read() as work:
        now = {p.column: p for p in work.traffic.profiles(window.id)}
        then = work.batches.profile("model", window.version)
    return {p.column: p for p in then if p.column in now}, now


def cells(windows: Sequence[Window]) -> list[Cell]:
    """All statistics of the windows as cells of the heat map, oldest first, with epoch 0."""
    return [
        Cell(
            w.id,
            w.id,
            0,
            w.id,
            c.column,
            c.statistic,
            c.ratio,
            c.limit,
            c.band,
            c.rose,
            far=c.name in w.report.by_far_values,
        )
        for w in reversed(windows)
        for c in w.report.changes
    ]


@dataclass(frozen=True, slots=True)
class FeedbackError:
    """The error from feedback: over time, and of the live version.

    `count` is the number of predictions with feedback, up to the store's limit.
    """

    count: int
    over_time: list[Bucket]
    live: Bucket | None


def feedback_error(desk: Desk) -> FeedbackError:
    """The error from feedback."""
    with desk.store.read() as work:
        feedback = work.feedback.told()
        live = work.promotions.live()
    mine = of_version(feedback, live.version) if live else None
    return FeedbackError(len(feedback), buckets(feedback), mine)
