"""A real server on a free loopback port, and what a client sees of it."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
import uvicorn

from compose.data_api.app import create_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from compose.data_api.options import Options

SMALL = 0.001
"""A scale at which a batch has 60 to 361 rows."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """A running server."""

    url: str

    def get(self, path: str, **parameters: Any) -> requests.Response:
        """Ask without a second try."""
        return requests.get(self.url + path, params=parameters, timeout=20)

    def batch(self, group: int = 7, **parameters: Any) -> Json:
        """The next batch of a group, which must be there."""
        answer = self.get("/data", group_number=group, **parameters)
        assert answer.status_code == 200, answer.text
        document: Json = answer.json()
        return document

    def restart(self, group: int = 7) -> requests.Response:
        """Put the cursor of a group back."""
        return self.get("/restart_data_generation", group_number=group)

    def arm(self, kind: str, **more: Any) -> Json:
        """Let something go wrong."""
        answer = requests.post(self.url + "/faults", json={"kind": kind, **more}, timeout=20)
        assert answer.status_code == 200, answer.text
        document: Json = answer.json()
        return document


@contextmanager
def serving(
    options: Options, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> Iterator[Service]:
    """Serve in a thread; the socket listens before the server starts, so nobody has to wait."""
    config = uvicorn.Config(create_app(options, sleep), log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Service(f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()
