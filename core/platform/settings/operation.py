"""Settings of jobs and decisions, notifications, logs, metrics and traces."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from core.platform.settings.checks import check_shown, valid
from core.rules.access.setting_urls import check_url
from core.rules.ops.notification import CHOOSABLE, Event, key_of
from core.rules.ops.signed_delivery import check_strong

_MODEL_NAME = re.compile(r"\w[\w .-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)


_check_private_url = partial(check_url, userinfo=True)


class OperationSettings(BaseSettings):
    """How the pipeline runs, whom it notifies, and how it is observed."""

    model_name: str = ""
    """The registered model's name in MLflow; empty means the dataset's name."""
    promotion: Literal["manual", "auto"] = "manual"
    """Who promotes: a person, or the pipeline itself if every gate is passed."""
    reviewers_required: int = Field(1, ge=1, le=2)
    """2: a second person must confirm each force."""
    train_on_drift: bool = False
    """Queue training automatically when the verdict about a batch is to retrain."""
    lease_seconds: float = Field(30.0, ge=3)
    """A running job without a heartbeat for this long is taken over."""
    max_attempts: int = Field(3, ge=1)
    """Attempts at a job whose worker dies."""
    training_seconds: float = Field(3600.0, gt=0)
    """The time limit of a dataset's training command, in seconds; then the command is stopped."""
    training_memory_mb: int = Field(4096, ge=64)
    """The memory limit of a training command, or of one of the dataset's own metrics, with all
    processes that it starts, in megabytes."""
    training_url: Annotated[str, valid(check_shown)] = ""
    """Where the rows for a training command are written: a folder, or a URL such as
    s3://BUCKET/rows that every machine of its cluster can read. Empty means a temporary folder."""
    training_environment: str = ""
    """Environment variables that a training command gets in addition to PATH, HOME and the
    language, separated by commas, such as AWS_PROFILE."""
    evaluation_rows: int = Field(1_000_000, ge=1_000)
    """The largest number of held-out rows that models are evaluated on; if there are more, those
    with the smallest content hashes are used."""
    metric_seconds: float = Field(60.0, gt=0)
    """The time limit of each of a dataset's own metrics in an evaluation, in seconds."""
    console_link: str = "http://127.0.0.1:8501"
    """The console's address, for links in notifications."""
    webhook_url: Annotated[SecretStr, valid(_check_private_url)] = SecretStr("")
    """The URL that notifications are posted to, as JSON; empty sends none."""
    webhook_secret: Annotated[SecretStr, valid(key_of)] = SecretStr("")
    """Signs notifications with HMAC-SHA256; empty leaves them unsigned."""
    events_secret: Annotated[SecretStr, valid(check_strong)] = SecretStr("")
    """Verifies POST /events/batch-ready at the console, which queues an ingest; empty switches
    it off."""
    webhook_events: str = ",".join(CHOOSABLE)
    """The events to notify of, separated by commas."""
    log_format: Literal["text", "json"] = "text"
    """The format of log lines."""
    metrics_port: int = Field(0, ge=0, le=65535)
    """The port of the Prometheus metrics of console, workers and reconciler; 0 is none."""
    metrics_host: str = "127.0.0.1"
    """The address that METRICS_PORT listens on."""
    otel_exporter_otlp_endpoint: Annotated[str, valid(_check_private_url)] = ""
    """The OTLP/HTTP collector that traces are sent to, such as http://127.0.0.1:4318; empty
    records none."""

    @field_validator("model_name")
    @classmethod
    def _usable_model_name(cls, name: str) -> str:
        if name and not _MODEL_NAME.fullmatch(name):
            raise ValueError("takes up to 100 letters, digits, spaces, dots, - and _")
        return name

    @field_validator("training_environment")
    @classmethod
    def _no_settings_of_the_service(cls, names: str) -> str:
        variables = {name.strip() for name in names.split(",") if name.strip()}
        if odd := sorted(name for name in variables if not _VARIABLE.fullmatch(name)):
            raise ValueError(f"takes names of environment variables, not {', '.join(odd)[:200]}")
        if own := sorted(name for name in variables if name.lower() in cls.model_fields):
            raise ValueError(f"must not pass on settings of driftdesk: {', '.join(own)}")
        return names

    @field_validator("webhook_events")
    @classmethod
    def _known_events(cls, events: str) -> str:
        unknown = {e.strip() for e in events.split(",") if e.strip()} - set(CHOOSABLE)
        if unknown:
            raise ValueError(f"takes {', '.join(CHOOSABLE)}, not {', '.join(sorted(unknown))}")
        return events

    @property
    def passed_on(self) -> tuple[str, ...]:
        """The names of TRAINING_ENVIRONMENT."""
        return tuple(n.strip() for n in self.training_environment.split(",") if n.strip())

    @property
    def notified(self) -> frozenset[Event]:
        """The events to send; the test event is always one of them."""
        chosen = {Event(e.strip()) for e in self.webhook_events.split(",") if e.strip()}
        return frozenset(chosen | {Event.TEST})

    @property
    def webhook_host(self) -> str:
        """The host of WEBHOOK_URL, whose other parts are secret."""
        return urlsplit(self.webhook_url.get_secret_value()).hostname or ""
