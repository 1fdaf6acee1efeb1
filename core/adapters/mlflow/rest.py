"""MLflow's REST API over urllib3: the transport that console, workers and serving share.

MLflow's own client takes more than a second to import, and brings pandas with it.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from core.domain.basic_auth import Login

_API = "/api/2.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
"""Where MLflow's server serves the artifact store."""

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
"""The statuses after which a request is repeated, as MLflow's own client does."""

_CONNECT_SECONDS = 20.0
_PIECE_BYTES = 1024**2
_JSON_BYTES = 32 * 1024**2
_JSON_SECONDS = 60.0
_QUOTED = 300


class Refusal(Exception):
    """An answer that is not the requested one.

    `status` is HTTP's; `code` and `message` are MLflow's own, empty where the answer was not
    MLflow's error; `of_files` says that it was about the artifact store.
    """

    def __init__(self, path: str, status: int, body: bytes) -> None:
        self.status = status
        self.code = self.message = ""
        self.of_files = path.startswith(FILES)
        with suppress(ValueError, TypeError, AttributeError, RecursionError):
            answer = json.loads(body)
            self.code = str(answer.get("error_code") or "")
            self.message = str(answer.get("message") or "") if self.code else ""
        text = self.message or body[:_QUOTED].decode("utf-8", "replace")
        super().__init__(f"{path}: HTTP {status} {self.code}: {text[:_QUOTED]}")


class NotMlflow(ValueError):
    """An answer with status 200 that MLflow would not give."""


class TooLong(urllib3.exceptions.HTTPError):
    """An answer that exceeds its size or its time."""


