"""API keys of serving, and the file of their digests. Pure.

A key is 256 random bits, so a plain SHA-256 suffices: slow hashes protect passwords, which can be
guessed (OWASP, "Password Storage Cheat Sheet").
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from core.domain.errors import BadInput

_PREFIX = "dd_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DATASET = re.compile(r"[a-z][a-z0-9_]{0,47}")
_HEAD = "# API keys of driftdesk's serving: a name and the SHA-256 of its key, one a line.\n"
_HEAD_BOUND = "# After it the datasets that the key is for, if not for all, separated by commas.\n"


@dataclass(frozen=True, slots=True)
class Key:
    """Whose key it is, and the names of the datasets that it is for; without any, for all."""

    name: str
    datasets: tuple[str, ...] = ()

    def reaches(self, dataset: str) -> bool:
        """Whether it is for this dataset."""
        return not self.datasets or dataset in self.datasets


def caller_words(key: str, actor: str) -> str:
    """Who asked, for the prediction log: the key's name, and who acts, as the sender states it.

    No name of a key has brackets or blanks, so a stated actor never passes for a key.
    """
    return f"{actor} ({key or 'no key'})" if actor else key


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


def bound(datasets: tuple[str, ...]) -> tuple[str, ...]:
    """The datasets of a key, each once and in order, if their names are valid.

    Raises:
        BadInput: one is no name of a dataset.
    """
    for dataset in datasets:
        if not _DATASET.fullmatch(dataset):
            raise BadInput(f"{dataset!r} is no name of a dataset.")
    return tuple(sorted(set(datasets)))


def read_keys(text: str) -> dict[str, Key]:
    """The keys by digest, from a key file; one name may have several keys while they rotate.

    Raises:
        BadInput: a line is no name, digest and datasets; the message says which.
    """
    keys: dict[str, Key] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, digest, named_datasets, *more = [*line.split(), "", ""]
        datasets = tuple(filter(None, named_datasets.split(",")))
        if (
            not _NAME.fullmatch(name)
            or not _DIGEST.fullmatch(digest)
            or any(more)
            or not all(map(_DATASET.fullmatch, datasets))
        ):
            raise BadInput(
                f"Line {number} of the key file is no name, SHA-256 digest and, separated by "
                "commas, datasets."
            )
        keys[digest] = Key(name, datasets)
    return keys


def write_keys(keys: Mapping[str, Key]) -> str:
    """The key file of these keys by digest."""
    head = _HEAD + (_HEAD_BOUND if any(key.datasets for key in keys.values()) else "")
    return head + "".join(
        " ".join(filter(None, (key.name, digest, ",".join(key.datasets)))) + "\n"
        for digest, key in keys.items()
    )
