"""Redis errors, each cause translated into a sentence that says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from core.domain.errors import QueueRefused, QueueUnavailable

_REFUSALS: tuple[tuple[type[redis.RedisError], str, str], ...] = (
    (redis.exceptions.OutOfMemoryError, "OOM", "its memory is full. Raise its maxmemory"),
    (
        redis.exceptions.ReadOnlyError,
        "READONLY",
        "it is a replica. Let REDIS_URL name the primary",
    ),
    (
        redis.exceptions.NoPermissionError,
        "NOPERM",
        "the user of REDIS_URL may not do that. Give it the rights",
    ),
    (redis.ResponseError, "MISCONF", "it cannot save to its disk. Make room there; see its log"),
    (redis.ResponseError, "NOREPLICAS", "too few of its replicas follow it. See its log"),
)
"""Refused writes: the error's type, Redis's word for it, and the remedy."""


@contextmanager
def translated(after: str = "") -> Iterator[None]:
    """Translate an error of Redis into a sentence, with `after` behind it.

    Raises:
        QueueRefused: it answers, but refuses writes.
        QueueUnavailable: any other cause; the message says which.
    """
    try:
        yield
    except redis.RedisError as error:
        raise _fault(error, after) from error


def _fault(error: redis.RedisError, after: str) -> QueueUnavailable:
    """The translation of an error of Redis."""
    for kind, word, remedy in _REFUSALS:
        if isinstance(error, kind) and (kind is not redis.ResponseError or word in str(error)):
            return QueueRefused(f"Redis refuses writes: {word}, {remedy}. {after}".strip())
    if isinstance(error, redis.AuthenticationError):
        says = "Redis does not take the password. Correct it in REDIS_URL."
    elif isinstance(error, redis.exceptions.BusyLoadingError):
        says = "Redis is loading its data (LOADING). Wait until it has."
    elif isinstance(error, redis.TimeoutError):
        says = "Redis did not answer in time. See its log and its load."
    elif isinstance(error, redis.ConnectionError):
        says = f"Redis did not answer ({error}). Check that it runs, and REDIS_URL."
    else:
        says = f"Redis refused ({error}). See its log, and check REDIS_URL."
    return QueueUnavailable(f"{says} {after}".strip())
