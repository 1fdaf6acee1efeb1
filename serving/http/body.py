"""Request bodies: bounded in size, also after decoding, and in time."""

from __future__ import annotations

import asyncio
import gzip
import io
import tempfile
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive, Scope

from serving.problems import Problem

_IDLE_SECONDS = 15.0
"""Seconds to wait for the next piece of a body."""

_GRACE_SECONDS = 30.0
_MIN_RATE = 8 * 1024
"""Bytes a second that a body must average after the grace period."""

_WRITE_BYTES = 1024 * 1024
_MEMBER = b"\x1f\x8b\x08"
_MAX_MEMBERS = 10_000
"""gzip members may be concatenated; a body of many empty ones would only cost time.

Their start is counted, which random bytes repeat once in 16 MB.
"""


COMPLETE = "driftdesk.complete"
"""The key of a scope whose whole request has arrived, so that no timer need be set for its body.

Timers for each request cost a tenth of an answer.
"""


class Disconnected(Exception):
    """The client has closed the connection."""


async def read_body(scope: Scope, receive: Receive, largest: int) -> bytes:
    """The body, decoded if it is gzip.

    Raises:
        Problem: it exceeds `largest` bytes, also after decoding; it arrives too slowly; or its
            encoding is not supported.
        Disconnected: the client has gone.
    """
    is_gzip = _check_head(scope, largest)
    message = await (receive() if COMPLETE in scope else _next(receive, _IDLE_SECONDS))
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")  # usual case: the whole body in one message
        if len(body) > largest:
            raise _too_large(largest)
    else:
        body = b"".join([piece async for piece in _pieces(message, receive, largest)])
    if not is_gzip:
        return body
    plain, members = io.BytesIO(), body.count(_MEMBER)
    await run_in_threadpool(_decode, io.BytesIO(body), plain, largest, members)
    return plain.getvalue()


async def spool_body(scope: Scope, receive: Receive, folder: Path, largest: int) -> IO[bytes]:
    """A temporary file in `folder` with the body, decoded if it is gzip.

    Raises:
        Problem: as for `read_body`, or the disk is full.
        Disconnected: the client has gone.
    """
    is_gzip, members, buffer = _check_head(scope, largest), 0, bytearray()
    try:
        with ExitStack() as open_:
            file = open_.enter_context(await run_in_threadpool(_temporary_file, folder))
            async for piece in _pieces(await _next(receive, _IDLE_SECONDS), receive, largest):
                buffer += piece
                if len(buffer) >= _WRITE_BYTES:
                    members += buffer.count(_MEMBER)
                    await run_in_threadpool(file.write, bytes(buffer))
                    buffer.clear()
            await run_in_threadpool(file.write, bytes(buffer))
            file.seek(0)
            if is_gzip:
                members += buffer.count(_MEMBER)
                encoded, file = file, open_.enter_context(_temporary_file(folder))
                await run_in_threadpool(_decode, encoded, file, largest, members)
                encoded.close()
                file.seek(0)
            open_.pop_all()
            return file
    except OSError:
        raise Problem(507, "The disk of this server is full.") from None


async def _pieces(message: Message, receive: Receive, largest: int) -> AsyncIterator[bytes]:
    """The pieces of a body, as they arrive; `message` is the first."""
    started, size = time.monotonic(), 0
    while True:
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > largest:
            raise _too_large(largest)
        yield piece
        if not message.get("more_body"):
            return
        left = started + _GRACE_SECONDS + size / _MIN_RATE - time.monotonic()
        message = await _next(receive, min(_IDLE_SECONDS, left))


async def _next(receive: Receive, seconds: float) -> Message:
    if seconds <= 0:
        raise Problem(408, f"The body arrives at less than {_MIN_RATE:,} bytes a second.")
    try:
        async with asyncio.timeout(seconds):
            return await receive()
    except TimeoutError:
        raise Problem(408, f"No more of the body arrived for {seconds:.3g} seconds.") from None


def _check_head(scope: Scope, largest: int) -> bool:
    """Whether the body is gzip; rejects by the headers alone where possible."""
    is_gzip = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            if value.isascii() and value.isdigit() and int(value[:20]) > largest:
                raise _too_large(largest)
        elif name == b"content-encoding":
            encoding = value.strip().lower()
            if encoding in (b"gzip", b"x-gzip") and not is_gzip:
                is_gzip = True
            elif encoding not in (b"", b"identity"):
                raise Problem(415, "The only supported Content-Encoding is gzip, applied once.")
    return is_gzip


def _decode(encoded: IO[bytes], plain: IO[bytes], largest: int, members: int) -> None:
    if members > _MAX_MEMBERS:
        raise Problem(400, f"The body consists of more than {_MAX_MEMBERS:,} gzip members.")
    try:
        with gzip.GzipFile(fileobj=encoded) as pieces:
            while piece := pieces.read(_WRITE_BYTES):
                plain.write(piece)
                if plain.tell() > largest:
                    raise _too_large(largest)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise Problem(
            400, "The body is invalid or truncated gzip, but Content-Encoding says gzip."
        ) from None


def _temporary_file(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


def _too_large(largest: int) -> Problem:
    return Problem(413, f"The body is larger than {largest:,} bytes.")
