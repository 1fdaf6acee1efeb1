"""Gates: probes of whether a child is ready, and still healthy.

A probe blocks for a few seconds at most and never raises: no answer means not ready.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from core.adapters.redis_errors import translated
from core.adapters.rq_queue import connect
from core.domain.errors import QueueUnavailable

PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Gate:
    """The condition that a child must meet before its dependents start.

    `passes` probes once; a `lasting` gate also monitors a child that was ready before. The `file`,
    if there is one, must be removed before each start.
    """

    passes: Callable[[], bool]
    lasting: bool = True
    file: Path | None = None


def http_ok(url: str) -> Gate:
    """Ready when the address answers 200; proxies are bypassed."""
    parts = urlsplit(url)

    def passes() -> bool:
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection(parts.netloc, timeout=PROBE_SECONDS)) as connection,
        ):
            connection.request("GET", parts.path or "/")
            return connection.getresponse().status == http.HTTPStatus.OK
        return False

    return Gate(passes)


def redis_pong(url: str) -> Gate:
    """Ready when Redis answers PONG, and not LOADING."""

    def passes() -> bool:
        with suppress(QueueUnavailable):
            ping(url)
            return True
        return False

    return Gate(passes)


def file_touched(path: Path) -> Gate:
    """Ready when the child has touched the file; does not monitor it afterwards."""
    return Gate(path.exists, lasting=False, file=path)


def ping(url: str) -> None:
    """Ask a Redis whether it serves.

    Raises:
        QueueUnavailable: it does not; the message says why, and what to do.
        ValueError: the URL is not one of Redis.
    """
    with closing(connect(url)) as connection, translated():
        connection.ping()
