"""Bodies of requests: read up to a bound, and not waited for forever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import IO, Any

from starlette.concurrency import run_in_threadpool

from serving.problems import Problem

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_PATIENCE = 15.0
"""Seconds that the next piece of a body may take to come."""


_AT_ONCE = 1024 * 1024


class Disconnected(Exception):
    """The caller has gone; nobody waits for an answer."""


async def read_body(scope: MutableMapping[str, Any], receive: Receive, largest: int) -> bytes:
    """The body.

    Raises:
        Problem: it is larger than `largest` bytes, or does not come.
        Disconnected: the caller has gone.
    """
    _refuse_by_length(scope, largest)
    message = await _next(receive)
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")  # nearly always all of it is there at once
        if len(body) > largest:
            raise _too_large(largest)
        return body
    whole = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise Disconnected
        whole += message.get("body", b"")
        if len(whole) > largest:
            raise _too_large(largest)
        if not message.get("more_body"):
            return bytes(whole)
        message = await _next(receive)


async def spool_body(
    scope: MutableMapping[str, Any], receive: Receive, file: IO[bytes], largest: int
) -> None:
    """Write the body into a file, and go back to its beginning.

    Raises:
        Problem: it is larger than `largest` bytes, does not come, or the disk is full.
        Disconnected: the caller has gone.
    """
    _refuse_by_length(scope, largest)
    size, more, waiting = 0, True, bytearray()
    while more:
        message = await _next(receive)
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece: bytes = message.get("body", b"")
        waiting += piece
        size += len(piece)
        if size > largest:
            raise _too_large(largest)
        more = message.get("more_body", False)
        if more and len(waiting) < _AT_ONCE:
            continue
        try:
            await run_in_threadpool(file.write, bytes(waiting))
            waiting.clear()
        except OSError:
            raise Problem(507, "There is no room on this machine's disk for the request.") from None
    file.seek(0)


async def _next(receive: Receive) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await receive()
    except TimeoutError:
        raise Problem(408, f"Nothing more came for {_PATIENCE:g} seconds.") from None


def _refuse_by_length(scope: MutableMapping[str, Any], largest: int) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if value.isascii() and value.isdigit() and int(value[:20]) > largest:
                raise _too_large(largest)
            return


def _too_large(largest: int) -> Problem:
    return Problem(413, f"The body is larger than {largest:,} bytes.")
