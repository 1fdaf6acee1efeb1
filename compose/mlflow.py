"""Starts MLflow's server with basic authentication, in its container: `python -m compose.mlflow`.

MLflow reads passwords from an INI file or the environment. Here they are files of SECRETS_DIR, as
for all programs, so that no command line or image contains them. The users are:

- `admin`, for people;
- `worker`, which publishes models and moves the alias; it is an administrator, too, so that a lost
  user file loses no permissions;
- `reader`, read-only, for the console and serving.

Users are stored in a SQLite file next to the artifacts and updated at each start: MLflow's user
tables cannot be created in MySQL, where two of their foreign keys have the same name.
"""

from __future__ import annotations

import os
import sys
import tempfile
from configparser import RawConfigParser
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.domain.errors import DriftdeskError, SettingsError
from core.domain.placeholder_secrets import is_placeholder

_SHORTEST = 12
"""MLflow rejects shorter passwords."""


def _not_guessable(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value()
    if is_placeholder(secret) or len(secret) < _SHORTEST:
        raise ValueError(f"must be a random value of at least {_SHORTEST} characters")
    return value


RandomSecret = Annotated[SecretStr, AfterValidator(_not_guessable)]


class RegistryServer(BaseSettings):
    """Settings of the MLflow server, from the environment and SECRETS_DIR."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    mlflow_backend_store_uri: SecretStr = Field(description="Its database: mysql+pymysql://…")
    mlflow_artifacts_destination: str = Field(
        "/data/artifacts", description="Storage of models: a folder, or s3://bucket/path."
    )
    mlflow_logins: Path = Field(Path("/data/logins.db"), description="SQLite file of the users.")
    mlflow_server_allowed_hosts: str = Field(
        description="Accepted host names, with and without the port; others get 403."
    )
    mlflow_port: int = Field(5000, description="The port to listen on.")
    mlflow_host: str = Field("127.0.0.1", description="The address to listen on.")
    mlflow_admin_password: RandomSecret = Field(description="Password of `admin`.")
    mlflow_worker_password: RandomSecret = Field(description="Password of `worker`.")
    mlflow_reader_password: RandomSecret = Field(description="Password of `reader`.")
    mlflow_flask_server_secret_key: RandomSecret = Field(description="Key for signing forms.")


def main() -> int:
    """Replace this process by MLflow's server; returns only if that fails."""
    try:
        server = _read()
        config = _config(server)
        _update_users(server)
    except DriftdeskError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the operator reads it
        return 1
    form_key = server.mlflow_flask_server_secret_key.get_secret_value()
    os.environ.update(
        {
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_BACKEND_STORE_URI": server.mlflow_backend_store_uri.get_secret_value(),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": form_key,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
    )
    os.execv(  # noqa: S606 - MLflow receives the signals directly
        sys.executable,
        [
            sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth",
            "--workers", "1", "--host", server.mlflow_host, "--port", str(server.mlflow_port),
            "--artifacts-destination", server.mlflow_artifacts_destination, "--serve-artifacts",
            "--allowed-hosts", server.mlflow_server_allowed_hosts,
            "--uvicorn-opts", "--log-level warning",
        ],
    )  # fmt: skip
    return 1


def _read() -> RegistryServer:
    try:
        return RegistryServer(_secrets_dir=os.environ.get("SECRETS_DIR") or None)
    except ValidationError as error:
        problems = "; ".join(
            f"{problem['loc'][0]} ".upper() + problem["msg"].removeprefix("Value error, ")
            for problem in error.errors(include_input=False)
        )
        raise SettingsError(f"Check these settings: {problems}.") from None


def _config(server: RegistryServer) -> Path:
    """MLflow's authentication file, in a private temporary folder."""
    parser = RawConfigParser()
    parser["mlflow"] = {
        "default_permission": "READ",
        "database_uri": f"sqlite:///{server.mlflow_logins}",
        "admin_username": "admin",
        "admin_password": server.mlflow_admin_password.get_secret_value(),
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        # Serving sends a request each second, and checking a password takes 0.1 s.
        "auth_cache_ttl_seconds": "60",
    }
    path = Path(tempfile.mkdtemp(prefix="mlflow-")) / "auth.ini"
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)
    return path


def _update_users(server: RegistryServer) -> None:
    """Create the users or update their passwords.

    Raises:
        SettingsError: the file of users cannot be written.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - takes seconds, used only here
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    passwords = {
        "admin": server.mlflow_admin_password,
        "worker": server.mlflow_worker_password,
        "reader": server.mlflow_reader_password,
    }
    store = SqlAlchemyStore()
    try:
        store.init_db(f"sqlite:///{server.mlflow_logins}")  # type: ignore[no-untyped-call]
        for name, password in passwords.items():
            save = store.update_user if store.has_user(name) else store.create_user
            save(name, password.get_secret_value(), name != "reader")
    except (MlflowException, OSError) as error:
        raise SettingsError(
            f"MLFLOW_LOGINS is {server.mlflow_logins}, which cannot be written. Mount a volume "
            f"that user {os.getuid()} may write to there ({type(error).__name__})."
        ) from None


if __name__ == "__main__":
    sys.exit(main())
