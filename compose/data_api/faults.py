"""Faults on demand, for tests of a client.

The cursor moves before the response is created, so every fault of a response (status_500, delay,
cut, malformed, html) costs the client a batch, as at the real service.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = Literal["status_500", "delay", "cut", "malformed", "html", "repeat", "skip", "other_content"]
Route = Literal["data", "restart", "health"]

ANYWHERE: frozenset[Kind] = frozenset({"status_500", "delay", "html"})
"""The kinds that routes other than /data support."""

_NEED_A_BATCH_LEFT: frozenset[Kind] = frozenset({"cut", "malformed", "skip"})
_NEED_A_BATCH_BEFORE: frozenset[Kind] = frozenset({"repeat", "other_content"})


@dataclass(slots=True)
class Fault:
    """A fault that occurs `times` times on a route; `seconds` is the length of a delay."""

    kind: Kind
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0
    on: Route = "data"


def turn(cursor: int, size: int, kind: Kind | None) -> tuple[int | None, int]:
    """The batch for a group at that cursor under that fault (None at the end), and the next cursor.

    Invariants: the cursor moves by one, by two under skip, and stays under repeat and
    other_content; it never passes `size`, the number of batches.
    """
    if kind in _NEED_A_BATCH_BEFORE:
        return cursor - 1, cursor
    number = cursor + 1 if kind == "skip" else cursor
    return (number if number < size else None), min(number + 1, size)


@dataclass(slots=True)
class Faults:
    """The armed faults, oldest first.

    Invariants: a fault that is not possible yet (repeat before the first batch, cut after the
    last) stays armed, and the next one is used.
    """

    armed: list[Fault] = field(default_factory=list)

    def take_for_data(self, cursor: int, size: int) -> Fault | None:
        """Use the first fault that is possible for a group at that cursor, once."""
        impossible = _NEED_A_BATCH_LEFT if cursor >= size else frozenset()
        return self.take("data", impossible | (frozenset() if cursor else _NEED_A_BATCH_BEFORE))

    def take(self, route: Route, impossible: frozenset[Kind] = frozenset()) -> Fault | None:
        """Use the first fault of a route, once."""
        for fault in self.armed:
            if fault.on == route and fault.kind not in impossible:
                fault.times -= 1
                if fault.times == 0:
                    self.armed.remove(fault)
                return fault
        return None


def instead(kind: Kind) -> Response | None:
    """The response of a fault that replaces the regular one, else None."""
    if kind == "status_500":
        return PlainTextResponse("Internal Server Error", status_code=500)
    if kind == "html":
        return HTMLResponse("<!DOCTYPE html><title>Sign in</title><h1>Please sign in</h1>")
    return None


async def cut_off(body: Callable[[], Iterator[bytes]]) -> Response:
    """A response that declares its full length and is cut off in the middle.

    `body` yields the same bytes on each call. The server closes the connection, because bytes are
    missing.
    """
    whole = await run_in_threadpool(lambda: sum(map(len, body())))
    length = {"content-length": str(whole)}
    return StreamingResponse(_first(whole // 2, body()), 200, length, "application/json")


def _first(left: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return
