"""The serving API: the champion, and nothing else. How its parts fit together."""

from __future__ import annotations

import gc
import json
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from core.dataset import load
from core.errors import SettingsError
from core.settings import Settings
from serving import schema
from serving.batch import Batch
from serving.body import read_body, spool_body
from serving.callers import Keys, Rate
from serving.champion import ChampionSource
from serving.database import Database
from serving.feedback import read_feedback
from serving.gate import LARGEST_ROW, Gate
from serving.look import check_signature
from serving.metrics import Metrics
from serving.model import Shelf, Source
from serving.places import Places
from serving.predict import Predict, read_json
from serving.problems import MEDIA_TYPE, UNFORESEEN, Problem, no_model
from serving.record import State, Writer, feedback_line, now
from serving.slot import Follower, Slot
from serving.spool import Spool
from serving.stream import Format, Stream
from serving.together import Together

LARGEST_BATCH = 16 * 1024 * 1024

_ANY = {"", "0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True)
class Parts:
    """What one serving process consists of."""

    settings: Settings
    slot: Slot
    follower: Follower
    spool: Spool
    writer: Writer
    metrics: Metrics
    batch: Batch
    places: Places

    @asynccontextmanager
    async def running(self, _app: object) -> AsyncIterator[None]:
        """From the kept model to the last record."""
        self.slot.warm_start()
        self.spool.open()
        self.writer.start(str(uuid.uuid4()))
        self.follower.start()
        # What is here by now stays; the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        yield
        self.follower.stop()
        await run_in_threadpool(self.writer.stop)
        self.spool.close()


def create_app(settings: Settings, source: Source | None = None) -> ASGIApp:
    """The API, with a thread that follows the alias and one that writes the prediction log.

    `source` is where champions come from; by default the MLflow of the settings.

    Raises:
        SettingsError: the key file cannot be used, or every origin is named.
    """
    dataset = load(settings.dataset_path).name
    name = settings.model_name or dataset
    slot = Slot(
        source or ChampionSource(settings.mlflow_tracking_uri, name, settings.mlflow_login),
        Shelf(settings.data_dir / "serving", dataset),
        dataset,
    )
    places = Places(settings.serving_streams)
    spool = Spool(settings.data_dir / "serving" / "spool", settings.serving_spool_mb * 1024**2)
    writer = Writer(
        spool,
        Database(settings.database),
        lambda: _state(slot),
        _address(settings),
        # A batch is answered first; what it leaves on disk is written after.
        holds_off=lambda: bool(places.taken) and spool.has_room,
    )
    metrics = Metrics(slot, spool, writer)
    batch = Batch(slot, spool, metrics)
    follower = Follower(slot, settings.serving_poll, writer.tell)
    parts = Parts(settings, slot, follower, spool, writer, metrics, batch, places)
    gate = Gate(
        _fastapi(parts),
        Predict(slot, Together(settings.serving_waiting), spool, metrics),
        metrics,
        keys=Keys(settings.serving_keys),
        rate=Rate(settings.serving_rate),
        waiting=settings.serving_waiting,
    )
    return _open_to(settings.serving_origins, gate)


def _state(slot: Slot) -> State:
    live, refused = slot.live, slot.refused
    return State(
        live.version if live else None,
        live.digest if live else "",
        f"version {refused['version']}: {refused['reason']}" if refused else "",
    )


def _address(settings: Settings) -> str:
    if settings.serving_advertise:
        return settings.serving_advertise.rstrip("/")
    host = settings.serving_host
    if host in _ANY:  # a container is known to its neighbours by its own name
        host = socket.gethostname()
    return f"http://{host}:{settings.serving_port}"


def _fastapi(parts: Parts) -> FastAPI:
    app = FastAPIOffline(
        title="driftdesk serving", version="1", lifespan=parts.running, redoc_url=None
    )
    app.openapi = lambda: schema.openapi(parts.slot.live)  # type: ignore[method-assign]
    _add_errors(app)
    _add_looks(app, parts)
    _add_batches(app, parts)
    _add_words(app, parts)
    return app


def _open_to(origins: str, gate: Gate) -> ASGIApp:
    """The same for browsers, where pages of other origins are let in; closed by default.

    Raises:
        SettingsError: every origin is named.
    """
    named = [origin.strip() for origin in origins.split(",") if origin.strip()]
    if "*" in named:
        raise SettingsError("SERVING_ORIGINS names every origin; name those that may call.")
    if not named:
        return gate
    return CORSMiddleware(gate, named, allow_methods=["GET", "POST"], allow_headers=["*"])


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> Response:
        headers = {name.decode(): value.decode() for name, value in error.headers()}
        return Response(error.body(), error.status, headers, MEDIA_TYPE)

    @app.exception_handler(Exception)
    async def stumbled(_request: Request, _error: Exception) -> Response:
        return Response(UNFORESEEN.body(), UNFORESEEN.status, media_type=MEDIA_TYPE)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> Response:
        found = Problem(error.status_code, str(error.detail))
        return Response(found.body(), found.status, dict(error.headers or {}), MEDIA_TYPE)


def _add_looks(app: FastAPI, parts: Parts) -> None:
    slot = parts.slot

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/health/live")
    async def live() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        return JSONResponse({"status": "ok", "model_version": parts.batch.model().version})

    @app.get("/model")
    async def model() -> Response:
        return _json(_describe(parts))

    @app.get("/schema")
    async def row_schema() -> Response:
        if slot.live is None:
            raise no_model()
        return _json(schema.document(slot.live), "application/schema+json")

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(parts.metrics.text(), media_type="text/plain; version=0.0.4")


def _json(document: Any, media_type: str = "application/json") -> Response:
    """A document in which a figure that is no number is null, as a file may carry one."""
    return Response(msgspec.json.encode(document), media_type=media_type)


def _add_batches(app: FastAPI, parts: Parts) -> None:
    batch = parts.batch

    @app.post("/predict/batch")
    async def predict_batch(request: Request) -> Response:
        batch.model()
        parts.places.take()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in (Format.NDJSON, Format.CSV):
            return await _stream(request, parts, Format(kind))
        try:
            body = await read_body(request.scope, request.receive, LARGEST_BATCH)
            answer = await run_in_threadpool(lambda: batch.whole(read_json(body)))
        finally:
            parts.places.give()
        return Response(answer, media_type="application/json")

    @app.post("/predict/check")
    async def check(request: Request) -> Response:
        body = await read_body(request.scope, request.receive, LARGEST_ROW)
        return Response(batch.check(read_json(body)), media_type="application/json")


async def _stream(request: Request, parts: Parts, kind: Format) -> Response:
    file: IO[bytes] | None = None

    def leave() -> None:
        parts.places.give()
        if file:
            file.close()

    try:
        file = await run_in_threadpool(_room, parts)
        largest = parts.settings.serving_stream_mb * 1024**2
        await spool_body(request.scope, request.receive, file, largest)
        stream = await run_in_threadpool(Stream, parts.batch, file, kind)
    except BaseException:
        leave()
        raise
    return _Streamed(stream.answers(), leave, kind)


class _Streamed(StreamingResponse):
    """A streamed answer that gives its place back however it ends."""

    def __init__(self, content: Iterator[bytes], leave: Callable[[], None], kind: str) -> None:
        super().__init__(content, media_type=kind)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


def _room(parts: Parts) -> IO[bytes]:
    """A file that nobody else sees, and that is gone with this process."""
    folder = parts.settings.data_dir / "serving"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    except OSError:
        raise Problem(507, "There is no room on this machine's disk for the request.") from None


def _add_words(app: FastAPI, parts: Parts) -> None:
    secret = parts.settings.serving_push_secret.get_secret_value()

    @app.post("/feedback")
    async def feedback(request: Request) -> JSONResponse:
        body = await read_body(request.scope, request.receive, LARGEST_ROW)
        told = read_feedback(read_json(body))
        source = request.scope.get("driftdesk.caller", "")
        lines = [
            feedback_line(str(uuid.uuid4()), f.prediction_id, f.actual, now(), source) for f in told
        ]
        if not parts.spool.add(b"".join(lines), len(lines)):
            raise Problem(
                503, "It cannot be kept just now: there is no room on disk.", retry_after=30
            )
        return JSONResponse({"accepted": len(lines)}, 202)

    @app.post("/model/look")
    async def look(request: Request) -> JSONResponse:
        body = await read_body(request.scope, request.receive, LARGEST_ROW)
        check_signature(secret, request.headers, body)
        parts.follower.look_now()
        return JSONResponse({"looking": True}, 202)


def _describe(parts: Parts) -> dict[str, Any]:
    slot = parts.slot
    live = slot.live
    about: dict[str, Any] = {
        "version": live.version if live else None,
        "alias": "champion",
        "digest": live.digest if live else None,
        "loaded_at": live.loaded_at.isoformat() if live else None,
        "refused": slot.refused,
        "trouble": slot.trouble,
        "database": parts.writer.away,
        "spool": {"bytes": parts.spool.size, "trouble": parts.spool.trouble},
        "records_dropped": parts.spool.dropped,
    }
    if live:
        about["trained"] = {"registered_at": live.registered_at} | live.runtime.about
        about["contract"] = json.loads(live.runtime.contract.to_json())
    return about
