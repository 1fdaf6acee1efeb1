"""What `AsgiFront` tells the routes about a request, in its scope."""

from __future__ import annotations

from typing import Final

from fastapi import Request

from serving.http.addresses import Answering
from serving.http.asked import Asked, asked_of
from serving.http.body import read_body

KEY: Final = "driftdesk.key"
"""The request's API key."""

OF: Final = "driftdesk.of"
"""What answers for its dataset."""

ROUTE: Final = "driftdesk.route"
"""Its route, by which errors have their shape."""

MAX_ROW_BYTES: Final = 64 * 1024
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024


def answering(request: Request) -> Answering:
    """What answers for the request's dataset."""
    of: Answering = request.scope[OF]
    return of


def asked(request: Request) -> Asked:
    """What a request asks for besides its rows.

    Raises:
        Problem: a flag is neither true nor false.
    """
    return asked_of(request.scope, request.scope[KEY])


async def body_of(request: Request, largest: int = MAX_ROW_BYTES) -> bytes:
    """The body: see `read_body`."""
    return await read_body(request.scope, request.receive, largest)
