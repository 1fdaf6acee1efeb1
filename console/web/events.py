"""`POST /events/batch-ready`: a signed request of another program queues an ingest.

It needs no login: see `console.actions.events`. The body is verified and not read otherwise. Where
a desk has several datasets, the address names one (`?dataset=NAME`); who has not signed a request
does not learn which there are.
"""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from console.actions import events
from console.web import session
from console.web.metrics import metrics
from console.web.page_state import DATASET
from core.domain.errors import (
    BadInput,
    DatasetError,
    DeliveredAlready,
    DriftdeskError,
    JobUnderWay,
    Missing,
    NotGenuine,
    TooManyDeliveries,
    Unavailable,
)
from core.platform import tracing

PATH = "/events/batch-ready"

MOST_BYTES = 64 * 1024
"""The largest body."""

_SECONDS = 10.0
"""How long a body may take to arrive."""

_MOST_AT_ONCE = 8
_under_way = 0


class _TooLargeError(BadInput):
    """A body is too large."""


_STATUS: tuple[tuple[type[DriftdeskError], HTTPStatus, int], ...] = (
    (Missing, HTTPStatus.NOT_FOUND, 0),
    (DatasetError, HTTPStatus.INTERNAL_SERVER_ERROR, 0),
    (_TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 0),
    (NotGenuine, HTTPStatus.UNAUTHORIZED, 0),
    (DeliveredAlready, HTTPStatus.CONFLICT, 0),
    (JobUnderWay, HTTPStatus.CONFLICT, 30),
    (TooManyDeliveries, HTTPStatus.TOO_MANY_REQUESTS, 60),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE, 10),
    (BadInput, HTTPStatus.BAD_REQUEST, 0),
)
"""The status of each error, and after how many seconds to try again; 0: that changes nothing."""

log = structlog.get_logger()


async def batch_ready(request: Request) -> Response:
    """Verify a delivery and queue an ingest: 202 with the job, or the problem (RFC 9457)."""
    global _under_way  # noqa: PLW0603 - the event loop alone changes it
    if _under_way >= _MOST_AT_ONCE:
        return _problem(HTTPStatus.TOO_MANY_REQUESTS, "Too many deliveries at once.", 1)
    _under_way += 1
    try:
        settings = await run_in_threadpool(session.settings)
        if not settings.events_secret.get_secret_value():
            raise Missing("Events are off: EVENTS_SECRET is not set.")
        async with asyncio.timeout(_SECONDS):
            body = await _body(request)
        dataset = request.query_params.get(DATASET, "")
        return await run_in_threadpool(_accept, dict(request.headers), body, dataset)
    except TimeoutError:
        detail = f"The body did not arrive within {_SECONDS:g} s."
        return _problem(HTTPStatus.REQUEST_TIMEOUT, detail)
    except ClientDisconnect:
        return _problem(HTTPStatus.BAD_REQUEST, "The request broke off.")
    except DriftdeskError as error:
        kinds = ((s, after) for kind, s, after in _STATUS if isinstance(error, kind))
        status, after = next(kinds, (HTTPStatus.INTERNAL_SERVER_ERROR, 0))
        return _problem(status, str(error), after)
    finally:
        _under_way -= 1


def _accept(headers: dict[str, str], body: bytes, dataset: str) -> Response:
    with tracing.span("event batch-ready"), metrics().action("events.batch_ready"):
        actor, delivery = events.sender(session.settings(), headers, body, int(time.time()))
        desk = session.desk_of_signed_requests(dataset)
        job = events.batch_ready(desk, actor, delivery)
    about = {"delivery": delivery, "dataset": desk.dataset.name}
    log.info("batch-ready accepted", job=job.id, joined=job.joined, **about)
    words = f"Job {job.id} was open already and is joined." if job.joined else "Ingest is queued."
    answer = {"job": job.id, "state": job.state.value, "joined": job.joined, "detail": words}
    return JSONResponse(answer, HTTPStatus.ACCEPTED)


async def _body(request: Request) -> bytes:
    """The body.

    Raises:
        _TooLargeError: it is too large.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise _TooLargeError(f"The body may have at most {MOST_BYTES:,} bytes.")
    return bytes(body)


def _problem(status: HTTPStatus, detail: str, after: int = 0) -> Response:
    document = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    headers = {"retry-after": str(after)} if after else None
    return JSONResponse(document, status, headers, "application/problem+json")


ROUTES = (Route(PATH, batch_ready, methods=["POST"]),)
