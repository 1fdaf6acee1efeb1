"""HTTP sessions to a URL in the settings: no redirects, and abortable from any thread."""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_LONGEST_LENGTH = 18
"""The most digits of a valid Content-Length."""


class Session(requests.Session):
    """A session to a server that is not trusted.

    Redirects are returned, not followed: the server must not choose where a request of ours goes.
    Proxies and `.netrc` of the environment are ignored unless it is `proxied`.

    `cut` aborts whatever the session is doing, from any thread.
    """

    def __init__(self, *, proxied: bool = False) -> None:
        super().__init__()
        self._lock = Lock()
        self._opened: list[socket.socket] = []
        self._is_cut = False
        self.trust_env = proxied
        # Without trust_env, requests ignores these variables.
        self.verify = (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        )
        for scheme in list(self.adapters):
            self.mount(scheme, _Adapter(self._note))

    def cut(self) -> bool:
        """Shut down every connection and prevent new ones; returns whether one had been opened.

        A thread that waits for bytes fails at once; one that is resolving a name fails afterwards,
        before anything is sent.
        """
        with self._lock:
            self._is_cut = True
            for handle in self._opened:
                with suppress(OSError):  # closed by the peer already
                    handle.shutdown(socket.SHUT_RDWR)
            return bool(self._opened)

    def close(self) -> None:
        """Close the connections and the handles that `cut` needs."""
        super().close()
        with self._lock:
            for handle in self._opened:
                handle.close()
            self._opened.clear()

    def _note(self, opened: socket.socket) -> socket.socket:
        """Keep a duplicate handle, which stays valid when TLS wraps the socket."""
        with self._lock:
            if self._is_cut:
                opened.close()
                raise ConnectionAbortedError("the request was given up before it was sent")
            self._opened.append(opened.dup())
        return opened

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - requests' signature
        """None: redirects are returned, not followed."""
        return


class _Adapter(HTTPAdapter):
    """Calls `note` with the socket of each new connection, also of one to a proxy."""

    def __init__(self, note: Callable[[socket.socket], socket.socket]) -> None:
        self._pools = _pools(note)
        super().__init__()

    def init_poolmanager(self, *sizes: Any, **more: Any) -> None:
        super().init_poolmanager(*sizes, **more)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """The pools of a proxy."""
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _Answer(http.client.HTTPResponse):
    """A response whose Content-Length is one number or absent.

    A proxy may join two equal ones ("12, 12"), which RFC 9110 allows to read as one. Invalid or
    differing lengths are dropped; the body then ends with the connection.
    """

    def begin(self) -> None:
        """Read status line and headers."""
        super().begin()
        values = self.headers.get_all("Content-Length")
        if not values or self.chunked or self.length == 0:
            return
        lengths = {part.strip() for value in values for part in value.split(",")}
        del self.headers["Content-Length"]
        only = lengths.pop() if len(lengths) == 1 else ""
        if only.isascii() and only.isdigit() and len(only) <= _LONGEST_LENGTH:
            self.headers["Content-Length"] = only
            self.length = int(only)
        else:
            self.length = None
            self.will_close = True


def _pools(note: Callable[[socket.socket], socket.socket]) -> dict[str, Any]:
    """The connection pools of each scheme."""

    def pool(kind: type[HTTPConnectionPool], connection: type[HTTPConnection]) -> Any:
        class Connection(connection):  # type: ignore[valid-type,misc]
            response_class = _Answer

            def _new_conn(self) -> socket.socket:
                return note(super()._new_conn())

        return type(kind.__name__, (kind,), {"ConnectionCls": Connection})

    return {
        "http": pool(HTTPConnectionPool, HTTPConnection),
        "https": pool(HTTPSConnectionPool, HTTPSConnection),
    }
