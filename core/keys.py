"""API keys of serving: how they are made, kept as digests, and read back. Pure.

A key is 256 random bits, so its SHA-256 can be kept as it is: what slow hashes are for, guessing a
password, has no chance against it (OWASP, "Password Storage Cheat Sheet", is about passwords).
"""

from __future__ import annotations

import hashlib
import re
import secrets

from core.errors import BadInput

_PREFIX = "dd_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HEAD = "# API keys of driftdesk's serving: a name and the SHA-256 of its key, one a line.\n"


def new_key() -> str:
    """A key that nobody has."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> str:
    """What is kept of a key: its SHA-256 in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def named(name: str) -> str:
    """The name, if a key can be called that.

    Raises:
        BadInput: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} is no name for a key: use up to 64 letters, digits, dots, - and _."
        )
    return name


def read_keys(text: str) -> dict[str, str]:
    """The names by digest, from a key file; one name may have several keys while they rotate.

    Raises:
        BadInput: a line is no name and digest; the message says which.
    """
    keys: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, digest = line.strip().partition(" ")
        if not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest.strip()):
            raise BadInput(f"Line {number} of the key file is no name and SHA-256 digest.")
        keys[digest.strip()] = name
    return keys


def write_keys(keys: dict[str, str]) -> str:
    """The key file of these names by digest."""
    return _HEAD + "".join(f"{name} {digest}\n" for digest, name in keys.items())
