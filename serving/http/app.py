"""The serving application: creates the components of the process and connects them."""

from __future__ import annotations

import socket

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from core.domain.errors import SettingsError
from core.platform.dataset_file import load
from core.platform.settings import Settings
from serving.database import QUERY_SECONDS, Database
from serving.http.answers import AnswerLog
from serving.http.asgi_front import AsgiFront
from serving.http.auth import ApiKeys, RateLimit
from serving.http.batch import ConcurrencyLimit
from serving.http.metrics import Metrics
from serving.http.predict import Predict
from serving.http.routes import Services, fastapi_app
from serving.model.decided_versions import DeskRecord
from serving.model.live_model import AliasFollower, LiveModel
from serving.model.loaded import ModelCache
from serving.model.micro_batch import MicroBatch
from serving.model.mlflow_rest import ChampionSource
from serving.prediction_log.spool import Spool
from serving.prediction_log.writer import State, Writer

_OPEN_PER_WAITING = 4
_ANY = {"", "0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on


def create_app(settings: Settings, source: ChampionSource | None = None) -> ASGIApp:
    """The API, with a thread that follows the alias and one that writes the prediction log.

    `source` is the model registry, by default the MLflow of the settings.

    Raises:
        SettingsError: the key file cannot be used, or SERVING_ORIGINS allows every origin.
    """
    described = load(settings.dataset_path)
    dataset = described.name
    name = settings.model_name or dataset
    folder = settings.data_dir / "serving"
    live_model = LiveModel(
        source or ChampionSource(settings.mlflow_tracking_uri, name, settings.mlflow_login),
        DeskRecord(Database(settings.database, QUERY_SECONDS)),
        ModelCache(folder, dataset),
        dataset,
    )
    batches = ConcurrencyLimit(settings.serving_streams)
    spool = Spool(folder / "spool", settings.serving_spool_mb * 1024**2)
    writer = Writer(
        spool,
        Database(settings.database),
        lambda: _state(live_model),
        _address(settings),
        # Running batches have priority over writing records, as long as the spool has room.
        holds_off=lambda: bool(batches.in_use) and spool.has_room,
    )
    metrics = Metrics(live_model, spool, writer)
    answer_log = AnswerLog(spool, metrics)
    follower = AliasFollower(live_model, settings.serving_poll, writer.announce)
    services = Services(
        settings, live_model, follower, spool, writer, metrics, answer_log, batches, described.task
    )
    front = AsgiFront(
        fastapi_app(services),
        Predict(live_model, MicroBatch(settings.serving_waiting), answer_log),
        metrics,
        ApiKeys(settings.serving_keys),
        RateLimit(settings.serving_rate),
        most_open=settings.serving_waiting * _OPEN_PER_WAITING,
    )
    return _with_cors(settings.serving_origins, front)


def _state(live_model: LiveModel) -> State:
    model, refused = live_model.current, live_model.refused
    refusal = f"version {refused['version']}: {refused['reason']}" if refused else ""
    return (model.version, model.digest, refusal) if model else (None, "", refusal)


def _address(settings: Settings) -> str:
    if settings.serving_advertise:
        return settings.serving_advertise.rstrip("/")
    # A container is reachable by its host name.
    host = socket.gethostname() if settings.serving_host in _ANY else settings.serving_host
    return f"http://{host}:{settings.serving_port}"


def _with_cors(origins: str, front: AsgiFront) -> ASGIApp:
    """Add CORS headers for the named origins; without any, none are sent.

    Raises:
        SettingsError: every origin is allowed.
    """
    named = [origin.strip() for origin in origins.split(",") if origin.strip()]
    if "*" in named:
        raise SettingsError("SERVING_ORIGINS allows every origin; name the allowed ones.")
    if not named:
        return front
    return CORSMiddleware(
        front,
        named,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["x-request-id"],
    )
