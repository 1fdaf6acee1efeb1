"""The doctor on a desk with several datasets: what they share once, the rest for each."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from console.fleet import Fleet
from console.queries import doctor
from console.queries.doctor_rules import Finding, State, bad

_AT_ONCE = 8
"""How many datasets are examined at the same time."""


def examine(
    fleet: Fleet, names: Collection[str], *, with_files: bool = False, seconds: float = 0.0
) -> list[Finding]:
    """The findings about shared services, then those of each dataset, by its name.

    Findings about a dataset are left out where all is well, but for one line. `with_files` adds the
    files that cannot be used. Takes `seconds` at most (by default `doctor.TIME_LIMIT`) for shared
    services, and as long for each eight datasets.
    """
    limit = seconds or doctor.TIME_LIMIT
    desks = [fleet.desk(name) for name in names]
    findings = []
    if desks:
        findings += doctor.examine(desks[0], limit, part=doctor.Part.SHARED)
    if with_files:
        todo = "Correct the file; its dataset is left out until then."
        problems = fleet.datasets().problems
        findings += [bad(f"Dataset file {file}", why, todo) for file, why in problems.items()]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        own = pool.map(partial(doctor.examine, seconds=limit, part=doctor.Part.OWN), desks)
        for desk, found in zip(desks, own, strict=True):
            findings += _named(desk.dataset.name, found)
    return findings


def _named(name: str, findings: list[Finding]) -> list[Finding]:
    wrong = [f for f in findings if f.state is not State.OK]
    if not wrong:
        return [Finding(f"{name}", State.OK, f"{len(findings)} checks are fine.", "")]
    return [Finding(f"{name}: {f.name}", f.state, f.says, f.todo) for f in wrong]