class Rest:
    """Requests to one MLflow server, with a login if it requires one.

    Without `retries` and `timeout` (in seconds) MLflow's own variables MLFLOW_HTTP_REQUEST_… are
    followed. Redirects are returned, not followed: the login is for this server alone.
    """

    def __init__(
        self,
        uri: str,
        login: Login | None = None,
        *,
        retries: int | None = None,
        timeout: urllib3.Timeout | None = None,
    ) -> None:
        self.uri = uri.rstrip("/")
        self._headers = login.headers() if login else {}
        self._retries, self._timeout = retries, timeout
        self._opened: tuple[int, urllib3.PoolManager] | None = None

    def get(self, endpoint: str, **fields: Any) -> dict[str, Any]:
        """The JSON answer to a query; fields that are None are left out."""
        query = urlencode({key: value for key, value in fields.items() if value is not None})
        return self._json("GET", f"{_API}{endpoint}?{query}", None)

    def send(self, method: str, endpoint: str, **fields: Any) -> dict[str, Any]:
        """The JSON answer to a change; fields that are None are left out."""
        body = {key: value for key, value in fields.items() if value is not None}
        return self._json(method, f"{_API}{endpoint}", json.dumps(body).encode())

    def _json(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        more = {"Content-Type": "application/json"} if body is not None else {}
        with self._answer(method, path, body, more) as response:
            return _object(b"".join(pieces(response, _JSON_BYTES, _JSON_SECONDS)), path)

    @contextmanager
    def file(self, path: str) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer with a file's bytes; see `pieces`."""
        with self._answer("GET", f"{FILES}/{quote(path)}") as response:
            yield response

    def put(self, path: str, file: BinaryIO, size: int) -> None:
        """Store a file of `size` bytes."""
        more = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._done("PUT", f"{FILES}/{quote(path)}", file, more)

    def delete(self, path: str) -> None:
        """Delete a file or a folder."""
        self._done("DELETE", f"{FILES}/{quote(path)}")

    def listing(self, path: str) -> list[tuple[str, bool]]:
        """The names in a folder, and whether each is a folder."""
        where = f"{FILES}?{urlencode({'path': path})}"
        try:
            files = self._json("GET", where, None).get("files") or []
            return [(_safe_name(file["path"]), bool(file["is_dir"])) for file in files]
        except (KeyError, TypeError, AttributeError) as error:
            raise NotMlflow(f"requested the files of {path}: {error!r}") from error

    def _done(
        self,
        method: str,
        path: str,
        body: BinaryIO | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        with self._answer(method, path, body, more) as response:
            for _ in pieces(response, _JSON_BYTES, _JSON_SECONDS):
                pass  # the connection can be used again only when the answer was read

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        body: bytes | BinaryIO | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The response with status 200.

        Raises:
            Refusal: it has another status.
        """
        response = self._pool().request(
            method,
            self.uri + path,
            body=body,
            headers={**self._headers, **(more or {})},
            preload_content=False,
            redirect=False,
            retries=_retry(self._retries),
            timeout=self._timeout or _timeout(),
        )
        with _returned(response):
            if response.status != HTTPStatus.OK:
                raise Refusal(
                    path, response.status, b"".join(pieces(response, _JSON_BYTES, _JSON_SECONDS))
                )
            yield response

    def _pool(self) -> urllib3.PoolManager:
        """The connections of this process: a forked child must not share its parent's."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), _pool_to(self.uri)
        return self._opened[1]


@contextmanager
def _returned(response: urllib3.BaseHTTPResponse) -> Iterator[None]:
    """Close the connection of an answer that was not read to its end, else return it."""
    try:
        yield
    except BaseException:
        response.close()
        raise
    response.release_conn()


def pieces(response: urllib3.BaseHTTPResponse, size: int, seconds: float) -> Iterator[bytes]:
    """The body piece by piece, at most `size` bytes within `seconds`.

    Raises:
        TooLong: it is larger or slower.
    """
    received, until = 0, time.monotonic() + seconds
    while piece := response.read1(_PIECE_BYTES, decode_content=False):
        received += len(piece)
        if received > size or time.monotonic() > until:
            raise TooLong(f"more than {size:,} bytes, or more than {seconds:g} s")
        yield piece


def _object(body: bytes, path: str) -> dict[str, Any]:
    try:
        return dict(json.loads(body or b"{}"))
    except (ValueError, TypeError, RecursionError) as error:
        text = body[:_QUOTED].decode("utf-8", "replace")
        raise NotMlflow(f"{path}: no JSON object: {text}") from error


def _safe_name(path: str) -> str:
    """The last part of a listed path, which may become a file's name here."""
    name = str(path).rsplit("/", 1)[-1]
    if name in {"", ".", ".."} or "\\" in name or "\0" in name:
        raise NotMlflow(f"{path!r} is no file name")
    return name


def _retry(retries: int | None) -> urllib3.Retry:
    count = retries
    if count is None:
        count = int(os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES") or 2)
    return urllib3.Retry(
        total=count,
        redirect=False,
        allowed_methods=None,
        status_forcelist=RETRIED,
        backoff_factor=float(os.environ.get("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR") or 2),
        raise_on_status=False,
        raise_on_redirect=False,
        respect_retry_after_header=False,  # it could name an hour
    )


def _timeout() -> urllib3.Timeout:
    seconds = float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or 20)
    return urllib3.Timeout(connect=min(seconds, _CONNECT_SECONDS), read=seconds)


def _pool_to(uri: str) -> urllib3.PoolManager:
    """Connections to a server, through the environment's proxy and with its trusted issuers."""
    target = urlsplit(uri)
    proxies = getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    options: dict[str, Any] = {"maxsize": 8}
    if target.scheme == "https":
        options["ssl_context"] = _trusted()
    if not proxy or proxy_bypass(target.netloc.rpartition("@")[2]):
        return urllib3.PoolManager(**options)
    login = urlsplit(proxy).netloc.rpartition("@")[0]
    headers = urllib3.make_headers(proxy_basic_auth=login) if login else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)


def _trusted() -> ssl.SSLContext:
    """The issuers of REQUESTS_CA_BUNDLE, as MLflow's own client; else the system's."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or ""
    if not named:
        context = ssl.create_default_context()
        with suppress(ImportError):
            import certifi  # noqa: PLC0415 - comes with requests, which serving does without

            context.load_verify_locations(certifi.where())
        return context
    return ssl.create_default_context(
        cafile=named if not Path(named).is_dir() else None,
        capath=named if Path(named).is_dir() else None,
    )
