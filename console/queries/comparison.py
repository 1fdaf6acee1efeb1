"""Comparisons on demand: any two batches, or a batch and the training rows of any version.

They are calculated from stored profiles and are not stored; no verdict follows from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from console.desk import Desk
from core.adapters.store import Work
from core.domain.drift import DriftReport
from core.domain.errors import BadInput, Missing
from core.domain.profiles import ColumnProfile
from core.rules.drift import thresholds
from core.rules.drift.report import drift_report

MOST_OFFERED = 200
"""How many batches, and how many versions, are offered."""

_BATCH = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)
_VERSION = re.compile(r"version:(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a stored batch, or the training rows of a version.

    `address` is how a link and the command line name it: `2/3` is batch 3 of epoch 2, `version:4`
    the rows that version 4 was trained on. `owner` and `owner_id` are the owner of its profile.
    """

    name: str
    address: str
    owner: str
    owner_id: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides with their profiles by column, and the report of `current` against `reference`."""

    reference: Side
    current: Side
    then: dict[str, ColumnProfile]
    now: dict[str, ColumnProfile]
    report: DriftReport


def sides(desk: Desk) -> list[Side]:
    """What can be compared: the newest stored batches, then the newest versions."""
    with desk.store.read() as work:
        batches = work.batches.newest_stored(MOST_OFFERED)
        versions = work.promotions.latest(MOST_OFFERED)
        return [
            *(_batch(b.id, b.epoch, b.number or 0) for b in batches),
            *(_version(p.version) for p in versions),
        ]


def compare(desk: Desk, reference: str, current: str) -> Comparison:
    """Compare two sides, which are named by their addresses, with the limits in force.

    Raises:
        BadInput: an address names neither a batch nor a version, or both name the same.
        Missing: there is no such batch or version, or no profile of it.
    """
    if reference == current:
        raise BadInput("Choose two different sides: a comparison with itself finds nothing.")
    with desk.store.read() as work:
        before, after = _side(work, reference), _side(work, current)
        then = work.batches.profile(before.owner, before.owner_id)
        now = work.batches.profile(after.owner, after.owner_id)
        limits = work.limits.in_force()
    for side, profiles in ((before, then), (after, now)):
        if not profiles:
            raise Missing(f"There is no profile of {side.name}.")
    report = drift_report(then, now, thresholds.in_force(desk.dataset, limits))
    by_column = [{p.column: p for p in profiles} for profiles in (then, now)]
    return Comparison(before, after, by_column[0], by_column[1], report)


def _side(work: Work, address: str) -> Side:
    if named := _VERSION.fullmatch(address):
        return _version(work.promotions.of_version(int(named[1])).version)
    named = _BATCH.fullmatch(address)
    if not named:
        raise BadInput(
            f"{address[:50]!r} names nothing to compare: enter 2/3 for batch 3 of epoch 2, or "
            "version:4 for the rows that version 4 was trained on."
        )
    epoch, number = int(named[1]), int(named[2])
    stored = next((b for b in work.batches.stored(epoch) if b.number == number), None)
    if stored is None:
        raise Missing(f"No batch {number} is stored in epoch {epoch}.")
    return _batch(stored.id, epoch, number)


def _batch(batch_id: int, epoch: int, number: int) -> Side:
    return Side(f"epoch {epoch}, batch {number}", f"{epoch}/{number}", "batch", batch_id)


def _version(version: int) -> Side:
    return Side(f"training rows of version {version}", f"version:{version}", "model", version)
