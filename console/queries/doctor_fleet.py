"""The doctor on a desk with several datasets: what they share once, then each by itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from itertools import chain

from console.desk import Desk
from console.fleet import Fleet
from console.identity import grants
from console.queries import doctor, doctor_datasets, service_checks
from console.queries.doctor import Asked, of_services, run_all
from console.queries.doctor_checks import CHECK_DATABASE, CHECKS, Check, surroundings
from console.queries.doctor_rules import Finding, State, ok
from console.text.commands import naming

_LOOK_AT_ONCE = 8
"""How many threads check the datasets, so that fifty do not take the database's connections."""


def examine(
    fleet: Fleet,
    names: Collection[str],
    *,
    with_files: bool = False,
    seconds: float = doctor.TIME_LIMIT,
) -> list[Finding]:
    """As `doctor.examine`, for several datasets; where one is all right it has one line.

    `with_files` adds the files that cannot be used, and the settings of the whole desk.

    Raises:
        SettingsError: the roles cannot be read.
    """
    found = _desk(fleet) if with_files else []
    desks = [fleet.desk(name) for name in names]
    if not desks:
        return [*found, *surroundings()]
    own = [[Asked(check, desk, desk.dataset.name) for check in _own(desk)] for desk in desks]
    shared = [Asked(check, desks[0]) for check in _shared(desks[0], names)]
    threads = [list(chain(*own[n::_LOOK_AT_ONCE])) for n in range(min(len(own), _LOOK_AT_ONCE))]
    findings = run_all([*([asked] for asked in shared), *threads], seconds)
    found += [f for f in findings if ": " not in f.name]
    for name in names:
        found += _of_dataset(name, [f for f in findings if f.name.startswith(f"{name}: ")])
    return found


def _shared(desk: Desk, names: Collection[str]) -> list[Check]:
    return [
        *(check for check in CHECKS if not check.of_dataset),
        Check("Disabled datasets", partial(_disabled, names), CHECK_DATABASE),
        *of_services(service_checks.shared_checks(desk)),
    ]


def _own(desk: Desk) -> list[Check]:
    own = of_services(service_checks.own_checks(desk))
    return [*(check for check in CHECKS if check.of_dataset), *own]


def _of_dataset(name: str, findings: list[Finding]) -> list[Finding]:
    wrong = [
        replace(f, says=naming(f.says, name), todo=naming(f.todo, name))
        for f in findings
        if f.state is not State.OK
    ]
    return wrong or [ok(f"{name}: Dataset", f"Its {len(findings)} checks are all right.")]


def _desk(fleet: Fleet) -> list[Finding]:
    """What concerns the folder of datasets, and the settings of the whole desk."""
    datasets, s = fleet.datasets(), fleet.settings
    usable = datasets.usable
    given = grants(s).datasets if s.auth != "none" else {}
    return [
        *doctor_datasets.files(usable, datasets.problems, datasets.problem),
        *doctor_datasets.settings(usable, s.model_name, s.default_dataset),
        *doctor_datasets.roles(usable, given),
    ]


def _disabled(names: Collection[str], desk: Desk) -> list[Finding]:
    with desk.store.desk() as work:
        known = work.known()
    found = list(doctor_datasets.disabled(names, known))
    return found or [ok("Disabled datasets", "None is disabled.")]
