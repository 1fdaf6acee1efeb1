"""Gates: how one sees that a child is ready, and that it still is.

A probe blocks for at most `PROBE_SECONDS` and never raises: no answer is a no.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

PROBE_SECONDS = 5.0

_REDIS_PORT = 6379


class Gate(Protocol):
    """What stands between a child that was started and those that need it."""

    @property
    def lasting(self) -> bool:
        """Whether the gate says something about a child that was ready before."""

    def prepare(self) -> None:
        """Forget an earlier life; called right before each start."""

    def passes(self) -> bool:
        """Look once."""


@dataclass(frozen=True, slots=True)
class Http:
    """Ready when the address answers 200; no proxy is asked, the child is on this machine."""

    url: str
    lasting: bool = True

    def prepare(self) -> None:
        """Nothing is kept."""

    def passes(self) -> bool:
        """Ask once."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=PROBE_SECONDS)
        try:
            connection.request("GET", parts.path or "/")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Pong:
    """Ready when a Redis says PONG; while it still reads its files it says LOADING."""

    url: str
    lasting: bool = True

    def prepare(self) -> None:
        """Nothing is kept."""

    def passes(self) -> bool:
        """Ask once."""
        try:
            return ping(self.url) == "+PONG"
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Touched:
    """Ready when the child has touched the file; says nothing about it afterwards."""

    path: Path
    lasting: bool = False

    def prepare(self) -> None:
        """Remove the file that an earlier life left."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)

    def passes(self) -> bool:
        """Look once."""
        return self.path.exists()


def ping(url: str) -> str:
    """The first line that a Redis answers to PING, after AUTH where the URL has a password.

    Raises:
        OSError: it cannot be reached, or hangs up.
    """
    parts = urlsplit(url)
    with _connected(parts) as connection, connection.makefile("rwb") as stream:
        commands = [("PING",)]
        if parts.password:
            user = (unquote(parts.username),) if parts.username else ()
            commands.insert(0, ("AUTH", *user, unquote(parts.password)))
        answer = ""
        for command in commands:
            stream.write(_resp(command))
            stream.flush()
            answer = stream.readline(1000).decode(errors="replace").strip()
            if not answer:
                raise ConnectionError("it hung up")
            if answer.startswith("-"):
                break
        return answer


def _connected(parts: SplitResult) -> socket.socket:
    if parts.scheme == "unix":
        local = socket.socket(socket.AF_UNIX)
        local.settimeout(PROBE_SECONDS)
        local.connect(parts.path)
        return local
    host = parts.hostname or "localhost"
    plain = socket.create_connection((host, parts.port or _REDIS_PORT), PROBE_SECONDS)
    if parts.scheme == "rediss":
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    return plain


def _resp(words: tuple[str, ...]) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded)
