"""Which version is champion, and its file, from MLflow's REST API."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

import urllib3

from core.adapters.mlflow.api import ModelRegistry
from core.adapters.mlflow.artifacts import Artifacts
from core.adapters.mlflow.errors import translated
from core.adapters.mlflow.rest import Refusal, Rest
from core.domain import registry_names as names
from core.domain.basic_auth import Login
from core.domain.errors import Missing, RegistryUnavailable
from core.platform.tracing import well_formed

_TIMEOUT = urllib3.Timeout(connect=2.0, read=20.0)
"""Without retries: the alias is asked for again in a moment anyway."""


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


def connect(uri: str, login: Login | None = None) -> Rest:
    """MLflow, for every model; `login` is for one that requires one."""
    return Rest(uri, login, retries=0, timeout=_TIMEOUT)


class ChampionSource:
    """The alias `champion` of one registered model; `login` is for an MLflow that requires one.

    `server` is MLflow's address, or the connections to it that several models share.

    Its methods raise `RegistryUnavailable` if MLflow is unreachable or refuses.
    """

    def __init__(self, server: str | Rest, name: str, login: Login | None = None) -> None:
        rest = connect(server, login) if isinstance(server, str) else server
        self._uri = rest.uri
        self._models = ModelRegistry(rest, name)
        self._artifacts = Artifacts(rest)

    def champion(self) -> Champion | None:
        """The version that the alias names; None if the model exists and has no champion.

        Raises:
            Missing: MLflow has no such model, or hides it from this user.
        """
        with translated(self._uri):
            version = self._models.aliased(names.CHAMPION)
        if version is None:
            return None
        return Champion(
            version.version,
            version.tags.get(names.DIGEST_TAG, ""),
            datetime.fromtimestamp(version.created_ms / 1000, UTC).isoformat(),
            well_formed(version.tags.get(names.TRACE_TAG, "")),
        )

    def download(self, champion: Champion) -> bytes:
        """The model file of a version.

        Raises:
            Missing: the registry has no file for it.
        """
        with translated(self._uri):
            uri = self._models.files(champion.version)
            try:
                return self._artifacts.read(uri, names.MODEL_FILE)
            except RegistryUnavailable as error:  # its files are somewhere else
                raise Missing(str(error)) from error
            except Refusal as refusal:
                if refusal.status == HTTPStatus.UNAUTHORIZED:
                    raise
                raise Missing(
                    f"MLflow has no {names.MODEL_FILE} of version {champion.version}."
                ) from refusal
