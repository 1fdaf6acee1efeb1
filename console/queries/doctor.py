"""The doctor: checks everything that driftdesk needs at once, and judges each answer.

Each check runs in its own thread, and all together may take `TIME_LIMIT` seconds: a check without
an answer by then has failed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from threading import Thread
from typing import NamedTuple

from console.desk import Desk
from console.fleet import Fleet
from console.identity import grants
from console.queries import doctor_datasets, service_checks
from console.queries.doctor_checks import (
    CHECK_DATABASE,
    CHECKS,
    LONGEST,
    Check,
    of_service,
    surroundings,
)
from console.queries.doctor_rules import Finding, State, bad, ok
from core.domain.errors import DatasetError, DriftdeskError, StoreBusy

TIME_LIMIT = LONGEST
"""Seconds after which a check without an answer has failed."""

_MORE_THOROUGH = ("MLflow", "Queue (Redis)", "Database", "Spool")

_LOOK_AT_ONCE = 8
"""How many threads check the datasets."""

_SEE_TO_HOLDER = "See to that process; until then nothing is written to the database."


class _Asked(NamedTuple):
    """A check at a desk; `of` is its dataset, empty where all share what is checked."""

    check: Check
    desk: Desk
    of: str = ""

    @property
    def name(self) -> str:
        """The name of its findings."""
        return f"{self.of}: {self.check.name}" if self.of else self.check.name

    def run(self) -> list[Finding]:
        """Its findings; an exception is one, too."""
        try:
            found = self.check.run(self.desk)
        except StoreBusy as error:
            found = [bad(self.check.name, str(error), _SEE_TO_HOLDER)]
        except DriftdeskError as error:
            found = [bad(self.check.name, str(error), self.check.todo)]
        except Exception as error:  # noqa: BLE001 - a check that breaks is an answer, too
            says = f"The check broke ({type(error).__name__}: {error})."
            found = [bad(self.check.name, says, self.check.todo)]
        return [replace(f, name=f"{self.of}: {f.name}") if self.of else f for f in found]


def examine(desk: Desk, seconds: float = TIME_LIMIT) -> list[Finding]:
    """Every check's findings about one dataset, in a fixed order; takes `seconds` at most."""
    checks = [*CHECKS, *_services(service_checks.checks(desk))]
    return _all([[_Asked(check, desk)] for check in checks], seconds)


def examine_all(
    fleet: Fleet, names: Sequence[str], *, with_files: bool, seconds: float = TIME_LIMIT
) -> list[Finding]:
    """As `examine`, for several datasets; what they share is checked once.

    `with_files` adds the files that cannot be used, and the settings of the whole desk.

    Raises:
        SettingsError: the roles cannot be read.
    """
    desks = [fleet.desk(name) for name in names]
    found = _desk(fleet) if with_files else []
    if not desks:
        return [*found, *surroundings()]
    any_desk = desks[0]
    known = Check("Disabled datasets", partial(_disabled, names), CHECK_DATABASE)
    shared = [c for c in CHECKS if not c.of_dataset] + [known]
    shared += _services(service_checks.shared_checks(any_desk))
    groups = [[_Asked(check, any_desk)] for check in shared]
    of_one = [c for c in CHECKS if c.of_dataset]
    own = [
        [_Asked(c, d, d.dataset.name) for c in [*of_one, *_services(service_checks.own_checks(d))]]
        for d in desks
    ]
    # A few threads look at all datasets, so that fifty do not take the database's connections.
    groups += [[asked for group in own[n::_LOOK_AT_ONCE] for asked in group]
               for n in range(min(len(own), _LOOK_AT_ONCE))]  # fmt: skip
    order = {name: place for place, name in enumerate(["", *names])}
    return found + sorted(_all(groups, seconds), key=lambda f: order.get(_dataset_of(f.name), 0))


def _dataset_of(name: str) -> str:
    return name.partition(": ")[0] if ": " in name else ""


def _all(groups: Sequence[Sequence[_Asked]], seconds: float) -> list[Finding]:
    """The findings of each, in this order; a group has one thread."""
    findings: dict[str, list[Finding]] = {}

    def run(group: Sequence[_Asked]) -> None:
        for asked in group:
            findings[asked.name] = asked.run()

    threads = [Thread(target=run, args=(group,), daemon=True) for group in groups]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    late = f"No answer within {seconds:g} s."
    return [
        finding
        for group in groups
        for asked in group
        for finding in findings.get(asked.name) or [bad(asked.name, late, asked.check.todo)]
    ]


def _services(checks: Iterable[service_checks.Check]) -> list[Check]:
    """Those of the Services page's checks that are not more thorough here."""
    return [
        Check(c.name, partial(of_service, c), c.advice)
        for c in checks
        if c.name not in _MORE_THOROUGH
    ]


def _desk(fleet: Fleet) -> list[Finding]:
    """What concerns the folder of datasets and the settings of the whole desk."""
    datasets, s = fleet.datasets(), fleet.settings
    usable = datasets.usable
    given = grants(s).datasets if s.auth != "none" else {}
    return [
        *doctor_datasets.files(usable, datasets.problems, datasets.problem),
        *doctor_datasets.settings(usable, s.model_name, s.default_dataset),
        *doctor_datasets.roles(usable, given),
    ]


def _disabled(names: Sequence[str], desk: Desk) -> list[Finding]:
    with desk.store.desk() as work:
        known = work.known()
    found = list(doctor_datasets.disabled(names, known))
    return found or [ok("Disabled datasets", "None is disabled.")]


def unreadable(error: DriftdeskError) -> list[Finding]:
    """The findings if the settings or the dataset file cannot be read."""
    name, todo = "Settings", "Correct it in .env or the environment."
    if isinstance(error, DatasetError):
        name, todo = "Dataset", "Correct the file, or set DATASET."
    return [*surroundings(), bad(name, str(error), todo)]


def is_bad(findings: list[Finding]) -> bool:
    """Whether any check is bad."""
    return any(f.state is State.BAD for f in findings)


def lines(findings: list[Finding]) -> list[str]:
    """The findings for a terminal, and a line that sums them up."""
    width = max(len(f.name) for f in findings)
    lines = []
    for f in findings:
        lines.append(f"{f.state.value:<4}  {f.name:<{width}}  {f.says}")
        if f.todo:
            lines.append(f"{'':<4}  {'':<{width}}  -> {f.todo}")
    counts = [sum(f.state is state for f in findings) for state in State]
    return [*lines, "", "{} ok, {} to see to, {} bad.".format(*counts)]
