"""The actor: a logged-in person, a person at this machine, or a user of the command line."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.domain.errors import BadInput, LoggedOut, SettingsError
from core.platform.settings import Settings
from core.rules.access.grants import Grants, read_grants, read_role_map
from core.rules.access.oidc_claims import Person, person_of, require_fresh
from core.rules.access.roles import LONGEST_NAME, Actor, Right, Role

_LARGEST_FILE = 1_000_000


def local_actor(settings: Settings) -> Actor:
    """The actor without login: an admin with the name ACTOR."""
    return Actor(settings.actor[:LONGEST_NAME], Role.ADMIN, "this machine, without login")


def logged_in(settings: Settings, claims: Mapping[str, Any], now: datetime) -> Person:
    """The person of a valid login.

    Raises:
        LoggedOut: there is no login, or the session has ended.
        BadInput: the identity provider's claims cannot be used.
    """
    if claims.get("is_logged_in") is not True:
        raise LoggedOut("Nobody is logged in here. Log in first.")
    person = person_of(claims, settings.auth_roles_claim)
    require_fresh(person, now, timedelta(hours=settings.auth_hours))
    return person


def actor_of(settings: Settings, person: Person, dataset: str = "") -> Actor:
    """A logged-in person with their current role for a dataset; "" is the whole desk.

    Raises:
        SettingsError: the settings or the roles file assign no role, or cannot be read.
    """
    given = grants(settings)
    role = given.role_of(person, dataset)
    return Actor(person.name, role, person.known_by, dataset, given.role_of(person))


def visible(settings: Settings, person: Person | None, names: Iterable[str]) -> list[str]:
    """Those of the datasets that a person may see, in the same order; without login all.

    Raises:
        SettingsError: as `actor_of`.
    """
    if settings.auth == "none":
        return list(names)
    if person is None:
        return []
    return [name for name in names if actor_of(settings, person, name).may(Right.SEE)]


def visible_on_command_line(settings: Settings, named: str, names: Iterable[str]) -> list[str]:
    """Those of the datasets that the actor of the command line may see, in the same order.

    Raises:
        BadInput, SettingsError: as `command_line_actor`.
    """
    return [name for name in names if command_line_actor(settings, named, name).may(Right.SEE)]


def command_line_actor(settings: Settings, named: str, dataset: str = "") -> Actor:
    """The actor of the command line, for a dataset or the whole desk: the name given, else ACTOR.

    The name is not authenticated, so the record also has the user of the machine. Without login
    the actor is an admin; with it, the roles file gives the role of that user.

    Raises:
        BadInput: the name is too long to go on record.
        SettingsError: as `actor_of`.
    """
    name = named or settings.actor
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput(f"A name has at most {LONGEST_NAME} printable characters.")
    known_by = f"command line, user {_machine_user()}"
    if settings.auth == "none":
        return Actor(name, Role.ADMIN, known_by)
    given = grants(settings)
    role = given.role_of_user(name, dataset)
    return Actor(name, role, known_by, dataset, given.role_of_user(name))


def _machine_user() -> str:
    """The user that this process runs as; unlike LOGNAME, it cannot be set to another."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # in a container there may be none of that number
        return str(number)


def grants(settings: Settings) -> Grants:
    """Who has which role; a changed file takes effect at the next call.

    Raises:
        SettingsError: no role is assigned, or the file cannot be read or parsed.
    """
    if not settings.auth_roles_file and not settings.auth_role_map:
        raise SettingsError(
            "Set AUTH_ROLES_FILE, or AUTH_ROLES_CLAIM with AUTH_ROLE_MAP: no role is assigned."
        )
    if settings.auth_role_map and not settings.auth_roles_claim:
        raise SettingsError("AUTH_ROLE_MAP names groups: set AUTH_ROLES_CLAIM to their claim.")
    mapped = read_role_map(settings.auth_role_map)
    if not settings.auth_roles_file:
        return mapped
    path = Path(settings.auth_roles_file)
    try:
        about = path.stat()
        if about.st_size > _LARGEST_FILE:
            raise SettingsError(f"AUTH_ROLES_FILE: {path} is too large for a roles file.")
        return _read(path, about.st_mtime_ns, about.st_size, about.st_ino).joined(mapped)
    except OSError as error:
        why = error.strerror or error
        raise SettingsError(f"AUTH_ROLES_FILE: {path} cannot be read: {why}.") from error
    except (BadInput, UnicodeDecodeError) as error:
        raise SettingsError(f"AUTH_ROLES_FILE: {path} cannot be used: {error}") from error


@lru_cache(maxsize=4)
def _read(path: Path, *_version: int) -> Grants:
    return read_grants(path.read_text(encoding="utf-8"))
