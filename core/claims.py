"""What an identity provider says of a person, and the role that follows from it. Pure.

Claims are what somebody else wrote: a value that has not the form it must have counts as absent.
Names of claims: OpenID Connect Core 1.0, sections 2 (ID Token) and 5.1 (Standard Claims).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import BadInput, LoggedOut
from core.roles import LONGEST_NAME, Role

SKEW = timedelta(minutes=5)
"""How far the provider's clock may be ahead of ours."""

_LONGEST_SUBJECT = 255  # OpenID Connect Core, section 2
_MOST_GROUPS = 1000
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SYSTEM = re.compile(r"auto|driftdesk|schedule .*", re.IGNORECASE)
_LISTS = ("emails", "subjects", "groups", "users")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who logged in.

    `name` goes on record. `email` is empty unless the provider stands by it; both it and the name
    are in lower case where they are an ASCII address.
    """

    name: str
    issuer: str
    subject: str
    email: str
    groups: frozenset[str]
    since: datetime

    @property
    def known_by(self) -> str:
        """Who vouched for the name, and what the person is called there for good."""
        return f"{self.issuer} sub {self.subject}"


def person_of(claims: Mapping[str, Any], groups_claim: str = "") -> Person:
    """The person that an ID token's claims are about.

    The name is the e-mail address, else the user name, else the subject. A user name that looks
    like an address, or like one of the desk's own actors, is passed over: it is often the person's
    own choice, and must not be taken for somebody else.

    Raises:
        BadInput: a claim without which nobody can be told from others is missing or malformed.
    """
    issuer, subject = _text(claims.get("iss")), _text(claims.get("sub"), _LONGEST_SUBJECT)
    if not issuer or not subject:
        raise BadInput("The identity provider sent no usable iss and sub; ask who runs it.")
    email = _email(claims)
    username = _text(claims.get("preferred_username"))
    candidates = (email, username if _USERNAME.fullmatch(username) else "", _text(subject))
    name = next((c for c in candidates if c and not _SYSTEM.fullmatch(c)), "")
    if not name:
        raise BadInput(
            "The identity provider sent no name that can go on record: send the claim email, or "
            f"a sub of at most {LONGEST_NAME} characters."
        )
    return Person(name, issuer, subject, email, _groups(claims, groups_claim), _issued(claims))


def require_fresh(person: Person, now: datetime, longest: timedelta) -> None:
    """Go on only while the login is young enough.

    It is counted from when the token was made (`iat`), which is when the person came here; from
    `auth_time` somebody who has worked elsewhere since morning would be sent away at once, again
    and again.

    Raises:
        LoggedOut: it is too old, or from the future.
    """
    if person.since > now + SKEW:
        raise LoggedOut("The identity provider's clock is ahead of this machine's; set both right.")
    if now - person.since >= longest:
        hours = longest.total_seconds() / 3600
        raise LoggedOut(f"Your session has ended: it lasts {hours:g} hours. Log in again.")


def _text(value: object, longest: int = LONGEST_NAME) -> str:
    """Printable text without a border of spaces; empty where it is anything else.

    What is not printable includes line breaks and the marks that turn the direction of writing.
    """
    fits = isinstance(value, str) and value == value.strip() and len(value) <= longest
    return str(value) if fits and str(value).isprintable() else ""


def _email(claims: Mapping[str, Any]) -> str:
    """The address, if it is one and the provider does not say that nobody has checked it."""
    verified = claims.get("email_verified", True)
    if verified not in (True, "true"):
        return ""
    return _as_email(_text(claims.get("email")))


def _as_email(text: str) -> str:
    """An address as it is compared: in lower case if it is ASCII, else as it is; empty if none.

    Other letters keep their case, since lowering them makes some addresses equal to others': the
    Kelvin sign becomes a k.
    """
    before, at, after = text.partition("@")
    if not (before and at and after) or "@" in after or " " in text:
        return ""
    return text.lower() if text.isascii() else text


def _issued(claims: Mapping[str, Any]) -> datetime:
    at = claims.get("iat")
    try:
        if isinstance(at, bool) or not isinstance(at, int | float):
            raise TypeError
        return datetime.fromtimestamp(at, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise BadInput("The identity provider sent no usable iat; ask who runs it.") from None


def _groups(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """The values of a claim: a text or a list of texts, by its name or by a dotted path."""
    if not path:
        return frozenset()
    found: object = claims.get(path)
    if path not in claims:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    values = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return frozenset(filter(None, (_text(value) for value in values[:_MOST_GROUPS])))


@dataclass(frozen=True, slots=True)
class Grants:
    """Who has which role: by e-mail address, subject, group, or user of the machine."""

    emails: Mapping[str, Role] = field(default_factory=dict)
    subjects: Mapping[str, Role] = field(default_factory=dict)
    groups: Mapping[str, Role] = field(default_factory=dict)
    users: Mapping[str, Role] = field(default_factory=dict)

    def role_of(self, person: Person) -> Role | None:
        """The highest role that somebody who logged in was given; None where there is none."""
        given = [self.emails.get(person.email), self.subjects.get(person.subject)]
        return _highest([*given, *(self.groups.get(group) for group in person.groups)])

    def role_of_user(self, name: str) -> Role | None:
        """The role of a user of the machine."""
        return self.users.get(name)

    def joined(self, other: Grants) -> Grants:
        """Both; of two roles the higher one."""
        return Grants(
            *(_joined(getattr(self, name), getattr(other, name).items()) for name in _LISTS)
        )


def _highest(roles: Iterable[Role | None]) -> Role | None:
    return max((r for r in roles if r), key=lambda r: r.rank, default=None)


def _joined(one: Mapping[str, Role], more: Iterable[tuple[str, Role]]) -> dict[str, Role]:
    both = dict(one)
    for key, role in more:
        both[key] = _highest([both.get(key), role]) or role
    return both


def read_grants(text: str) -> Grants:
    """Grants from a TOML file: a table for each role, with lists of who has it.

    Addresses are compared as `person_of` compares them, everything else letter for letter.

    Raises:
        BadInput: it is not such a file; the message says what is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"The roles file is no TOML: {error}.") from None
    kept: dict[str, dict[str, Role]] = {name: {} for name in _LISTS}
    for table, lists in document.items():
        role = _role(table)
        if not isinstance(lists, dict):
            raise BadInput(f"{table} in the roles file must be a table: [{table}].")
        for name, values in lists.items():
            if name not in _LISTS:
                raise BadInput(f"[{table}] knows {', '.join(_LISTS)}, not {name}.")
            kept[name] = _joined(kept[name], [(v, role) for v in _listed(table, name, values)])
    return Grants(**kept)


def _listed(table: str, name: str, values: object) -> list[str]:
    texts = [_text(value) for value in values] if isinstance(values, list) else [""]
    if name == "emails":
        texts = [_as_email(text) for text in texts]
    if not all(texts):
        what = "e-mail addresses" if name == "emails" else "texts"
        raise BadInput(f"{name} of [{table}] in the roles file must be a list of {what}.")
    return texts


def read_role_map(text: str) -> Grants:
    """Grants from `role=group` pairs, separated by semicolons.

    Raises:
        BadInput: a pair is none.
    """
    groups: dict[str, Role] = {}
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        role, equals, group = (part.strip() for part in pair.partition("="))
        if not equals or not _text(group):
            raise BadInput(f"{pair!r} is no pair; write role=group, such as approver=ml-leads.")
        groups = _joined(groups, [(group, _role(role))])
    return Grants(groups=groups)


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        known = ", ".join(role.value for role in Role)
        raise BadInput(f"There is no role {name!r}; there is {known}.") from None
