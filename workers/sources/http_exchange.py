"""One HTTP exchange that is bounded in bytes and time and can be cancelled.

A thread sends the request and reads the answer. The caller polls a few times a second, enforces the
limits, and closes the connection when one is exceeded or its own check raises, so a silent or
endless peer cannot block it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from threading import Event, Thread
from typing import BinaryIO

import requests

from core.adapters.http_session import Session

CONNECT_SECONDS = 5.0

_CHUNK = 1 << 18
_LOOK_SECONDS = 0.1
_END_SECONDS = 1.0
_REFUSAL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of an answer.

    `size` counts bytes after decoding; `seconds` is the whole exchange; `silence` is the time to
    the first byte and between two bytes; `rate` is in bytes per second, over each `window` seconds
    after the first byte (0 is no limit).
    """

    size: int = 1 << 30
    seconds: float = 1800.0
    silence: float = 300.0
    rate: float = 1000.0
    window: float = 60.0


class LimitPassed(Exception):
    """An answer was aborted because it exceeded a limit."""


class Exchange:
    """One GET. The body of HTTP 200 goes to `sink`, any other to `refusal`."""

    def __init__(
        self,
        session: Session,
        url: str,
        parameters: dict[str, str],
        limits: Limits,
        sink: BinaryIO,
    ) -> None:
        self.status = 0
        self.size = 0
        self.announced = 0
        self.refusal = bytearray()
        self.was_sent = False
        self._digest = hashlib.sha256()
        self._session = session
        self._url = url
        self._parameters = parameters
        self._limits = limits
        self._sink = sink
        self._over = Event()
        self._error: Exception | None = None

    @property
    def content_hash(self) -> str:
        """The SHA-256 of the bytes in `sink`, in hex."""
        return self._digest.hexdigest()

    def run(self, watch: Callable[[int, int], None]) -> None:
        """Send the request and wait for the end of the answer.

        `watch` gets the bytes so far and the bytes announced (0 if unknown) several times a second,
        and cancels by raising. Afterwards `was_sent` tells whether the request may have reached the
        peer.

        Raises:
            LimitPassed: see `Limits`.
            Exception: what the thread or `watch` raised.
        """
        # In a copy of this context, so that the request carries the trace id.
        read = copy_context().run
        thread = Thread(target=read, args=(self._read,), name="exchange", daemon=True)
        start = time.monotonic()
        thread.start()
        mark = (start, 0)
        try:
            while not self._over.wait(_LOOK_SECONDS):
                watch(self.size, self.announced)
                mark = self._hold_to_limits(start, mark)
        except BaseException:  # whatever ends the wait, a cancel too, must end the request
            self.was_sent = self._session.cut()
            self._over.wait(_END_SECONDS)  # it ends at once unless it is resolving a name
            raise
        self.was_sent = self._session.cut()
        if self._error:
            raise self._error

    def _hold_to_limits(self, start: float, mark: tuple[float, int]) -> tuple[float, int]:
        limits, now, size = self._limits, time.monotonic(), self.size
        if now - start > limits.seconds:
            raise LimitPassed(f"took longer than {limits.seconds:g} s (DATA_API_MAX_SECONDS)")
        if not size and not self.refusal:
            if now - start > limits.silence + CONNECT_SECONDS:
                raise LimitPassed(f"had no byte within {limits.silence:g} s (DATA_API_TIMEOUT)")
            return (now, 0)
        if now - mark[0] < limits.window:
            return mark
        if size - mark[1] < limits.rate * limits.window:
            raise LimitPassed(
                f"came slower than {limits.rate / 1000:g} kB/s for {limits.window:g} s "
                "(DATA_API_MIN_RATE)"
            )
        return (now, size)

    def _read(self) -> None:
        """The thread: keeps any exception for the caller."""
        try:
            self._fetch()
        except Exception as error:  # noqa: BLE001 - the caller raises it
            self._error = error
        finally:
            self._over.set()

    def _fetch(self) -> None:
        limits = self._limits
        with self._session.get(
            self._url,
            params=self._parameters,
            timeout=(CONNECT_SECONDS, limits.silence),
            stream=True,
        ) as answer:
            self.status = answer.status_code
            length = answer.headers.get("Content-Length", "")
            self.announced = int(length) if length.isascii() and length.isdigit() else 0
            is_batch = self.status == requests.codes.ok
            # read1 returns what has arrived; read would wait for a whole chunk.
            while chunk := answer.raw.read1(_CHUNK, decode_content=True):
                if not is_batch:
                    self.refusal += chunk
                    if len(self.refusal) > _REFUSAL_BYTES:
                        return
                    continue
                if self.size + len(chunk) > limits.size:
                    raise LimitPassed(f"is larger than {limits.size:,} bytes (DATA_API_MAX_MB)")
                self._sink.write(chunk)
                self._digest.update(chunk)
                self.size += len(chunk)
