"""Settings that more than one program reads, from the environment and `.env`.

Read once by each program's entry point and passed on; no other module looks at the
environment. `.env.example` lists every field; a test holds the two together.

In containers secrets come as files: the folder that SECRETS_DIR names may hold a file for any
setting, called like it in small letters. The environment wins over `.env`, and `.env` over a file.
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import SettingsConfigDict

from core.addresses import Destination
from core.claims import read_role_map
from core.errors import BadInput, SettingsError
from core.login import Login
from core.notice import CHOOSABLE, Event, key_of
from core.setting_checks import SettingChecks

_TELLING_PATH = 8
"""Letters from which on the path of a secret address is a secret of its own."""

DATASETS = Path(__file__).parent / "datasets"


class Settings(SettingChecks):
    """What the console, the workers and the CLI need to know about their surroundings."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    data_dir: Path = Field(Path(".data"), description="Folder for everything kept on this disk.")
    database_url: str = Field(
        "",
        repr=False,
        description="SQLAlchemy URL; empty means SQLite in DATA_DIR. MySQL: mysql+pymysql://…",
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6380/0", repr=False, description="Redis or Valkey for the queue."
    )
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
    mlflow_tracking_username: str = Field("", description="Who we are to an MLflow that asks.")
    mlflow_tracking_password: SecretStr = Field(
        SecretStr(""), description="The password of MLFLOW_TRACKING_USERNAME."
    )
    data_api_hosts: str = Field(
        "",
        description="Hosts that DATA_API_URL may name, separated by commas, also where they are "
        "on a private network; empty allows its own.",
    )
    webhook_hosts: str = Field("", description="The same for WEBHOOK_URL.")
    outbound_proxies: bool = Field(
        False,
        description="Reach the data API and the webhook through the proxy that HTTP_PROXY or "
        "HTTPS_PROXY names; what their names resolve to is then the proxy's to check.",
    )
    retain_rows_epochs: int = Field(
        0,
        ge=0,
        description="Epochs before the current one that keep their quarantined rows; 0 keeps all.",
    )
    retain_predictions_days: int = Field(
        0, ge=0, description="Days for which predictions and their feedback are kept; 0 keeps all."
    )
    retain_logs_days: int = Field(
        0, ge=0, description="Days for which the lines that jobs log are kept; 0 keeps all."
    )
    retain_spool_days: int = Field(
        0,
        ge=0,
        description="Days for which answers that could not be read are kept on disk; 0 keeps all.",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Where console, workers and reconciler offer Prometheus metrics; 0 is nowhere.",
    )
    metrics_host: str = Field(
        "127.0.0.1", description="The address that METRICS_PORT is opened on."
    )
    otel_exporter_otlp_endpoint: str = Field(
        "",
        description="The OTLP/HTTP collector that traces go to, such as http://127.0.0.1:4318; "
        "empty records none.",
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

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _collector(cls, url: str) -> str:
        if url and not (url.startswith(("http://", "https://")) and urlsplit(url).hostname):
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
    def secrets(self) -> frozenset[str]:
        """What must never be in a log: every secret setting, and every password in an address."""
        found = set()
        for _, value in self:
            if isinstance(value, SecretStr):
                found.add(value.get_secret_value())
                found |= _told_paths(value.get_secret_value())
            elif isinstance(value, str) and "://" in value:
                found |= _passwords(value)
        return frozenset(found - {""})

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
    def data_api_destination(self) -> Destination:
        """Where batches may be asked for."""
        return Destination.of(
            "DATA_API_URL", self.data_api_url, self.data_api_hosts, proxied=self.outbound_proxies
        )

    @property
    def webhook_destination(self) -> Destination:
        """Where notifications may be posted."""
        url = self.webhook_url.get_secret_value()
        return Destination.of("WEBHOOK_URL", url, self.webhook_hosts, proxied=self.outbound_proxies)

    @property
    def mlflow_login(self) -> Login | None:
        """Who we are to MLflow; None where it does not ask."""
        password = self.mlflow_tracking_password.get_secret_value()
        name = self.mlflow_tracking_username
        return Login(name, password) if name and password else None

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
    folder = os.environ.get("SECRETS_DIR")
    if folder and not Path(folder).is_dir():
        raise SettingsError(f"SECRETS_DIR is {folder}, and there is no such folder.")
    try:
        return Settings(_secrets_dir=folder or None)
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from error


def _passwords(url: str) -> set[str]:
    try:
        password = urlsplit(url).password or ""
    except ValueError:  # no address after all, so there is no password in it either
        return set()
    return {password, unquote(password)}


def _told_paths(url: str) -> set[str]:
    """The part of a secret address by which the sender is known; libraries name it by itself."""
    if "://" not in url:
        return set()
    path = urlsplit(url).path
    return {path} if len(path) >= _TELLING_PATH else set()


def _sentence(error: ValidationError) -> str:
    parts = [
        f"{'.'.join(str(p) for p in problem['loc']).upper()}: {problem['msg']}".removeprefix(": ")
        for problem in error.errors(include_input=False)
    ]
    return f"Check these settings: {'; '.join(parts)}."
