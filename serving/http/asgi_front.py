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
from urllib.parse import parse_qs

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.platform import tracing
from serving.http.auth import ApiKeys, RateLimit
from serving.http.body import Disconnected, read_body
from serving.http.metrics import Metrics
from serving.http.openapi import openapi
from serving.http.predict import Predict
from serving.problems import INTERNAL_ERROR, MEDIA_TYPE, Problem, overloaded

Header = tuple[bytes, bytes]

MAX_ROW_BYTES = 64 * 1024

_PATHS = openapi(None)["paths"]

_KEYED = frozenset(path for path, methods in _PATHS.items() if "post" in methods)
"""Routes that require an API key, if any are configured."""

_WRITES = _KEYED | {"/model/look"}
"""Routes with spans; those of health checks and metrics would drown the others."""

_READS = (_PATHS.keys() - _KEYED) | {"/docs", "/openapi.json"}
_METHODS = dict.fromkeys(_WRITES, ("POST",)) | dict.fromkeys(_READS, ("GET", "HEAD"))

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
_PROBLEM: list[Header] = [*_DATA, (b"content-type", MEDIA_TYPE.encode())]

log = structlog.get_logger()


@dataclass(slots=True)
class AsgiFront:
    """The ASGI application: the fast path for predictions, and FastAPI for the rest.

    `most_open` limits the open requests, and so the memory that slow senders occupy.
    """

    app: ASGIApp
    predict: Predict
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
        path = scope["path"]
        request_id, parent = read_request_id(scope["headers"])
        # uvicorn runs each request in its own context, so this needs no reset.
        tracing.take_part(parent, request_id.decode())
        self.open += 1
        try:
            if tracing.is_on() and path in _WRITES:
                with tracing.span(f"{scope['method']} {path}", request=request_id.decode()):
                    status = await self._answer(path, scope, receive, send, request_id)
                    tracing.note(status=status)
                    if status >= INTERNAL_ERROR.status:
                        tracing.fail(f"answered {status}")
            else:
                status = await self._answer(path, scope, receive, send, request_id)
        except Disconnected:
            status = 499
        finally:
            self.open -= 1
        route = path if path in _METHODS else "other"
        self.metrics.request(route, status, time.perf_counter() - started)

    async def _answer(
        self, path: str, scope: Scope, receive: Receive, send: Send, request_id: bytes
    ) -> int:
        status, headers = 200, _JSON
        try:
            _require_method(path, scope["method"])
            if path in _KEYED:
                self._admit(scope)
            if path != "/predict":
                return await self._pass_on(scope, receive, send, request_id)
            body = await read_body(scope, receive, MAX_ROW_BYTES)
            answer = await self.predict(body, explain=_query_flag(scope, "explain"))
        except Problem as problem:
            status, headers = int(problem.status), [*_PROBLEM, *problem.headers]
            answer = problem.body()
        except Disconnected:
            raise
        except Exception:  # the last handler: the log gets the traceback, the caller a problem
            log.exception("request failed", path=path)
            status, headers, answer = 500, _PROBLEM, INTERNAL_ERROR.body()
        length = b"%d" % len(answer)
        own = [*headers, (_REQUEST_ID, request_id), (b"content-length", length)]
        await send({"type": "http.response.start", "status": status, "headers": own})
        await send({"type": "http.response.body", "body": answer})
        return status

    def _admit(self, scope: Scope) -> None:
        """Check the limit of open requests, the API key and the rate limit.

        Raises:
            Problem: one of them rejects the request.
        """
        if self.open > self.most_open:
            raise overloaded("requests")
        client = scope.get("client")
        address = client[0] if client else ""
        caller = self.keys.caller(scope["headers"], address)
        scope["driftdesk.caller"] = caller
        self.rate.take(caller or address)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, request_id: bytes) -> int:
        status = 0
        security = _DOCS if scope["path"].startswith(("/docs", "/static")) else _DATA
        is_head = scope["method"] == "HEAD"
        if is_head:  # FastAPI handles it as GET; the body is dropped
            scope = {**scope, "method": "GET"}

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


def _require_method(path: str, method: str) -> None:
    """Reject a method that a known route does not support; FastAPI handles unknown routes."""
    allowed = _METHODS.get(path)
    if allowed is not None and method not in allowed:
        allow = ", ".join(allowed)
        raise Problem(405, f"{path} supports {' and '.join(allowed)} only.", allow=allow)


def _query_flag(scope: Scope, name: str) -> bool:
    """A boolean query parameter; false if absent.

    Raises:
        Problem: it is neither true nor false.
    """
    if not scope["query_string"]:
        return False
    value = parse_qs(scope["query_string"].decode("latin-1")).get(name, ["false"])[-1]
    if value not in ("true", "false"):
        raise Problem(422, f"{name} must be true or false.")
    return bool(value == "true")
