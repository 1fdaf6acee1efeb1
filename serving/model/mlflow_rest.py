"""Which version is champion, and its file, from MLflow's REST API.

MLflow's own client would bring pandas and seconds of start-up into this process.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import urllib3

from core.domain import registry_names as names
from core.domain.basic_auth import Login
from core.domain.errors import Missing, RegistryUnavailable
from core.platform.tracing import well_formed

_TIMEOUT = urllib3.Timeout(connect=2.0, read=20.0)
_PROXIED = "mlflow-artifacts:"
_PIECE_BYTES = 1024**2
_JSON_LIMIT = (4 * 1024**2, 30.0)
_MODEL_LIMIT = (2 * 1024**3, 600.0)
"""The maximum size of a response, in bytes, and how many seconds it may take in all."""


@dataclass(frozen=True, slots=True)
class Champion:
    """A version to be served; `digest` is its file's SHA-256 in hex.

    `registered_at` is an ISO timestamp; `trace` is the traceparent of the promotion. Each is empty
    if it is unknown.
    """

    version: int
    digest: str
    registered_at: str = field(default="", compare=False)
    trace: str = field(default="", compare=False)


class ChampionSource:
    """The alias `champion` of one registered model; `login` is for an MLflow that requires one."""

    def __init__(self, uri: str, name: str, login: Login | None = None) -> None:
        self._uri = uri.rstrip("/")
        self._name = name
        self._pool = urllib3.PoolManager(
            retries=False, timeout=_TIMEOUT, headers=login.headers() if login else None
        )

    def champion(self) -> Champion | None:
        """The version that the alias names; None if the model exists and has no champion.

        Raises:
            Missing: MLflow has no such model, or hides it from this user.
            RegistryUnavailable: MLflow is unreachable or refuses.
        """
        status, body = self._get(f"registered-models/alias?alias={names.CHAMPION}")
        if status != HTTPStatus.OK:
            if body.get("error_code") == names.NO_ALIAS:
                return None
            if body.get("error_code") == names.NOT_FOUND:
                raise Missing(f"MLflow knows no model {self._name}.")
            raise self._unavailable(f"refused: {body.get('message', status)}".rstrip("."))
        try:
            version = body["model_version"]
            tags = {tag["key"]: tag.get("value", "") for tag in version.get("tags", [])}
            at = datetime.fromtimestamp(int(version.get("creation_timestamp", 0)) / 1000, UTC)
            return Champion(
                int(version["version"]),
                tags.get(names.DIGEST_TAG, ""),
                at.isoformat(),
                well_formed(tags.get(names.TRACE_TAG, "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self._unavailable(
                "answers as MLflow does not; something else may run there"
            ) from error

    def download(self, champion: Champion) -> bytes:
        """The model file of a version.

        Raises:
            Missing: the registry has no file for it.
            RegistryUnavailable: MLflow is unreachable or refuses.
        """
        status, body = self._get(f"model-versions/get-download-uri?version={champion.version}")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._unavailable(f"refused ({status})")
        location = str(body.get("artifact_uri", ""))
        if status != HTTPStatus.OK or not location.startswith(_PROXIED):
            raise Missing(
                f"Version {champion.version} has no file that MLflow itself serves "
                f"({location or status}); start MLflow with --serve-artifacts."
            )
        path = quote(location.removeprefix(_PROXIED).lstrip("/"))
        status, model = self._request(
            f"/api/2.0/mlflow-artifacts/artifacts/{path}/{names.MODEL_FILE}", _MODEL_LIMIT
        )
        if status != HTTPStatus.OK:
            raise Missing(f"MLflow has no {names.MODEL_FILE} of version {champion.version}.")
        return model

    def _get(self, query: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of a query about this registered model."""
        path = f"/api/2.0/mlflow/{query}&name={quote(self._name)}"
        status, body = self._request(path, _JSON_LIMIT)
        try:
            return status, dict(json.loads(body))
        except (ValueError, TypeError, RecursionError) as error:
            raise self._unavailable("answers no JSON") from error

    def _request(self, path: str, limit: tuple[int, float]) -> tuple[int, bytes]:
        try:
            # Redirects are not followed: the login is for this server alone.
            response = self._pool.request(
                "GET", self._uri + path, redirect=False, preload_content=False
            )
            body = self._body(response, limit)
        except urllib3.exceptions.HTTPError as error:
            raise self._unavailable("did not answer") from error
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise self._unavailable(
                "does not accept the user and password. Check MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD"
            )
        if response.status == HTTPStatus.FORBIDDEN:  # for a missing model, too
            raise Missing(
                f"MLflow at {self._uri} shows no model {self._name}: it is not there yet, or the "
                "user of MLFLOW_TRACKING_USERNAME may not see it."
            )
        return response.status, body

    def _body(self, response: urllib3.BaseHTTPResponse, limit: tuple[int, float]) -> bytes:
        """The body within its limit; beyond it the connection is closed."""
        (size, seconds), body = limit, bytearray()
        until = time.monotonic() + seconds
        while piece := response.read1(_PIECE_BYTES, decode_content=False):
            body += piece
            if len(body) > size or time.monotonic() > until:
                response.close()
                raise self._unavailable(
                    f"sent more than {size:,} bytes, or took more than {seconds:g} s"
                )
        response.release_conn()
        return bytes(body)

    def _unavailable(self, problem: str) -> RegistryUnavailable:
        return RegistryUnavailable(f"MLflow at {self._uri} {problem}.")
