"""The actor: a logged-in person, a person at this machine, or a user of the command line."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.domain.errors import BadInput, LoggedOut, SettingsError
from core.platform.settings import Settings
from core.rules.access.oidc_claims import (
    Grants,
    Person,
    person_of,
    read_grants,
    read_role_map,
    require_fresh,
)
from core.rules.access.roles import LONGEST_NAME, Actor, Role

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


def actor_of(settings: Settings, person: Person) -> Actor:
    """A logged-in person with their current role.

    Raises:
        SettingsError: the settings or the roles file assign no role, or cannot be read.
    """
    return Actor(person.name, grants(settings).role_of(person), person.known_by)


def command_line_actor(settings: Settings, named: str) -> Actor:
    """The actor of the command line: the name given, else ACTOR.

    The name is not authenticated, so the record also has the user of the machine. Without login
    the actor is an admin; with it, the roles file gives the role of that user.

    Raises:
        BadInput: the name is too long to go on record.
        SettingsError: as `actor_of`.
    """
    name = named or settings.actor
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput(f"A name has at most {LONGEST_NAME} printable characters.")
    role = Role.ADMIN if settings.auth == "none" else grants(settings).role_of_user(name)
    return Actor(name, role, f"command line, user {_machine_user()}")


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
