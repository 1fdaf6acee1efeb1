"""What can be made to go wrong, on demand, for tests of a client.

The cursor moves before the answer is made, so every fault of the answer (status_500, delay,
cut, malformed, html) costs the client a batch, as it does at the real service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import HTMLResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Receive, Scope, Send

Kind = Literal["status_500", "delay", "cut", "malformed", "html", "repeat", "skip", "other_content"]
Route = Literal["data", "restart", "health"]

ANYWHERE: frozenset[Kind] = frozenset({"status_500", "delay", "html"})
"""The kinds that routes other than /data can show."""

_NEED_A_BATCH_LEFT: frozenset[Kind] = frozenset({"cut", "malformed", "skip"})
_NEED_A_BATCH_BEFORE: frozenset[Kind] = frozenset({"repeat", "other_content"})


@dataclass(slots=True)
class Fault:
    """Something armed to go wrong `times` times on a route; `seconds` is how long a delay is."""

    kind: Kind
    times: int
    seconds: float
    route: Route


@dataclass(frozen=True, slots=True)
class Turn:
    """What a GET of /data leads to: the batch it gets (None at the end) and the next cursor."""

    number: int | None
    other: bool
    cursor: int


def turn(cursor: int, size: int, kind: Kind | None) -> Turn:
    """What a group at that cursor gets, of `size` batches, under that fault.

    Invariants: the cursor moves by one, by two under skip, and stays under repeat and
    other_content; it never passes `size`.
    """
    if kind in _NEED_A_BATCH_BEFORE:
        return Turn(cursor - 1, kind == "other_content", cursor)
    number = cursor + 1 if kind == "skip" else cursor
    return Turn(number if number < size else None, other=False, cursor=min(number + 1, size))


class Faults:
    """The armed faults, oldest first.

    Invariants: one that cannot be shown yet (repeat before the first batch, cut after the
    last) stays armed, and the next one gets its turn.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._armed: list[Fault] = []

    @property
    def armed(self) -> tuple[Fault, ...]:
        """What is still to go wrong."""
        return tuple(self._armed)

    def arm(self, fault: Fault) -> None:
        """Add one behind the others."""
        self._armed.append(fault)

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def take_for_data(self, cursor: int, size: int) -> Fault | None:
        """Use up one time of the first fault that a group at that cursor can be shown."""
        impossible = set(_NEED_A_BATCH_LEFT) if cursor >= size else set()
        if cursor == 0:
            impossible |= _NEED_A_BATCH_BEFORE
        return self._take("data", impossible)

    def take(self, route: Route) -> Fault | None:
        """Use up one time of the first fault of a route that has no batches."""
        return self._take(route, set())

    def _take(self, route: Route, impossible: set[Kind]) -> Fault | None:
        for fault in self._armed:
            if fault.route == route and fault.kind not in impossible:
                fault.times -= 1
                if fault.times == 0:
                    self._armed.remove(fault)
                return fault
        return None


def instead(kind: Kind) -> Response | None:
    """The answer that stands in for the right one, where the fault replaces it."""
    if kind == "status_500":
        return PlainTextResponse("Internal Server Error", status_code=500)
    if kind == "html":
        page = "<!DOCTYPE html><html><head><title>Sign in</title></head>"
        return HTMLResponse(f"{page}<body><h1>Please sign in to the network</h1></body></html>")
    return None


class CutResponse(Response):
    """An answer that declares its whole length and breaks off in the middle.

    Invariants: `body_of` gives the same bytes each time it is called; the server closes the
    connection, because the answer is never completed.
    """

    def __init__(self, body_of: Callable[[], Iterator[bytes]]) -> None:
        """Take what makes the whole body."""
        super().__init__(media_type="application/json")
        self._body_of = body_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the first half, and leave."""
        whole = await run_in_threadpool(lambda: sum(map(len, self._body_of())))
        self.headers["content-length"] = str(whole)
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        left = whole // 2
        async for chunk in iterate_in_threadpool(self._body_of()):
            part, left = chunk[:left], left - len(chunk)
            await send({"type": "http.response.body", "body": part, "more_body": True})
            if left <= 0:
                return
