"""Settings of storage: database, Redis, MLflow, and how long data is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from core.domain.basic_auth import Login
from core.platform.database_url import read_database_url, sqlite_url
from core.platform.settings.checks import check_shown, valid
from core.rules.access.setting_urls import check_redis


class StorageSettings(BaseSettings):
    """The data folder, the database, Redis, MLflow, and retention."""

    data_dir: Path = Path(".data")
    """Folder for everything kept on this disk."""
    database_url: Annotated[str, valid(read_database_url)] = Field("", repr=False)
    """The database; empty means SQLite in DATA_DIR. MySQL:
    mysql+pymysql://USER:PASSWORD@HOST/NAME, with ?unix_socket=… or ?ssl_ca=…; see
    docs/how-to/real-stores.md."""
    redis_url: Annotated[str, valid(check_redis, may_be_empty=False)] = Field(
        "redis://127.0.0.1:6380/0", repr=False
    )
    """Redis or Valkey for the queue."""
    mlflow_tracking_uri: Annotated[str, valid(check_shown)] = "http://127.0.0.1:5000"
    """The MLflow server."""
    mlflow_tracking_username: str = ""
    """The user name for an MLflow that requires a login."""
    mlflow_tracking_password: SecretStr = SecretStr("")
    """The password of MLFLOW_TRACKING_USERNAME."""
    mlflow_link: str = ""
    """MLflow's address for a browser, where it differs."""
    spool_url: Annotated[str, valid(check_shown)] = ""
    """Where answers of the source are kept until they are stored; empty means DATA_DIR/spool. A
    folder, or a URL such as s3://BUCKET/spool where workers on several hosts share no folder;
    see docs/scaling.md."""
    retain_epochs: int = Field(1, ge=0)
    """Closed epochs whose rows stay in the database, to be trained on by choice and downloaded;
    0 keeps the current epoch's rows only."""
    retain_rows_epochs: int = Field(0, ge=0)
    """Closed epochs whose quarantined rows are kept; 0 keeps all."""
    retain_predictions_days: int = Field(0, ge=0)
    """Days for which predictions and their feedback are kept; 0 keeps all."""
    retain_logs_days: int = Field(0, ge=0)
    """Days for which the lines that jobs log are kept; 0 keeps all."""
    retain_spool_days: int = Field(0, ge=0)
    """Days for which unreadable answers of the data API stay on disk; 0 keeps all."""

    @field_validator("mlflow_tracking_username", "mlflow_tracking_password")
    @classmethod
    def _readable_to_mlflow(cls, value: str | SecretStr) -> str | SecretStr:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text and not (text.isascii() and text.isprintable()):
            # MLflow's artifact routes decode both as ASCII and answer 401 to anything else.
            raise ValueError("must be of ASCII characters: MLflow 3 reads no others everywhere")
        if ":" in text and not isinstance(value, SecretStr):
            raise ValueError("must not contain a colon")
        return value

    @property
    def database(self) -> str:
        """The URL of the database: DATABASE_URL, or SQLite in the data folder."""
        return self.database_url or sqlite_url(str((self.data_dir / "driftdesk.db").absolute()))

    @property
    def spool(self) -> Path:
        """The folder of this host in which answers of the source are written and parsed."""
        if self.spool_url and self.spool_is_local:
            return Path(self.spool_url.removeprefix("file://"))
        return self.data_dir / "spool"

    @property
    def spool_is_local(self) -> bool:
        """Whether the spool is a folder, rather than objects at a URL."""
        return "://" not in self.spool_url.removeprefix("file://")

    @property
    def mlflow_login(self) -> Login | None:
        """The login for MLflow; None where it needs none."""
        password = self.mlflow_tracking_password.get_secret_value()
        name = self.mlflow_tracking_username
        return Login(name, password) if name and password else None
