"""Who has which role for all datasets, or for one: the roles file and AUTH_ROLE_MAP. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from core.domain.errors import BadInput
from core.rules.access.oidc_claims import Person, as_email, clean_text
from core.rules.access.roles import Role

_KINDS = ("emails", "subjects", "groups", "users")
_DATASETS = "datasets"
_DATASET = re.compile(r"[a-z][a-z0-9_]{0,47}")  # as `name` of a dataset file

_rank = attrgetter("rank")


@dataclass(frozen=True, slots=True)
class Holders:
    """Who has which role: by e-mail address, subject, group, or user of the machine."""

    emails: Mapping[str, Role] = field(default_factory=dict)
    subjects: Mapping[str, Role] = field(default_factory=dict)
    groups: Mapping[str, Role] = field(default_factory=dict)
    users: Mapping[str, Role] = field(default_factory=dict)

    def role_of(self, person: Person) -> Role | None:
        """The highest role of a person who logged in, or None."""
        given = [self.emails.get(person.email), self.subjects.get(person.subject)]
        given += [self.groups.get(group) for group in person.groups]
        return highest(given)

    def joined(self, other: Holders) -> Holders:
        """Both; the higher of two roles."""
        return Holders(
            *(_joined(getattr(self, kind), getattr(other, kind).items()) for kind in _KINDS)
        )


@dataclass(frozen=True, slots=True)
class Grants:
    """The roles for all datasets, and those for one, by the dataset's name.

    A role for all holds for each dataset and for the whole desk; one for a dataset holds for that
    dataset alone. Of two the higher counts. The dataset "" is the whole desk.
    """

    everywhere: Holders = Holders()
    datasets: Mapping[str, Holders] = field(default_factory=dict)

    def role_of(self, person: Person, dataset: str = "") -> Role | None:
        """The highest role for a dataset of a person who logged in, or None."""
        return highest(holders.role_of(person) for holders in self._for(dataset))

    def role_of_user(self, name: str, dataset: str = "") -> Role | None:
        """The highest role for a dataset of a user of the machine, or None."""
        return highest(holders.users.get(name) for holders in self._for(dataset))

    def joined(self, other: Grants) -> Grants:
        """Both; the higher of two roles."""
        names = dict.fromkeys((*self.datasets, *other.datasets))
        none = Holders()
        return Grants(
            self.everywhere.joined(other.everywhere),
            {n: self.datasets.get(n, none).joined(other.datasets.get(n, none)) for n in names},
        )

    def _for(self, dataset: str) -> list[Holders]:
        here = self.datasets.get(dataset) if dataset else None
        return [self.everywhere, here] if here else [self.everywhere]


def highest(roles: Iterable[Role | None]) -> Role | None:
    """The highest of these roles, or None."""
    return max((role for role in roles if role), key=_rank, default=None)


def _joined(one: Mapping[str, Role], more: Iterable[tuple[str, Role]]) -> dict[str, Role]:
    both = dict(one)
    for key, role in more:
        both[key] = max(both.get(key, role), role, key=_rank)
    return both


def read_grants(text: str) -> Grants:
    """Grants from a TOML file: a table for each role, with lists of those who have it.

    `[ROLE]` is a role for all datasets, `[datasets.NAME.ROLE]` one for a dataset. E-mail addresses
    are compared in the form of `as_email`, everything else exactly.

    Raises:
        BadInput: the file is invalid; the message says where.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: no TOML, or a huge number
        raise BadInput(f"The roles file is no TOML: {error}.") from None
    of_datasets = _table(_DATASETS, document.pop(_DATASETS, {}))
    datasets = {}
    for name, tables in of_datasets.items():
        path = f"{_DATASETS}.{name}"
        _require_name(name, f"[{path}] in the roles file")
        datasets[name] = _holders(_table(path, tables), f"{path}.")
    return Grants(_holders(document), datasets)


def _table(path: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{path} in the roles file must be a table: [{path}].")
    return value


def _holders(tables: Mapping[str, Any], prefix: str = "") -> Holders:
    kept: dict[str, dict[str, Role]] = {kind: {} for kind in _KINDS}
    for name, lists in tables.items():
        path = prefix + name
        role = _role(name, f" for [{path}] in the roles file" if prefix else "")
        for kind, values in _table(path, lists).items():
            if kind not in _KINDS:
                raise BadInput(f"[{path}] knows {', '.join(_KINDS)}, not {kind}.")
            kept[kind] = _joined(kept[kind], [(v, role) for v in _listed(path, kind, values)])
    return Holders(**kept)


def _listed(path: str, kind: str, values: object) -> list[str]:
    texts = [clean_text(value) for value in values] if isinstance(values, list) else [""]
    if kind == "emails":
        texts = [as_email(text) for text in texts]
    if not all(texts):
        what = "e-mail addresses" if kind == "emails" else "texts"
        raise BadInput(f"{kind} of [{path}] in the roles file must be a list of {what}.")
    return texts


def read_role_map(text: str) -> Grants:
    """Grants from `role=group` or `role@dataset=group` pairs, separated by semicolons.

    Raises:
        BadInput: a pair is invalid; the message names it.
    """
    grants = Grants()
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        left, equals, group = (part.strip() for part in pair.partition("="))
        role, at, dataset = (part.strip() for part in left.partition("@"))
        if not equals or not clean_text(group):
            raise BadInput(
                f"{pair!r} is no pair; write role=group, such as approver=ml-leads, or "
                "role@dataset=group."
            )
        holders = Holders(groups={group: _role(role, f" in {pair!r}" if at else "")})
        if at:
            _require_name(dataset, repr(pair))
        grants = grants.joined(Grants(datasets={dataset: holders}) if at else Grants(holders))
    return grants


def _role(name: str, where: str = "") -> Role:
    try:
        return Role(name)
    except ValueError:
        known = ", ".join(role.value for role in Role)
        raise BadInput(f"There is no role {name!r}{where}; there is {known}.") from None


def _require_name(name: str, where: str) -> None:
    if not _DATASET.fullmatch(name):
        raise BadInput(
            f"{where}: {name!r} is no name of a dataset, which has lower-case letters, digits "
            "and _ only, as name in its file."
        )
