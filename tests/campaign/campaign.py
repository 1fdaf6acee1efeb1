"""The campaign: rounds of disturbed work, each followed by rest and by the invariants."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.domain.batches import BatchState
from core.domain.jobs import JobKind, JobState
from tests.campaign import invariants
from tests.campaign.faults import Disturber
from tests.campaign.people import Clients, Operator
from tests.campaign.system import MAX_ATTEMPTS, System, running
from tests.stacks import answers, wait_for

DISTURBED_SECONDS = 60.0
"""How long a round is disturbed before it comes to rest."""


@dataclass
class Outcome:
    """What a campaign counted, and each invariant that it found broken."""

    database: str
    seed: int
    minutes: float = 0.0
    rounds: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    acts: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)
    batches: dict[str, int] = field(default_factory=dict)
    versions: int = 0
    broken: list[str] = field(default_factory=list)

    def text(self) -> str:
        return json.dumps(asdict(self), indent=1)


def run(folder: Path, database: str, seed: int, minutes: float) -> Outcome:
    """Disturb a system for so long, one round at least; a broken invariant ends it.

    The dice of each party follow from the seed, so the same seed picks the same faults and
    acts in the same order; when each lands depends on the machine.
    """
    outcome = Outcome(database, seed)
    began = time.monotonic()
    with running(folder, database, seed) as system:
        disturber = Disturber(system, seed)
        operator = Operator(system, seed + 1)
        clients = Clients(system)
        _first_model(system, operator)
        while not outcome.rounds or time.monotonic() - began < minutes * 60:
            with clients.asking(), disturber.loose(), operator.at_work():
                time.sleep(min(DISTURBED_SECONDS, minutes * 60 / 2))
            outcome.broken = _at_rest(system, operator, clients)
            outcome.rounds += 1
            outcome.minutes = round((time.monotonic() - began) / 60, 1)
            _count(outcome, system, disturber, operator, clients)
            (folder / "outcome.json").write_text(outcome.text(), encoding="utf-8")
            (folder / "diary.txt").write_text("\n".join(disturber.diary), encoding="utf-8")
            if outcome.broken:
                break
    return outcome


def _first_model(system: System, operator: Operator) -> None:
    """Bring one version live, undisturbed, so that there is something to lose."""

    def act(what: Any, kind: JobKind) -> None:
        assert operator.attempt(what), operator.refused
        wait_for(f"{what.__name__} did not end", lambda: not _open(system), 120)
        with system.desk.store.read() as work:
            (job,) = work.jobs.recent(1, kind)
        assert job.state is JobState.SUCCEEDED, job.error

    act(operator.ingest, JobKind.INGEST)
    act(operator.train, JobKind.TRAIN)
    act(operator.first, JobKind.PROMOTE)


def _open(system: System) -> int:
    with system.desk.store.read() as work:
        return len(work.jobs.open())


def _at_rest(system: System, operator: Operator, clients: Clients) -> list[str]:
    """Let the system come to rest, take in one good batch, and look at everything."""
    restless = invariants.come_to_rest(system) or _goes_on(system, operator)
    return restless or invariants.broken(system, operator, clients)


def _goes_on(system: System, operator: Operator) -> list[str]:
    """Ingest until one succeeds: a batch that cannot be stored is closed after some tries."""
    wait_for("the data API was not up", answers(f"{system.api}/health"), 120)
    ended = ""
    for _ in range(MAX_ATTEMPTS + 1):
        if not operator.attempt(operator.ingest):
            return [f"an ingest was refused at rest: {dict(operator.refused)}"]
        if restless := invariants.come_to_rest(system):
            return restless
        with system.desk.store.read() as work:
            (job,) = work.jobs.recent(1, JobKind.INGEST)
        if job.state is JobState.SUCCEEDED:
            return []
        ended = f"{job.state}: {job.error}"
    return [f"the pipeline stands still: {MAX_ATTEMPTS + 1} ingests at rest, the last {ended}"]


def _count(
    outcome: Outcome,
    system: System,
    disturber: Disturber,
    operator: Operator,
    clients: Clients,
) -> None:
    outcome.faults = dict(disturber.counts)
    outcome.acts = dict(operator.done)
    outcome.refused = dict(operator.refused)
    outcome.answers = dict(clients.statuses)
    with system.desk.store.read() as work:
        jobs = Counter(f"{job.kind} {job.state}" for job in work.jobs.recent(100_000))
        batches = Counter(str(b.state) for b in work.batches.ledger(100_000))
        outcome.versions = len(work.promotions.latest(100_000))
    outcome.jobs, outcome.batches = dict(jobs), dict(batches)
    assert BatchState.STORED in batches
