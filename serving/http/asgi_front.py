"""ASGI application in front of FastAPI: authentication, rate and concurrency limits, metrics.

`POST /predict` is answered here, because FastAPI's routing and validation would double its cost.
All other requests are passed on to FastAPI.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.platform import tracing
from serving.http.addresses import PREDICT, Address, Addresses
from serving.http.asked import asked_of
from serving.http.auth import ANYBODY, ApiKeys, RateLimit
from serving.http.body import Disconnected, read_body
from serving.http.error_shapes import error_answer
from serving.http.metrics import Metrics
from serving.http.scope import KEY, MAX_ROW_BYTES, OF, ROUTE
from serving.problems import INTERNAL_ERROR, Problem, overloaded

Header = tuple[bytes, bytes]

_REQUEST_ID = b"x-request-id"
_REQUEST_ID_FORM = re.compile(rb"[A-Za-z0-9._:@=+/-]{1,128}")
_PROCESS = os.urandom(8).hex().encode()
_count = itertools.count(1)
"""Ids must be unique, not unguessable: a counter costs a tenth of a random number."""

_SECURITY: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
_DATA: list[Header] = [
    *_SECURITY,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_DOCS_CSP = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; frame-ancestors 'none'"
)
_DOCS: list[Header] = [*_SECURITY, (b"content-security-policy", _DOCS_CSP)]
_JSON: list[Header] = [*_DATA, (b"content-type", b"application/json")]

log = structlog.get_logger()


@dataclass(slots=True)
class AsgiFront:
    """The ASGI application: the fast path for predictions, and FastAPI for the rest.

    `most_open` limits the open requests, and so the memory that slow senders occupy.
    """

    app: ASGIApp
    addresses: Addresses
    metrics: Metrics
    keys: ApiKeys
    rate: RateLimit
    most_open: int
    open: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        address = self.addresses.find(scope["path"])
        request_id, parent = read_request_id(scope["headers"])
        # uvicorn runs each request in its own context, so this needs no reset.
        tracing.take_part(parent, request_id.decode())
        self.open += 1
        try:
            if address.is_traced and tracing.is_on():
                name, of = f"{scope['method']} {address.route}", address.dataset or None
                with tracing.span(name, request=request_id.decode(), dataset=of):
                    status = await self._answer(address, scope, receive, send, request_id)
                    tracing.note(status=status)
                    if status >= INTERNAL_ERROR.status:
                        tracing.fail(f"answered {status}")
            else:
                status = await self._answer(address, scope, receive, send, request_id)
        except Disconnected:
            status = 499
        finally:
            self.open -= 1
        dataset = address.dataset if address.of else ""
        self.metrics.request(dataset, address.route, status, time.perf_counter() - started)

    async def _answer(
        self, address: Address, scope: Scope, receive: Receive, send: Send, request_id: bytes
    ) -> int:
        status, headers = 200, _JSON
        try:
            _require_method(address, scope)
            self._admit(address, scope)
            if address.route != PREDICT or address.of is None:
                return await self._pass_on(address, scope, receive, send, request_id)
            body = await read_body(scope, receive, MAX_ROW_BYTES)
            answer = await address.of.predict(body, asked_of(scope, scope[KEY]))
        except Problem as problem:
            status, media, answer = error_answer(address.route, problem)
            headers = [*_DATA, (b"content-type", media.encode()), *problem.headers]
        except Disconnected:
            raise
        except Exception:  # the last handler: the log gets the traceback, the caller a problem
            about = {"dataset": address.dataset} if address.dataset else {}
            log.exception("request failed", path=scope["path"], **about)
            status, media, answer = error_answer(address.route, INTERNAL_ERROR)
            headers = [*_DATA, (b"content-type", media.encode())]
        length = b"%d" % len(answer)
        own = [*headers, (_REQUEST_ID, request_id), (b"content-length", length)]
        await send({"type": "http.response.start", "status": status, "headers": own})
        await send({"type": "http.response.body", "body": answer})
        return status

    def _admit(self, address: Address, scope: Scope) -> None:
        """Check the limit of open requests, the API key and the rate limit, and find the dataset.

        Raises:
            Problem: one of them rejects the request, or the dataset is not served.
        """
        key = ANYBODY
        if address.is_keyed or (address.shows and self.keys.binds):
            if self.open > self.most_open:
                raise overloaded("requests")
            client = scope.get("client")
            host = client[0] if client else ""
            key = self.keys.caller(scope["headers"], host)
            self.rate.take(key.name or host)
        scope[KEY] = key
        if not address.wants:
            return
        if address.dataset and not key.reaches(address.dataset):
            detail = f"This API key is not for that dataset. It is for: {', '.join(key.datasets)}."
            raise Problem(403, detail)
        if address.of is None:
            names = [name for name in self.addresses.fleet.served if key.reaches(name)]
            raise Problem(404, _which(address, names))

    async def _pass_on(
        self, address: Address, scope: Scope, receive: Receive, send: Send, request_id: bytes
    ) -> int:
        status = 0
        page = scope["path"].removeprefix(address.root)
        security = _DOCS if page.startswith(("/docs", "/static")) else _DATA
        is_head = scope["method"] == "HEAD"
        scope.update({OF: address.of, ROUTE: address.route})
        if address.root:
            scope["root_path"] = scope.get("root_path", "") + address.root
        if is_head:  # FastAPI handles it as GET; the body is dropped
            scope = {**scope, "method": "GET"}
        if address.dataset:
            structlog.contextvars.bind_contextvars(dataset=address.dataset)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [h for h in message.get("headers", ()) if h[0] != b"allow"]
                if status == 405:  # noqa: PLR2004 - a route outside the table
                    own.append((b"allow", b"GET, HEAD"))
                message = {**message, "headers": [*own, *security, (_REQUEST_ID, request_id)]}
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:  # a started response cannot become a 500; the log has the traceback
            if not status:
                raise
            log.exception("request failed after its response started", path=scope["path"])
        return status


def read_request_id(headers: Sequence[Header]) -> tuple[bytes, str]:
    """A request's id, and its traceparent ("" if none).

    The id is the caller's, else that of the trace, else a new one. Malformed values are ignored,
    because both are logged.
    """
    request_id, parent = b"", ""
    for header, value in headers:
        if header == _REQUEST_ID:
            request_id = value if _REQUEST_ID_FORM.fullmatch(value) else b""
        elif header == b"traceparent":
            parent = tracing.well_formed(value.decode("latin-1"))
    if not request_id and parent:
        request_id = tracing.trace_id(parent).encode()
    return request_id or b"%s%016x" % (_PROCESS, next(_count)), parent


def _require_method(address: Address, scope: Scope) -> None:
    """Reject a method that a known route does not support; FastAPI handles unknown routes."""
    allowed = address.methods
    if allowed and scope["method"] not in allowed:
        allow, path = ", ".join(allowed), scope["path"]
        raise Problem(405, f"{path} supports {' and '.join(allowed)} only.", allow=allow)


def _which(address: Address, names: Sequence[str]) -> str:
    """Which datasets there are, for a request about none of them."""
    there = f"Datasets here: {', '.join(names)}." if names else "No dataset is served here."
    if address.dataset:
        return f"There is no dataset {address.dataset!r} here. {there}"
    return f"Name the dataset, as in /datasets/NAME{address.route}. {there}"
