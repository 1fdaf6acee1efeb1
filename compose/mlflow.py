"""MLflow's server with a login, as its container runs it: `python -m compose.mlflow`.

MLflow takes passwords from an INI file and from the environment only. Here they come as files of
SECRETS_DIR, as everywhere else; they are then in no command line and in no image. Three may log in:

- `admin`, for people;
- `worker`, who publishes models and moves the alias. It may do everything, too: all that is in
  there is its own work, and so a lost file of logins costs nothing;
- `reader`, for the console and serving, which only look.

Logins stand in a SQLite file beside the artifacts and are written anew at each start: MLflow's
tables for them cannot be made in MySQL, where two of their foreign keys have one name.
"""

from __future__ import annotations

import os
import sys
import tempfile
from configparser import RawConfigParser
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import DriftdeskError, SettingsError
from core.placeholder import is_placeholder

_SHORTEST = 12
"""MLflow itself refuses passwords of fewer characters."""


class RegistryServer(BaseSettings):
    """What MLflow's server is started with, from the environment and SECRETS_DIR."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    mlflow_backend_store_uri: SecretStr = Field(description="Its database: mysql+pymysql://…")
    mlflow_artifacts_destination: str = Field(
        "/data/artifacts", description="Where models are kept: a folder, or s3://bucket/path."
    )
    mlflow_logins: Path = Field(Path("/data/logins.db"), description="File of who may log in.")
    mlflow_server_allowed_hosts: str = Field(
        description="Names under which it is reached, with and without the port; others get 403."
    )
    mlflow_port: int = Field(5000, description="The port that it listens on.")
    mlflow_host: str = Field("127.0.0.1", description="The address that it listens on.")
    mlflow_admin_password: SecretStr = Field(description="Of `admin`.")
    mlflow_worker_password: SecretStr = Field(description="Of `worker`.")
    mlflow_reader_password: SecretStr = Field(description="Of `reader`.")
    mlflow_flask_server_secret_key: SecretStr = Field(description="Signs its forms.")

    @model_validator(mode="after")
    def _real_secrets(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name.endswith(("_password", "_key")):
                said = value.get_secret_value()
                if is_placeholder(said) or len(said) < _SHORTEST:
                    raise ValueError(
                        f"{name.upper()} must be a random value of at least {_SHORTEST} characters"
                    )
        return self

    @property
    def people(self) -> dict[str, tuple[str, bool]]:
        """Who may log in: password, and whether they may do everything."""
        return {
            "admin": (self.mlflow_admin_password.get_secret_value(), True),
            "worker": (self.mlflow_worker_password.get_secret_value(), True),
            "reader": (self.mlflow_reader_password.get_secret_value(), False),
        }


def main() -> int:
    """Become MLflow's server; returns only when it cannot be started."""
    try:
        server = _read()
        config = _config(server)
        _admit(server)
    except DriftdeskError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the sentence that the operator reads
        return 1
    signs_forms = server.mlflow_flask_server_secret_key.get_secret_value()
    os.environ.update(
        {
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_BACKEND_STORE_URI": server.mlflow_backend_store_uri.get_secret_value(),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": signs_forms,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
    )
    os.execv(  # noqa: S606 - MLflow's own process, under its own name and signals
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
        said = "; ".join(
            f"{'.'.join(map(str, problem['loc'])).upper()} {problem['msg']}".strip()
            for problem in error.errors(include_input=False)
        )
        raise SettingsError(f"Check these settings: {said}.") from None


def _config(server: RegistryServer) -> Path:
    """MLflow's own file about logins, in a folder that only we can read."""
    parser = RawConfigParser()
    parser["mlflow"] = {
        "default_permission": "READ",
        "database_uri": f"sqlite:///{server.mlflow_logins}",
        "admin_username": "admin",
        "admin_password": server.mlflow_admin_password.get_secret_value(),
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        # Serving asks each second, and comparing a password costs a tenth of that.
        "auth_cache_ttl_seconds": "60",
    }
    path = Path(tempfile.mkdtemp(prefix="mlflow-")) / "auth.ini"
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)
    return path


def _admit(server: RegistryServer) -> None:
    """Let in who may log in, each with the password of today.

    Raises:
        SettingsError: the file of logins cannot be written.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - seconds, and needed only here
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    store = SqlAlchemyStore()
    try:
        store.init_db(f"sqlite:///{server.mlflow_logins}")  # type: ignore[no-untyped-call]
        for name, (password, is_admin) in server.people.items():
            if store.has_user(name):
                store.update_user(name, password, is_admin)
            else:
                store.create_user(name, password, is_admin)
    except (MlflowException, OSError) as error:
        raise SettingsError(
            f"MLFLOW_LOGINS is {server.mlflow_logins}, which cannot be written. Mount a volume "
            f"there that user {os.getuid()} may write to ({type(error).__name__})."
        ) from None


if __name__ == "__main__":
    sys.exit(main())
