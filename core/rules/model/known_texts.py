"""All texts of a column's training rows, small enough for a model's contract. Pure.

A contract lists the most common 200 texts of a column. To tell whether another one occurred, it has
three bytes of each text's hash: of 30,000 texts 120 kB. One in 560 texts that did not occur is then
taken for one that did, and gets no warning.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Collection
from functools import lru_cache
from hashlib import blake2b

MOST_TEXTS = 30_000
"""With more texts a column has none recorded; its unusual values get no warnings."""

_BYTES = 3


def pack(texts: Collection[str]) -> str:
    """The texts as `is_known` reads them."""
    return b64encode(b"".join(sorted({_hash(text) for text in texts}))).decode()


def is_known(packed: str, text: str) -> bool:
    """Whether a text is one of the packed ones; wrongly true for few others."""
    hashes, wanted = _unpacked(packed), _hash(text)
    places = range(0, len(hashes), _BYTES)
    at = bisect_left(places, wanted, key=lambda place: hashes[place : place + _BYTES]) * _BYTES
    return hashes[at : at + _BYTES] == wanted


@lru_cache(maxsize=256)
def _unpacked(packed: str) -> bytes:
    """The sorted hashes: at most 90 kB for a column, which a set of them would make megabytes."""
    return b64decode(packed)


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=_BYTES).digest()
