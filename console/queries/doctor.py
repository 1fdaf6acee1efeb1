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
from console.queries import service_checks
from console.queries.doctor_checks import (
    CHECKS,
    LONGEST,
    Check,
    of_service,
    surroundings,
)
from console.queries.doctor_rules import Finding, State, bad
from core.domain.errors import DatasetError, DriftdeskError, StoreBusy

TIME_LIMIT = LONGEST
"""Seconds after which a check without an answer has failed."""

_MORE_THOROUGH = ("MLflow", "Queue (Redis)", "Database", "Spool")

_SEE_TO_HOLDER = "See to that process; until then nothing is written to the database."


class Asked(NamedTuple):
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
    checks = [*CHECKS, *of_services(service_checks.checks(desk))]
    return run_all([[Asked(check, desk)] for check in checks], seconds)


def run_all(groups: Sequence[Sequence[Asked]], seconds: float) -> list[Finding]:
    """The findings of each, in this order; a group has one thread."""
    findings: dict[str, list[Finding]] = {}

    def run(group: Sequence[Asked]) -> None:
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


def of_services(checks: Iterable[service_checks.Check]) -> list[Check]:
    """Those of the Services page's checks that are not more thorough here."""
    return [
        Check(c.name, partial(of_service, c), c.advice)
        for c in checks
        if c.name not in _MORE_THOROUGH
    ]


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
