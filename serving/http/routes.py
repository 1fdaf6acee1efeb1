"""The routes of the API that FastAPI handles: all but `POST /predict`."""

from __future__ import annotations

import gc
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from core.domain.registry_names import CHAMPION
from core.domain.task import Task
from core.platform import tracing
from core.platform.settings import Settings
from core.rules.ops.notification import signature
from serving.http.answers import AnswerLog, uuids
from serving.http.asgi_front import MAX_ROW_BYTES
from serving.http.batch import ConcurrencyLimit, check_batch, predict_batch
from serving.http.body import read_body
from serving.http.feedback import read_feedback
from serving.http.metrics import Metrics
from serving.http.openapi import openapi
from serving.http.predict import read_json
from serving.http.row_schema import schema_document
from serving.http.stream import Format
from serving.http.stream_response import stream_response
from serving.model.live_model import AliasFollower, LiveModel
from serving.prediction_log.spool import Spool
from serving.prediction_log.writer import Writer, feedback_lines
from serving.problems import INTERNAL_ERROR, MEDIA_TYPE, Problem

MAX_BATCH_BYTES = 16 * 1024 * 1024

MAX_SKEW = 60
"""Seconds by which the timestamp of a signed request may differ from this clock."""

_NO_TELEMETRY = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own does not see `/predict`; `AsgiFront` records all routes."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Services:
    """The components of one serving process."""

    settings: Settings
    live_model: LiveModel
    follower: AliasFollower
    spool: Spool
    writer: Writer
    metrics: Metrics
    answer_log: AnswerLog
    batches: ConcurrencyLimit
    task: Task

    @property
    def classes(self) -> tuple[bool, tuple[str, ...]]:
        """Whether feedback is a label, and the known labels; of the live model, or the dataset."""
        live = self.live_model.current
        if live is None:
            return self.task.is_classifier, ()
        contract = live.runtime.contract
        return contract.task.is_classifier, contract.classes

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Start the components, and stop them at the end of the block."""
        self.live_model.warm_start()
        self.spool.open()
        self.writer.start(*uuids(1))
        self.follower.start()
        # Exclude everything loaded so far from garbage collection.
        gc.collect()
        gc.freeze()
        yield
        self.follower.stop()
        await run_in_threadpool(self.writer.stop)
        self.spool.close()
        await run_in_threadpool(tracing.stop)


def fastapi_app(services: Services) -> FastAPI:
    """The FastAPI application behind `AsgiFront`."""
    app = FastAPIOffline(
        title="driftdesk serving",
        version="1",
        lifespan=services.lifespan,
        redoc_url=None,
        telemetry=_NO_TELEMETRY,
    )
    app.openapi = lambda: openapi(services.live_model.current)  # type: ignore[method-assign]
    for error in (Problem, HTTPException, Exception):
        app.add_exception_handler(error, _error_response)
    _add_read_routes(app, services)
    _add_write_routes(app, services)
    return app


async def _error_response(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        body = Problem(error.status_code, str(error.detail)).body()
        return Response(body, error.status_code, error.headers, MEDIA_TYPE)
    problem = error if isinstance(error, Problem) else INTERNAL_ERROR
    headers = {name.decode(): value.decode() for name, value in problem.headers}
    return Response(problem.body(), problem.status, headers, MEDIA_TYPE)


def _add_read_routes(app: FastAPI, services: Services) -> None:
    live_model = services.live_model

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/health/live")
    async def live() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        version = live_model.require().version
        return JSONResponse({"status": "ok", "model_version": version, "notice": live_model.notice})

    @app.get("/model")
    async def model() -> Response:
        return _json(_describe(services))

    @app.get("/schema")
    async def row_schema() -> Response:
        return _json(schema_document(live_model.require()), "application/schema+json")

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(services.metrics.text(), media_type="text/plain; version=0.0.4")


def _json(document: Any, media_type: str = "application/json") -> Response:
    """JSON by msgspec, which encodes NaN, as a model file may contain it, as null."""
    return Response(msgspec.json.encode(document), media_type=media_type)


def _describe(services: Services) -> dict[str, Any]:
    live_model, spool = services.live_model, services.spool
    model = live_model.current
    description: dict[str, Any] = {
        "version": model.version if model else None,
        "alias": CHAMPION,
        "digest": model.digest if model else None,
        "loaded_at": model.loaded_at.isoformat() if model else None,
        "confirmed": live_model.confirmed,
        "notice": live_model.notice,
        "refused": live_model.refused,
        "trouble": live_model.trouble,
        "database": services.writer.away,
        "spool": {"bytes": spool.size, "trouble": spool.trouble},
        "records_dropped": spool.dropped,
    }
    if model:
        description["trained"] = {"registered_at": model.registered_at} | model.runtime.about
        description["contract"] = json.loads(model.runtime.contract.to_json())
    return description


def _add_write_routes(app: FastAPI, services: Services) -> None:
    settings, limit = services.settings, services.batches
    live_model, answer_log = services.live_model, services.answer_log

    async def body_of(request: Request, largest: int = MAX_ROW_BYTES) -> bytes:
        return await read_body(request.scope, request.receive, largest)

    @app.post("/predict/batch")
    async def batch(request: Request) -> Response:
        live_model.require()  # fail before the body is read
        limit.acquire()
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type in (Format.NDJSON, Format.CSV):
            return await stream_response(
                request,
                Format(media_type),
                answer_log,
                live_model,
                folder=settings.data_dir / "serving",
                largest=settings.serving_stream_mb * 1024**2,
                release=limit.release,
            )
        try:
            body = await body_of(request, MAX_BATCH_BYTES)
            answer = await run_in_threadpool(
                lambda: predict_batch(live_model, answer_log, read_json(body))
            )
        finally:
            limit.release()
        return Response(answer, media_type="application/json")

    @app.post("/predict/check")
    async def check(request: Request) -> Response:
        answer = check_batch(live_model, read_json(await body_of(request)))
        return Response(answer, media_type="application/json")

    @app.post("/feedback")
    async def feedback(request: Request) -> JSONResponse:
        document = read_json(await body_of(request))
        classifies, classes = services.classes
        reports = read_feedback(document, classifies=classifies, classes=classes)
        entries = [(id_, *report) for id_, report in zip(uuids(len(reports)), reports, strict=True)]
        lines = feedback_lines(entries, request.scope.get("driftdesk.caller", ""))
        if not services.spool.add(lines, len(entries)):
            raise Problem(503, "The feedback cannot be stored: the disk is full.", retry_after=30)
        return JSONResponse({"accepted": len(entries)}, 202)

    @app.post("/model/look")
    async def refresh(request: Request) -> JSONResponse:
        secret = settings.serving_push_secret.get_secret_value()
        _check_signature(secret, request.headers, await body_of(request))
        log.info("refresh requested")
        services.follower.refresh_now()
        return JSONResponse({"looking": True}, 202)


def _check_signature(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Accept a request to refresh that is signed as `core.rules.ops.notification` signs.

    It carries no data: what is live is still read from the registry. The signature keeps others
    from making this process query the registry at will.

    Raises:
        Problem: no secret is configured, or the signature is missing, expired or invalid.
    """
    if not secret:
        raise Problem(404, "Refresh requests are disabled: SERVING_PUSH_SECRET is not set.")
    uid, given = headers.get("webhook-id", ""), headers.get("webhook-signature", "")
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(time.time() - int(stamp[:12])) > MAX_SKEW:
        raise Problem(401, "The request is not signed, or its signature has expired.")
    expected = signature(secret, uid, int(stamp[:12]), body)
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise Problem(401, "The signature is invalid.")
