"""Which version is champion, and its file, from MLflow's REST API.

MLflow's own client would bring pandas and seconds of start-up into this process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import urllib3

from core.errors import Missing, RegistryUnavailable
from core.login import Login
from core.trace import well_formed

_ALIAS = "champion"
_FILE = "model.onnx"
_DIGEST_TAG = "driftdesk.digest"
_TRACE_TAG = "driftdesk.traceparent"
_TIMEOUT = urllib3.Timeout(connect=2.0, read=20.0)
_PROXIED = "mlflow-artifacts:"
_REFUSED = 401
_HIDDEN = 403


@dataclass(frozen=True, slots=True)
class Champion:
    """What the registry says is to be served; `digest` is the file's SHA-256 in hex.

    `registered_at` is when, as ISO text, and `trace` is the traceparent of what made it champion;
    each is empty where that is not known.
    """

    version: int
    digest: str
    registered_at: str = field(default="", compare=False)
    trace: str = field(default="", compare=False)


class ChampionSource:
    """The alias `champion` of one registered model, under a login where MLflow asks for one."""

    def __init__(self, uri: str, name: str, login: Login | None = None) -> None:
        self._uri = uri.rstrip("/")
        self._name = name
        self._pool = urllib3.PoolManager(
            retries=False, timeout=_TIMEOUT, headers=login.headers() if login else None
        )

    def champion(self) -> Champion | None:
        """What the alias names; None when the model exists and has no champion.

        Raises:
            Missing: MLflow does not know the model (yet, or any more).
            RegistryUnavailable: MLflow is away.
        """
        status, body = self._get(
            f"/api/2.0/mlflow/registered-models/alias?name={quote(self._name)}&alias={_ALIAS}"
        )
        if status != 200:  # noqa: PLR2004
            if (
                body.get("error_code") == "INVALID_PARAMETER_VALUE"
            ):  # the model is there, the alias is not
                return None
            if body.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
                raise Missing(f"MLflow knows no model {self._name}.")
            raise RegistryUnavailable(
                f"MLflow at {self._uri} refused: {body.get('message', status)}"
            )
        try:
            version = body["model_version"]
            tags = {tag["key"]: tag.get("value", "") for tag in version.get("tags", [])}
            made = datetime.fromtimestamp(int(version.get("creation_timestamp", 0)) / 1000, UTC)
            return Champion(
                int(version["version"]),
                tags.get(_DIGEST_TAG, ""),
                made.isoformat(),
                well_formed(tags.get(_TRACE_TAG, "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RegistryUnavailable(
                f"MLflow at {self._uri} answers as MLflow does not; something else may run there."
            ) from error

    def download(self, champion: Champion) -> bytes:
        """The model file of a version.

        Raises:
            Missing: the registry has no file for it.
            RegistryUnavailable: MLflow is away.
        """
        status, body = self._get(
            "/api/2.0/mlflow/model-versions/get-download-uri"
            f"?name={quote(self._name)}&version={champion.version}"
        )
        location = str(body.get("artifact_uri", ""))
        if status != 200 or not location.startswith(_PROXIED):  # noqa: PLR2004
            raise Missing(
                f"Version {champion.version} has no file that MLflow itself serves "
                f"({location or status}); start MLflow with --serve-artifacts."
            )
        path = location.removeprefix(_PROXIED).lstrip("/")
        answer = self._request(f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}/{_FILE}")
        if answer.status != 200:  # noqa: PLR2004
            raise Missing(f"MLflow has no {_FILE} of version {champion.version}.")
        return bytes(answer.data)

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        answer = self._request(path)
        try:
            return answer.status, dict(json.loads(answer.data))
        except (ValueError, TypeError) as error:
            raise RegistryUnavailable(f"MLflow at {self._uri} answers no JSON.") from error

    def _request(self, path: str) -> urllib3.BaseHTTPResponse:
        try:
            # What points elsewhere is not followed: the login is for this server alone.
            answer = self._pool.request("GET", self._uri + path, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise RegistryUnavailable(f"MLflow at {self._uri} did not answer.") from error
        if answer.status == _REFUSED:
            raise RegistryUnavailable(
                f"MLflow at {self._uri} does not take our name and password. Check "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
            )
        if answer.status == _HIDDEN:  # its word to a reader for what is not there, too
            raise Missing(
                f"MLflow at {self._uri} shows us no {self._name}: it is not there yet, or the user "
                "of MLFLOW_TRACKING_USERNAME may not see it."
            )
        return answer
