"""The state of each dataset of a desk, and which comes first. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from core.domain.dataset import Dataset
from core.domain.fleet import FleetFacts, KnownDataset
from core.domain.metrics import error_in
from core.rules.model.feedback_error import Bucket
from core.rules.ops.need import Need
from core.rules.ops.need_facts import NeedFacts
from core.rules.ops.needs import needs, verdicts


class State(StrEnum):
    """The state of a dataset in a word; the first is the most urgent."""

    WRONG = "wrong file"
    ALERT = "alert"
    PENDING = "pending"
    WORKING = "working"
    QUIET = "quiet"
    EMPTY = "no data yet"
    DISABLED = "disabled"


_RANK = {State.WRONG: 0, State.ALERT: 0, State.PENDING: 1, State.DISABLED: 3}
_QUIET = 2
"""Where no person is needed, the order is that of the names; disabled datasets come last."""


@dataclass(frozen=True, slots=True)
class Line:
    """One dataset: its state, and what needs somebody, the most important first.

    Of a file that cannot be used `name` is the file's, and there are no `facts`; `reason` says why,
    or why the dataset is disabled. `errors` are those of the live version on its last batches,
    oldest first. `verdict` is that about the newest batch, whose address is `judged`, such as
    `2/7`; None without one. `waits` says whether it waits for a person.
    """

    name: str
    title: str
    state: State
    needs: tuple[Need, ...] = ()
    facts: FleetFacts | None = None
    reason: str = ""
    errors: tuple[float, ...] = ()
    verdict: str | None = None
    judged: str = ""
    waits: bool = False

    @property
    def needs_somebody(self) -> bool:
        """Whether a person has something to do."""
        return self.state in (State.WRONG, State.ALERT, State.PENDING)


def line(
    dataset: Dataset,
    facts: FleetFacts,
    open_: NeedFacts,
    known: KnownDataset | None = None,
    feedback: Bucket | None = None,
) -> Line:
    """The line of a dataset; `known` is what the desk has on record about it.

    `feedback` is the live version's error from reported actual values.
    """
    found, newest = needs(dataset, open_, feedback), next(iter(verdicts(dataset, open_)), None)
    held = {batch.id for batch in open_.batches if batch.is_held}
    errors = (error_in(s.metrics) for s in open_.scores if s.batch_id not in held)
    disabled = known is not None and known.is_disabled
    return Line(
        dataset.name,
        dataset.title,
        State.DISABLED if disabled else _state(facts, found),
        () if disabled else found,
        facts,
        f"{known.disabled_by} disabled it: {known.reason}" if known and disabled else "",
        tuple(error for error in errors if error is not None),
        newest.stand.value if newest else None,
        f"{newest.epoch}/{newest.number}" if newest else "",
        bool(newest and newest.waits),
    )


def wrong(file: str, problem: str) -> Line:
    """The line of a dataset file that cannot be used."""
    return Line(file, file, State.WRONG, reason=problem)


def ordered(lines: Iterable[Line]) -> list[Line]:
    """Those that need somebody first, the urgent ones at the top; then by name."""
    return sorted(lines, key=lambda line: (_RANK.get(line.state, _QUIET), line.name))


def matching(lines: Iterable[Line], states: Collection[str] = (), text: str = "") -> list[Line]:
    """The lines in one of these states, of all without any, that have every word of the text."""
    words = text.casefold().split()
    return [
        line
        for line in lines
        if (not states or line.state in states)
        and all(word in f"{line.name} {line.title}".casefold() for word in words)
    ]


def _state(facts: FleetFacts, found: tuple[Need, ...]) -> State:
    if found:
        return State.ALERT if found[0].urgent else State.PENDING
    if facts.open_jobs:
        return State.WORKING
    is_empty = facts.newest_batch is None and facts.live_version is None
    return State.EMPTY if is_empty else State.QUIET
