"""Blocks Streamlit's internal endpoints that neither a page nor a health probe needs.

Streamlit's metrics and agent API need no login; driftdesk has its own metrics (METRICS_PORT) and
its own API (serving).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_CORE = "_stcore"

_OPEN = frozenset({"health", "stream", "host-config", "upload_file"})
"""The endpoints under `/_stcore/` that pages and health probes use."""


def is_closed(path: str) -> bool:
    """Whether a path is a blocked endpoint of Streamlit, below any base path."""
    parts = [part for part in path.split("/") if part]
    if _CORE not in parts:
        return False
    after = parts[parts.index(_CORE) + 1 :]
    return not after or after[0] not in _OPEN


class EndpointFilter:
    """ASGI middleware that answers 404 for blocked endpoints."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request unless its path is blocked."""
        if scope["type"] == "lifespan" or not is_closed(scope["path"]):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({
            "type": "http.response.start",
            "status": 404,
            "headers": [(b"content-type", b"text/plain; charset=utf-8")],
        })  # fmt: skip
        await send({"type": "http.response.body", "body": b"Not found"})
