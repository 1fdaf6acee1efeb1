"""Limits on request heads, in bytes and time.

uvicorn's parser has no limit: it buffers a head and joins the buffer with every piece, so one
endless header blocks the process, and an incomplete head may stay open without limit. This protocol
counts the bytes since the parser last made progress: a head, or the framing of a body (chunk
extensions, trailers). It also limits the connections that wait for a head; above the limit, the one
that has waited longest is closed.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.http.body import COMPLETE
from serving.problems import MEDIA_TYPE, Problem

MAX_HEAD = 32 * 1024
"""Maximum size of a request line with its headers, in bytes."""

_LINGER_SECONDS = 2.0
"""Seconds that a client may go on sending after an early response, so that it can read it."""

_MAX_DISCARDED = 1024 * 1024
_LOG_EVERY = 10.0

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class HeadLimits:
    """The limits that the connections of one server share, and which of them wait for a head.

    A head may take `seconds`, from the connection or its first byte to its end; at most
    `most_waiting` connections may wait for one at once.
    """

    seconds: float = 10.0
    most_waiting: int = 256
    waiting: dict[BoundedProtocol, None] = field(default_factory=dict)
    refused: int = 0
    logged_at: float = 0.0

    def log_refusal(self, problem: Problem) -> None:
        """Log refusals, rate-limited so that a client cannot flood the log."""
        self.refused += 1
        now = time.monotonic()
        if now - self.logged_at > _LOG_EVERY:
            log.warning("request heads refused", count=self.refused, last=problem.detail)
            self.refused, self.logged_at = 0, now


class _RefusedError(Exception):
    """Raised to stop the parser after a head was refused."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits on heads."""

    limits: HeadLimits
    _unparsed = 0
    """Bytes since the parser last made progress."""
    _expects_head = True
    _refused = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def close(self) -> None:
        """Close the connection without a response."""
        self._stop_waiting()
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Count the bytes, and pass them on to the parser."""
        self._unparsed += len(data)
        if not self._refused:
            super().data_received(data)
            if self._unparsed and not self._refused:  # the parser made no progress with the rest
                if self._unparsed > MAX_HEAD:
                    self._refuse(_too_large())
                elif self._expects_head and self._timer is None:
                    self._wait()
        elif self._unparsed > _MAX_DISCARDED:
            self.close()

    def on_headers_complete(self) -> None:
        """The head is complete; check its size if it arrived in a large piece."""
        if self._unparsed > MAX_HEAD:
            fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if len(self.url) + fields > MAX_HEAD:
                self._refuse(_too_large())
                raise _RefusedError
        self._unparsed = 0
        self._expects_head = False
        if self._timer is not None:
            self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body: restart the count for its framing."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete; a head comes next."""
        self._unparsed = 0
        self._expects_head = True
        self.scope[COMPLETE] = True  # type: ignore[literal-required]
        super().on_message_complete()
        if self._timer is not None:  # it was answered before it was complete
            self._stop_waiting()
            self._wait()

    def on_response_complete(self) -> None:
        """A request was answered; an incomplete one may go on for a moment."""
        super().on_response_complete()
        if not self._expects_head and self._timer is None and self.cycle.response_complete:
            self._timer = self.loop.call_later(_LINGER_SECONDS, self.close)

    def send_400_response(self, msg: str) -> None:
        """Respond that this is not HTTP, unless the head was refused already."""
        if not self._refused:
            self._refuse(Problem(400, msg))

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.limits.seconds, self._timed_out)
        if not self._is_answering:
            waiting = self.limits.waiting
            waiting[self] = None
            if len(waiting) > self.limits.most_waiting:
                next(iter(waiting)).close()  # the one that has waited longest

    def _stop_waiting(self) -> None:
        self.limits.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timed_out(self) -> None:
        self._stop_waiting()
        if self._is_answering:
            self._wait()  # a pipelined request waits for the response of the one before
        elif self._unparsed:
            seconds = f"{self.limits.seconds:g} seconds"
            self._refuse(Problem(408, f"The request head did not arrive within {seconds}."))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Respond on the bare connection, and close it after a moment for reading the response."""
        self._refused = True
        self._stop_waiting()
        self.limits.log_refusal(problem)
        if self._is_answering or self.transport.is_closing():
            self.transport.close()  # another response is being sent
            return
        body = problem.body()
        head = (
            f"HTTP/1.1 {problem.status:d} {problem.status.phrase}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            "cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_SECONDS, self.close)


def _too_large() -> Problem:
    return Problem(431, f"The head of the request is larger than {MAX_HEAD:,} bytes.")


def bounded(limits: HeadLimits) -> type[asyncio.Protocol]:
    """The protocol class of one server, for uvicorn's option `http`."""
    return type("LimitedProtocol", (BoundedProtocol,), {"limits": limits})
