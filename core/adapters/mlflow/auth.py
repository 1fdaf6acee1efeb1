"""MLflow's login, as a request auth provider (MLflow's plug-in), so that no password is exported.

The alternative, MLFLOW_TRACKING_PASSWORD in the environment, passes it to every child process.
"""

from __future__ import annotations

import os

import requests
from mlflow.tracking.request_auth.abstract_request_auth_provider import RequestAuthProvider
from mlflow.tracking.request_auth.registry import _request_auth_provider_registry

from core.domain.basic_auth import Login

_NAME = "driftdesk"
_CHOICE = "MLFLOW_TRACKING_AUTH"

_logins: dict[str, Login] = {}
"""The login of each server by its URI; MLflow has one provider per process."""


class _OwnServers(requests.auth.AuthBase):
    """Sends each login only to its own server."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        for uri, login in _logins.items():
            if (request.url or "").startswith(f"{uri}/"):
                request.headers.update(login.headers())
        return request


class _Provider(RequestAuthProvider):
    """The provider registered under our name."""

    def get_name(self) -> str:
        """The name for MLFLOW_TRACKING_AUTH."""
        return _NAME

    def get_auth(self) -> _OwnServers:
        """What is put on every request."""
        return _OwnServers()


_request_auth_provider_registry.register(_Provider)  # type: ignore[no-untyped-call]


def log_in(uri: str, login: Login | None) -> None:
    """Let every call of MLflow's client to this server carry the login, or none, from now on."""
    if login is None:
        _logins.pop(uri.rstrip("/"), None)
        return
    _logins[uri.rstrip("/")] = login
    os.environ[_CHOICE] = _NAME
