"""The serving application: creates the components of the process and connects them."""

from __future__ import annotations

import socket
from collections.abc import Callable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from core.domain.dataset import Dataset
from core.domain.errors import SettingsError
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings, model_name_of
from serving.database import QUERY_SECONDS, Database
from serving.http.addresses import Addresses, Answering
from serving.http.answers import AnswerLog
from serving.http.asgi_front import AsgiFront
from serving.http.auth import ApiKeys, RateLimit
from serving.http.batch import ConcurrencyLimit
from serving.http.metrics import Metrics
from serving.http.predict import Predict
from serving.http.routes import Services, fastapi_app
from serving.model.decided_versions import DeskRecord
from serving.model.fleet import Fleet, Served
from serving.model.followers import Followers
from serving.model.live_model import LiveModel
from serving.model.loaded import ModelCache
from serving.model.micro_batch import MicroBatch
from serving.model.mlflow_rest import ChampionSource, connect
from serving.prediction_log.spool import Spool
from serving.prediction_log.writer import State, Writer

_OPEN_PER_WAITING = 4
_ANY = {"", "0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on


def create_app(
    settings: Settings,
    source: ChampionSource | None = None,
    *,
    source_of: Callable[[str], ChampionSource] | None = None,
) -> ASGIApp:
    """The API, with threads that follow the models, and one that writes the prediction log.

    `source` is the model registry of every dataset, by default the MLflow of the settings;
    `source_of` gives one for the registered model of a name.

    Raises:
        DatasetError: the only dataset file cannot be used.
        SettingsError: the key file or DATASETS cannot be used, MODEL_NAME is set for several
            datasets, or SERVING_ORIGINS allows every origin.
    """
    folder = settings.data_dir / "serving"
    record = DeskRecord(Database(settings.database, QUERY_SECONDS))
    mlflow = connect(settings.mlflow_tracking_uri, settings.mlflow_login)

    def follow(dataset: Dataset, several: bool) -> LiveModel:  # noqa: FBT001 - see Fleet.make
        name = model_name_of(settings, dataset, several)
        registry = source or (source_of(name) if source_of else ChampionSource(mlflow, name))
        cached = folder / "models" / dataset.name if settings.datasets else folder
        return LiveModel(registry, record, ModelCache(cached, dataset.name), dataset.name)

    fleet = Fleet(
        DatasetFolder(settings),
        follow,
        Followers(record.close),
        settings.serving_poll,
        settings.default_dataset,
    )
    fleet.open()
    batches = ConcurrencyLimit(settings.serving_streams)
    spool = Spool(folder / "spool", settings.serving_spool_mb * 1024**2)
    writer = Writer(
        spool,
        Database(settings.database),
        lambda: {name: _state(served.live) for name, served in fleet.served.items()},
        lambda: fleet.first,
        _address(settings),
        # Running batches have priority over writing records, as long as the spool has room.
        holds_off=lambda: bool(batches.in_use) and spool.has_room,
    )
    fleet.swapped = writer.announce
    metrics = Metrics(fleet, spool, writer)

    def answering(served: Served) -> Answering:
        log = AnswerLog(spool, metrics, served.name)
        return Answering(
            served, Predict(served.live, MicroBatch(settings.serving_waiting), log), log
        )

    addresses = Addresses(fleet, answering)
    addresses.rebuild()
    fleet.changed.append(addresses.rebuild)
    keys = ApiKeys(settings.serving_keys)
    services = Services(settings, fleet, addresses, keys, spool, writer, metrics, batches)
    front = AsgiFront(
        fastapi_app(services),
        addresses,
        metrics,
        keys,
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
