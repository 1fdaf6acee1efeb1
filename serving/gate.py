"""What every request passes: who asks, how often, how many at once, and what is counted.

`POST /predict` is answered right here: FastAPI's routing and validation would cost as much again
as the answer itself. Everything else goes on to FastAPI. The documentation knows no difference.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import structlog

from core import trace
from serving.body import Disconnected, read_body
from serving.callers import Keys, Rate
from serving.metrics import Metrics
from serving.predict import Predict
from serving.problems import MEDIA_TYPE, UNFORESEEN, Problem, busy
from serving.trail import HEADER, read_trail

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

LARGEST_ROW = 64 * 1024

KEYED = ("/predict", "/predict/batch", "/predict/check", "/feedback")
"""What asks for an API key, where there are any."""

_ROUTES = frozenset(
    (*KEYED, "/model", "/model/look", "/schema", "/health/live", "/health/ready", "/metrics",
     "/docs", "/openapi.json")
)  # fmt: skip
_TRACED = frozenset((*KEYED, "/model/look"))
"""What a span is recorded for; looks at health and metrics would bury the rest."""

_FAULT = 500
_OPEN_EACH = 4
"""Requests that may be open for each that may wait: slow senders must not fill the memory."""

_SAFE: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_DOCS = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; frame-ancestors 'none'"
)
_DOCS_HEADERS = [(n, _DOCS if n == b"content-security-policy" else v) for n, v in _SAFE]
_JSON: list[Header] = [*_SAFE, (b"content-type", b"application/json")]
_PROBLEM: list[Header] = [*_SAFE, (b"content-type", MEDIA_TYPE.encode())]

log = structlog.get_logger()


class Gate:
    """The ASGI application: the short way to a prediction, and FastAPI behind it."""

    def __init__(
        self,
        app: App,
        predict: Predict,
        metrics: Metrics,
        *,
        keys: Keys,
        rate: Rate,
        waiting: int,
    ) -> None:
        self._app = app
        self._predict = predict
        self._keys = keys
        self._rate = rate
        self._metrics = metrics
        self._most_open = waiting * _OPEN_EACH
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        path = scope["path"]
        name, parent = read_trail(scope["headers"])
        # The server runs each request in a context of its own, so nothing has to be undone.
        trace.take_part(parent, name.decode())
        self._open += 1
        try:
            if trace.is_on() and path in _TRACED:
                status = await self._traced(path, scope, receive, send, name)
            else:
                status = await self._answer(path, scope, receive, send, name)
        except Disconnected:
            status = 499
        finally:
            self._open -= 1
        route = path if path in _ROUTES else "other"
        self._metrics.request(route, status, time.perf_counter() - started)

    async def _traced(
        self, path: str, scope: Scope, receive: Receive, send: Send, name: bytes
    ) -> int:
        with trace.span(f"{scope['method']} {path}", request=name.decode()):
            status = await self._answer(path, scope, receive, send, name)
            trace.note(status=status)
            if status >= _FAULT:
                trace.fail(f"answered {status}")
            return status

    async def _answer(
        self, path: str, scope: Scope, receive: Receive, send: Send, name: bytes
    ) -> int:
        try:
            if path in KEYED:
                self._admit(scope)
            if path == "/predict" and scope["method"] == "POST":
                body = await read_body(scope, receive, LARGEST_ROW)
                answer = await self._predict(body, explain=flag(scope, "explain"))
                await _send(send, 200, name, _JSON, answer)
                return 200
            return await self._pass_on(scope, receive, send, name)
        except Problem as problem:
            headers = [*_PROBLEM, *problem.headers()]
            await _send(send, problem.status, name, headers, problem.body())
            return problem.status
        except Disconnected:
            raise
        except Exception:
            log.exception("a request was not answered", path=path)
            await _send(send, 500, name, _PROBLEM, UNFORESEEN.body())
            return 500

    def _admit(self, scope: Scope) -> None:
        """Let the request in.

        Raises:
            Problem: too many are open, the caller has no key, or asks too often.
        """
        if self._open > self._most_open:
            raise busy("many requests")
        caller = self._keys.caller(scope["headers"])
        scope["driftdesk.caller"] = caller
        client = scope.get("client")
        self._rate.take(caller or (client[0] if client else ""))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, name: bytes) -> int:
        status = 0
        safe = _DOCS_HEADERS if scope["path"].startswith(("/docs", "/static")) else _SAFE
        headers = [*safe, (HEADER, name)]

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except Exception:
            if not status:
                raise
            log.exception("a request was not answered well", path=scope["path"])
        return status


def flag(scope: Scope, name: str) -> bool:
    """A yes or no of the query string; no where it is not named.

    Raises:
        Problem: it is neither.
    """
    if not scope["query_string"]:
        return False
    said = parse_qs(scope["query_string"].decode("latin-1")).get(name, ["false"])[-1]
    if said not in ("true", "false"):
        raise Problem(422, f"{name} must be true or false.")
    return bool(said == "true")


async def _send(send: Send, status: int, name: bytes, headers: list[Header], body: bytes) -> None:
    own = [*headers, (HEADER, name), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})
