"""The routes of the API that FastAPI handles: all but `POST /predict`."""

from __future__ import annotations

import gc
import hmac
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

from core.platform import tracing
from core.platform.settings import Settings
from core.rules.ops.notification import signature
from serving.http.addresses import Addresses, Answering
from serving.http.answers import uuids
from serving.http.auth import ANYBODY, ApiKeys
from serving.http.batch import ConcurrencyLimit, check_batch, predict_batch
from serving.http.error_shapes import error_answer
from serving.http.feedback import read_feedback
from serving.http.metrics import Metrics
from serving.http.openapi import openapi
from serving.http.predict import read_json
from serving.http.protocol_routes import add_protocol_routes
from serving.http.row_schema import schema_document
from serving.http.scope import KEY, MAX_BATCH_BYTES, OF, ROUTE, answering, asked, body_of
from serving.http.states import described, listed, readiness
from serving.http.stream import Format
from serving.http.stream_response import stream_response
from serving.model.fleet import Fleet
from serving.prediction_log.spool import Spool
from serving.prediction_log.writer import Writer, feedback_lines
from serving.problems import INTERNAL_ERROR, Problem

MAX_SKEW = 60
"""Seconds by which the timestamp of a signed request may differ from this clock."""

_NO_TELEMETRY = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own does not see `/predict`; `AsgiFront` records all routes."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Services:
    """The components of one serving process."""

    settings: Settings
    fleet: Fleet
    addresses: Addresses
    keys: ApiKeys
    spool: Spool
    writer: Writer
    metrics: Metrics
    batches: ConcurrencyLimit

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Start the components, and stop them at the end of the block."""
        self.fleet.warm_start()
        self.spool.open()
        self.writer.start(*uuids(1))
        self.fleet.start()
        # Exclude everything loaded so far from garbage collection.
        gc.collect()
        gc.freeze()
        yield
        self.fleet.followers.stop()
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
    for error in (Problem, HTTPException, Exception):
        app.add_exception_handler(error, _error_response)
    _replace_openapi(app)
    _add_read_routes(app, services)
    _add_write_routes(app, services)
    add_protocol_routes(app, services.fleet, services.batches)
    return app


async def _error_response(request: Request, error: Exception) -> Response:
    headers = {}
    if isinstance(error, HTTPException):
        problem = Problem(error.status_code, str(error.detail))
        headers = dict(error.headers or {})
    else:
        problem = error if isinstance(error, Problem) else INTERNAL_ERROR
        headers = {name.decode(): value.decode() for name, value in problem.headers}
    status, media, body = error_answer(request.scope.get(ROUTE, ""), problem)
    return Response(body, status, headers, media)


def _replace_openapi(app: FastAPI) -> None:
    """Let each dataset have a document of its own; FastAPI knows one for the whole application."""
    app.router.routes[:] = [
        route for route in app.router.routes if getattr(route, "path", "") != app.openapi_url
    ]

    @app.get(str(app.openapi_url), include_in_schema=False)
    async def document(request: Request) -> Response:
        root = request.scope.get("root_path", "")
        return _json(openapi(answering(request).served.live.current, root))


def _add_read_routes(app: FastAPI, services: Services) -> None:
    fleet = services.fleet

    @app.get("/", include_in_schema=False)
    async def root(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")

    @app.get("/health/live")
    async def live() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/health/ready")
    async def ready(request: Request) -> Response:
        keys = services.keys
        key = ANYBODY if not keys.binds else keys.known(request.scope["headers"])
        status, document = readiness(fleet, key)
        return _json(document, status=status)

    @app.get("/datasets")
    async def datasets(request: Request) -> Response:
        return _json(listed(fleet, request.scope[KEY]))

    @app.get("/model")
    async def model(request: Request) -> Response:
        served = answering(request).served
        return _json(described(served, services.spool, services.writer))

    @app.get("/schema")
    async def row_schema(request: Request) -> Response:
        model = answering(request).served.live.require()
        return _json(schema_document(model), "application/schema+json")

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(services.metrics.text(), media_type="text/plain; version=0.0.4")


def _json(document: Any, media_type: str = "application/json", status: int = 200) -> Response:
    """JSON by msgspec, which encodes NaN, as a model file may contain it, as null."""
    return Response(msgspec.json.encode(document), status, media_type=media_type)


def _add_write_routes(app: FastAPI, services: Services) -> None:
    settings, limit = services.settings, services.batches

    @app.post("/predict/batch")
    async def batch(request: Request) -> Response:
        of = answering(request)
        of.served.live.require()  # fail before the body is read
        limit.acquire()
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type in (Format.NDJSON, Format.CSV):
            return await stream_response(
                request,
                Format(media_type),
                of.log,
                of.served.live,
                folder=settings.data_dir / "serving",
                largest=settings.serving_stream_mb * 1024**2,
                release=limit.release,
            )
        try:
            wanted, body = asked(request), await body_of(request, MAX_BATCH_BYTES)
            answer = await run_in_threadpool(
                lambda: predict_batch(of.served.live, of.log, read_json(body), wanted)
            )
        finally:
            limit.release()
        return Response(answer, media_type="application/json")

    @app.post("/predict/check")
    async def check(request: Request) -> Response:
        body = await body_of(request)
        answer = check_batch(answering(request).served.live, read_json(body))
        return Response(answer, media_type="application/json")

    @app.post("/feedback")
    async def feedback(request: Request) -> JSONResponse:
        document = read_json(await body_of(request))
        served = answering(request).served
        classifies, classes = served.classes
        reports = read_feedback(document, classifies=classifies, classes=classes)
        entries = [(id_, *report) for id_, report in zip(uuids(len(reports)), reports, strict=True)]
        lines = feedback_lines(served.name, entries, request.scope[KEY].name)
        if not services.spool.add(lines, len(entries)):
            raise Problem(503, "The feedback cannot be stored: the disk is full.", retry_after=30)
        return JSONResponse({"accepted": len(entries)}, 202)

    @app.post("/model/look")
    async def refresh(request: Request) -> JSONResponse:
        secret = settings.serving_push_secret.get_secret_value()
        _check_signature(secret, request.headers, await body_of(request))
        log.info("refresh requested")
        of: Answering | None = request.scope[OF]
        for served in [of.served] if of else list(services.fleet.served.values()):
            served.look_now()
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
