"""The queries about all datasets of a desk, each in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from console.fleet import Fleet
from core.domain.dataset import Dataset
from core.domain.fleet import Cost, Hit, KnownDataset
from core.rules.model.feedback_error import Bucket
from core.rules.ops import fleet_state
from core.rules.ops.fleet_state import Line

MOST_HITS = 30


@dataclass(frozen=True, slots=True)
class Costs:
    """What a dataset costs, with its title."""

    title: str
    cost: Cost


Feedback = tuple[tuple[str, Bucket], ...]
"""The live versions' errors from feedback, by dataset."""


def feedback_errors(fleet: Fleet, names: Collection[str]) -> Feedback:
    """What people reported about the live versions; it reads many rows, so cache the result.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    wanted = _usable(fleet, names)
    if not wanted:
        return ()
    with fleet.desk(next(iter(wanted))).store.desk() as work:
        return tuple(work.feedback_errors(wanted).items())


def lines(
    fleet: Fleet, names: Collection[str], *, with_files: bool, feedback: Feedback = ()
) -> list[Line]:
    """A line for each of these datasets, the most urgent first.

    `with_files` adds the files that cannot be used; `feedback` is that of the function.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    wanted, found = _usable(fleet, names), list[Line]()
    if wanted:
        with fleet.desk(next(iter(wanted))).store.desk() as work:
            facts, needs, known = work.fleet(wanted), work.needs(wanted), work.known()
        told = dict(feedback)
        found = [
            fleet_state.line(dataset, facts[name], needs[name], known.get(name), told.get(name))
            for name, dataset in wanted.items()
        ]
    if with_files:
        found += [fleet_state.wrong(*problem) for problem in fleet.datasets().problems.items()]
    return fleet_state.ordered(found)


def known(fleet: Fleet, names: Collection[str], name: str) -> KnownDataset | None:
    """What the desk has on record about one of these datasets.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    if name not in names:
        return None
    with fleet.desk(name).store.desk() as work:
        return work.known().get(name)


def costs(fleet: Fleet, names: Collection[str]) -> list[Costs]:
    """What each of these datasets costs, the one with the most rows first.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    wanted = _usable(fleet, names)
    if not wanted:
        return []
    with fleet.desk(next(iter(wanted))).store.desk() as work:
        of = work.costs(wanted)
    found = [Costs(dataset.title, of[name]) for name, dataset in wanted.items()]
    return sorted(found, key=lambda c: (-c.cost.rows, c.title))


def search(fleet: Fleet, names: Collection[str], text: str) -> list[Hit]:
    """What a text names in these datasets: a version, job, batch, prediction or dataset.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    wanted = _usable(fleet, names)
    if not wanted or not text.strip():
        return []
    titles = {name: dataset.title for name, dataset in wanted.items()}
    with fleet.desk(next(iter(wanted))).store.desk() as work:
        return work.search(text.strip(), titles, MOST_HITS)


def _usable(fleet: Fleet, names: Collection[str]) -> dict[str, Dataset]:
    usable = fleet.datasets().usable
    return {name: usable[name] for name in names if name in usable}
