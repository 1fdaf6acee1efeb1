"""API keys of serving, and the file of their digests. Pure.

A key is 256 random bits, so a plain SHA-256 suffices: slow hashes protect passwords, which can be
guessed (OWASP, "Password Storage Cheat Sheet").
"""

from __future__ import annotations

import hashlib
import re
import secrets

from core.domain.errors import BadInput

_PREFIX = "dd_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HEAD = "# API keys of driftdesk's serving: a name and the SHA-256 of its key, one a line.\n"


def new_key() -> str:
    """A random key."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> str:
    """The SHA-256 of a key, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def named(name: str) -> str:
    """The name, if it is a valid name of a key.

    Raises:
        BadInput: it is not.
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
