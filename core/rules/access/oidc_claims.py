"""Claims of an identity provider, and the person that they describe. Pure.

Claims come from the provider: a value of the wrong form counts as absent.
Names of claims: OpenID Connect Core 1.0, sections 2 (ID Token) and 5.1 (Standard Claims).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.domain.errors import BadInput, LoggedOut
from core.rules.access.roles import LONGEST_NAME

SKEW = timedelta(minutes=5)
"""How far the provider's clock may be ahead of ours."""

_LONGEST_SUBJECT = 255  # OpenID Connect Core, section 2
_MOST_GROUPS = 1000
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SYSTEM = re.compile(r"auto|driftdesk|schedule .*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Person:
    """A person who has logged in.

    `name` goes on record. `email` is empty if the provider has not verified it; ASCII addresses are
    in lower case in both.
    """

    name: str
    issuer: str
    subject: str
    email: str
    groups: frozenset[str]
    since: datetime

    @property
    def known_by(self) -> str:
        """The issuer, and the person's permanent id there."""
        return f"{self.issuer} sub {self.subject}"


def person_of(claims: Mapping[str, Any], groups_claim: str = "") -> Person:
    """The person described by an ID token's claims.

    The name is the e-mail address, else the user name, else the subject. A user name that looks
    like an address, or like one of driftdesk's own actors, is ignored: people often choose it
    themselves, and must not appear as another person.

    Raises:
        BadInput: a claim that identifies the person is missing or malformed.
    """
    issuer, subject = clean_text(claims.get("iss")), clean_text(claims.get("sub"), _LONGEST_SUBJECT)
    if not issuer or not subject:
        raise BadInput("The identity provider sent no usable iss and sub; ask its administrator.")
    email = _email(claims)
    username = clean_text(claims.get("preferred_username"))
    candidates = (email, username if _USERNAME.fullmatch(username) else "", clean_text(subject))
    name = next((c for c in candidates if c and not _SYSTEM.fullmatch(c)), "")
    if not name:
        raise BadInput(
            "The identity provider sent no name that can go on record: send the claim email, or "
            f"a sub of at most {LONGEST_NAME} characters."
        )
    return Person(name, issuer, subject, email, _groups(claims, groups_claim), _issued(claims))


def require_fresh(person: Person, now: datetime, longest: timedelta) -> None:
    """Check that the login is recent enough.

    Its age is counted from the token's creation (`iat`), which is when the person logged in here.
    Counted from `auth_time`, people who logged in at the provider hours ago could never log in.

    Raises:
        LoggedOut: it is too old, or from the future.
    """
    if person.since > now + SKEW:
        raise LoggedOut("The identity provider's clock is ahead of this machine's; set both right.")
    if now - person.since >= longest:
        hours = longest.total_seconds() / 3600
        raise LoggedOut(f"Your session has ended: it lasts {hours:g} hours. Log in again.")


def clean_text(value: object, longest: int = LONGEST_NAME) -> str:
    """Printable text without spaces around it; empty if it is anything else.

    Line breaks and marks that change the direction of writing are not printable.
    """
    fits = isinstance(value, str) and value == value.strip() and len(value) <= longest
    return str(value) if fits and str(value).isprintable() else ""


def _email(claims: Mapping[str, Any]) -> str:
    """The address, if it is one and the provider does not say that it is unverified."""
    verified = claims.get("email_verified", True)
    if verified not in (True, "true"):
        return ""
    return as_email(clean_text(claims.get("email")))


def as_email(text: str) -> str:
    """An address in the form in which addresses are compared; empty if it is none.

    ASCII is in lower case. Other letters keep their case, since lowering them can make two
    addresses equal: the Kelvin sign becomes a k.
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
        raise BadInput("The identity provider sent no usable iat; ask its administrator.") from None


def _groups(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """The values of a claim: a text or a list of texts, by its name or by a dotted path."""
    if not path:
        return frozenset()
    groups: object = claims.get(path)
    if path not in claims:
        groups = claims
        for step in path.split("."):
            groups = groups.get(step) if isinstance(groups, Mapping) else None
    values = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    return frozenset(filter(None, (clean_text(value) for value in values[:_MOST_GROUPS])))
