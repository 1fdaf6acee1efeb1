"""Settings that more than one program reads, from the environment and `.env`.

Read once by each program's entry point and passed on; no other module looks at the
environment. `.env.example` lists every field; a test holds the two together.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.claims import read_role_map
from core.errors import BadInput, SettingsError
from core.notice import CHOOSABLE, Event, key_of

DATASETS = Path(__file__).parent / "datasets"


class Settings(BaseSettings):
    """What the console, the workers and the CLI need to know about their surroundings."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    data_dir: Path = Field(Path(".data"), description="Folder for everything kept on this disk.")
    database_url: str = Field(
        "", description="SQLAlchemy URL; empty means SQLite in DATA_DIR. MySQL: mysql+pymysql://…"
    )
    redis_url: str = Field("redis://127.0.0.1:6380/0", description="Redis or Valkey for the queue.")
    mlflow_tracking_uri: str = Field("http://127.0.0.1:5000", description="The MLflow server.")
    data_api_url: str = Field("http://127.0.0.1:8010", description="The API that serves batches.")
    data_api_group: int = Field(7, description="The group_number sent to the data API.")
    data_api_day: str = Field("", description="The day sent to the data API; empty sends none.")
    data_api_timeout: float = Field(
        300.0, gt=0, description="Seconds to wait for the data API; an answer lost is a batch lost."
    )
    serving_url: str = Field(
        "http://127.0.0.1:8000",
        description="The serving API; several replicas are separated by commas.",
    )
    serving_host: str = Field("127.0.0.1", description="The address that serving listens on.")
    serving_port: int = Field(8000, description="The port that serving listens on.")
    serving_poll: float = Field(
        1.0, gt=0, description="Seconds between two looks at the registry's alias."
    )
    serving_advertise: str = Field(
        "",
        description="The address at which the promote job reaches this replica of serving; empty "
        "means SERVING_HOST and SERVING_PORT.",
    )
    serving_push_secret: SecretStr = Field(
        SecretStr(""),
        description="Signs the promote job's word to serving to look at once; empty leaves it at "
        "SERVING_POLL.",
    )
    serving_keys: str = Field(
        "",
        description="File of hashed API keys, made by `driftdesk keys add`; empty asks for none.",
    )
    serving_key: SecretStr = Field(
        SecretStr(""), description="The API key that console, command line and workers send."
    )
    serving_waiting: int = Field(
        256, ge=1, description="Predictions that may wait at once; beyond, the answer is 503."
    )
    serving_streams: int = Field(
        2, ge=1, description="Batches that may be worked on at once; beyond, the answer is 503."
    )
    serving_stream_mb: int = Field(
        512, ge=1, description="The largest streamed batch that serving takes, in megabytes."
    )
    serving_rate: float = Field(
        0.0, ge=0, description="Requests a second that one caller may make; 0 is no limit."
    )
    serving_spool_mb: int = Field(
        256,
        ge=1,
        description="Disk that records may take while the database is away, in megabytes; beyond, "
        "they are dropped and counted.",
    )
    serving_origins: str = Field(
        "", description="Web origins that may call serving from a browser, separated by commas."
    )
    live_window: int = Field(
        500, ge=30, description="Predictions in a window of live traffic that is checked for drift."
    )
    dataset: str = Field(
        "real_estate", description="Name of a file in core/datasets, or a path to a .toml file."
    )
    model_name: str = Field(
        "", description="The registered model's name in MLflow; empty means the dataset's name."
    )
    source_restart: Literal["auto", "manual"] = Field(
        "auto", description="When the data ends: restart on the next ingest, or wait for a button."
    )
    promotion: Literal["manual", "auto"] = Field(
        "manual", description="Who promotes: a person, or the best candidate goes live unasked."
    )
    reviewers_required: int = Field(
        1,
        ge=1,
        le=2,
        description="2: a force needs a second person, other than who asked, to confirm it.",
    )
    train_on_drift: bool = Field(
        False, description="Queue training by itself when a batch has drifted."
    )
    lease_seconds: float = Field(
        30.0, ge=3, description="A running job without a heartbeat for this long is taken over."
    )
    serving_seconds: float = Field(
        60.0, gt=0, description="Seconds that serving has to answer with a promoted version."
    )
    max_attempts: int = Field(3, ge=1, description="Runs of a job whose worker keeps dying.")
    actor: str = Field(default_factory=getpass.getuser, description="Who acts, for the audit.")
    log_format: Literal["text", "json"] = Field("text", description="How log lines look.")
    mlflow_link: str = Field("", description="MLflow's address for a browser, where it differs.")
    serving_link: str = Field("", description="Serving's address for a browser, where it differs.")

    console_link: str = Field(
        "http://127.0.0.1:8501", description="The console's address, for links in notifications."
    )
    webhook_url: SecretStr = Field(
        SecretStr(""), description="Where notifications are posted, as JSON; empty sends none."
    )
    webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="Signs notifications with HMAC-SHA256; empty leaves them unsigned.",
    )
    webhook_events: str = Field(
        ",".join(CHOOSABLE), description="What to notify of, separated by commas."
    )
    auth: Literal["none", "oidc"] = Field(
        "none",
        description="How people log in to the console; none works on this machine alone.",
    )
    auth_roles_file: str = Field(
        "", description="TOML file of who has which role; see docs/auth.md."
    )
    auth_roles_claim: str = Field(
        "",
        description="The claim that lists a person's groups, such as groups or realm_access.roles.",
    )
    auth_role_map: str = Field(
        "",
        description="Roles of those groups, such as operator=ml-team;approver=ml-leads.",
    )
    auth_hours: float = Field(
        8.0, gt=0, le=720, description="Hours after which a login ends, in open tabs too."
    )
    auth_contact: str = Field(
        "", max_length=200, description="Whom to ask for a role, as people are told it."
    )

    @field_validator("auth_role_map")
    @classmethod
    def _usable_role_map(cls, pairs: str) -> str:
        try:
            read_role_map(pairs)
        except BadInput as error:
            raise ValueError(str(error)) from None
        return pairs

    @field_validator("webhook_url")
    @classmethod
    def _postable(cls, url: SecretStr) -> SecretStr:
        said = url.get_secret_value()
        if said and not (said.startswith(("http://", "https://")) and urlsplit(said).hostname):
            raise ValueError("must be an http:// or https:// address")
        return url

    @field_validator("webhook_secret")
    @classmethod
    def _usable_secret(cls, secret: SecretStr) -> SecretStr:
        try:
            key_of(secret.get_secret_value())
        except BadInput as error:
            raise ValueError(str(error)) from None
        return secret

    @field_validator("webhook_events")
    @classmethod
    def _known_events(cls, events: str) -> str:
        unknown = {e.strip() for e in events.split(",") if e.strip()} - set(CHOOSABLE)
        if unknown:
            raise ValueError(f"knows {', '.join(CHOOSABLE)}, not {', '.join(sorted(unknown))}")
        return events

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url and not url.startswith(("sqlite://", "mysql+pymysql://")):
            raise ValueError("must start with sqlite:// or mysql+pymysql://")
        return url

    @property
    def database(self) -> str:
        """The database to use: what was set, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'driftdesk.db').absolute()}"

    @property
    def notified(self) -> frozenset[Event]:
        """The events that are sent; a test always is."""
        chosen = {Event(e.strip()) for e in self.webhook_events.split(",") if e.strip()}
        return frozenset(chosen | {Event.TEST})

    @property
    def webhook_host(self) -> str:
        """Where notifications go, without the parts of the address that are secret."""
        return urlsplit(self.webhook_url.get_secret_value()).hostname or ""

    @property
    def spool(self) -> Path:
        """Where answers of the data API are kept as they came."""
        return self.data_dir / "spool"

    @property
    def dataset_path(self) -> Path:
        """The dataset file."""
        named = Path(self.dataset)
        return named if named.suffix == ".toml" else DATASETS / f"{self.dataset}.toml"

    @property
    def serving_urls(self) -> tuple[str, ...]:
        """Every serving replica."""
        return tuple(url.strip().rstrip("/") for url in self.serving_url.split(",") if url.strip())


def read_settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: a value is impossible; the message names the variable.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    parts = [
        f"{'.'.join(str(p) for p in problem['loc']).upper()}: {problem['msg']}"
        for problem in error.errors(include_input=False)
    ]
    return f"Check these settings: {'; '.join(parts)}."
