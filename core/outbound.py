"""Requests to an address that a setting names: checked, pinned, and never led elsewhere."""

from __future__ import annotations

import os
import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from core.addresses import Destination, host_of
from core.errors import AddressRefused


class Session(requests.Session):
    """A session that speaks to one destination alone.

    A name is resolved once per connection, every address is checked, and the connection goes to
    an address that was checked: an answer of DNS that changes meanwhile changes nothing. No
    redirect is followed. Proxies, `.netrc` and the like of the environment are left alone unless
    the destination says that a proxy is meant.

    Raises:
        AddressRefused: by every request that would go where it must not; nothing was sent.
    """

    def __init__(self, to: Destination) -> None:
        super().__init__()
        self._to = to
        self.trust_env = to.proxied
        # With the environment left alone, requests would forget which authorities it names.
        self.verify = (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        )
        for scheme in list(self.adapters):
            self.mount(scheme, _Checked(to))

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - theirs
        """None: an answer that points elsewhere is the answer."""
        return


class _Checked(HTTPAdapter):
    def __init__(self, to: Destination) -> None:
        self._to = to
        super().__init__()

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:  # type: ignore[override]
        """Send it, where the host is the one that was set; a proxy is asked for no other."""
        _refuse(self._to, host_of(request.url or ""), [])
        return super().send(request, **how)

    def init_poolmanager(self, *sizes: Any, **more: Any) -> None:
        super().init_poolmanager(*sizes, **more)
        self.poolmanager.pool_classes_by_scheme = _pools(self._to)


def _pools(to: Destination) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _pinned(self, to, super()._new_conn)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _pinned(self, to, super()._new_conn)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _pinned(connection: HTTPConnection, to: Destination, connect: Any) -> socket.socket:
    """A socket to the first checked address that answers; TLS and Host keep the name."""
    name = connection.host
    try:
        found = socket.getaddrinfo(name, connection.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NameResolutionError(name, connection, socket.gaierror(str(error))) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    _refuse(to, name, addresses)
    failure: Exception = NewConnectionError(connection, "the name has no address")
    try:
        for address in addresses:
            connection.host = address
            try:
                made: socket.socket = connect()
            except (ConnectTimeoutError, NewConnectionError) as error:
                failure = error
            else:
                return made
    finally:
        connection.host = name
    raise failure


def _refuse(to: Destination, host: str, addresses: list[str]) -> None:
    if why := to.refuses(host, addresses):
        raise AddressRefused(f"{why}. Nothing was sent.")
