"""The protocols of other servers: the Open Inference Protocol (REST), and MLflow's scoring.

Each model of them is a dataset's live model. Answers are logged like those of `/predict/batch`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from serving.http import invocations, tensors
from serving.http.answers import AnyAnswer
from serving.http.batch import MAX_ROWS, ConcurrencyLimit, answer_rows
from serving.http.predict import read_json
from serving.http.scope import MAX_BATCH_BYTES, MAX_ROW_BYTES, answering, asked, body_of
from serving.http.states import readiness
from serving.model.fleet import Fleet
from serving.model.loaded import LoadedModel
from serving.problems import Problem

_BINARY = "inference-header-content-length"
"""The header of the extension for binary tensors, which Triton's client uses by default."""

_VERSION = "1"
_PREDICT = "/v2/models/{name}"


def add_protocol_routes(app: FastAPI, fleet: Fleet, limit: ConcurrencyLimit) -> None:
    """Add the routes of both protocols."""
    _add_health_routes(app, fleet)

    @app.get(_PREDICT)
    @app.get(_PREDICT + "/versions/{version}")
    async def model(request: Request, name: str, version: str = "") -> Response:
        live = _of_version(request, version)
        return _json(tensors.metadata(name, live.version, live.runtime.contract))

    @app.get(_PREDICT + "/ready")
    @app.get(_PREDICT + "/versions/{version}/ready")
    async def model_ready(request: Request, name: str, version: str = "") -> Response:
        _of_version(request, version)
        return _json({"name": name, "ready": True})

    @app.post(_PREDICT + "/infer")
    @app.post(_PREDICT + "/versions/{version}/infer")
    async def infer(request: Request, name: str, version: str = "") -> Response:
        live = _of_version(request, version)
        if _BINARY in request.headers:
            raise Problem(400, "Send the tensors as JSON (in Triton's client: binary_data=False).")

        def answer(document: Any) -> bytes:
            rows, contract = tensors.rows_of(document), live.runtime.contract
            warns = asked(request).warnings
            wanted = tensors.outputs_wanted(document, contract, warns=warns)
            head = {"model_name": name, "model_version": str(live.version)}
            if isinstance(document.get("id"), str):
                head["id"] = document["id"]
            answers = _answers(request, live, rows)
            return msgspec.json.encode(tensors.response(head, wanted, contract, answers))

        return await _answered(request, limit, answer)

    @app.post("/invocations")
    async def invoke(request: Request) -> Response:
        live = answering(request).served.live.require()
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in ("application/json", ""):
            raise Problem(415, "Send the rows as application/json; /predict/batch takes CSV.")

        def answer(document: Any) -> bytes:
            columns = [field.name for field in live.runtime.contract.fields]
            answers = _answers(request, live, invocations.rows_of(document, columns))
            warns = asked(request).warnings
            return msgspec.json.encode(invocations.response(live.version, answers, warns=warns))

        return await _answered(request, limit, answer)


def _add_health_routes(app: FastAPI, fleet: Fleet) -> None:
    @app.get("/v2")
    async def server() -> Response:
        return _json({"name": "driftdesk", "version": _VERSION, "extensions": []})

    @app.get("/v2/health/live")
    async def live() -> Response:
        return _json({"live": True})

    @app.get("/v2/health/ready")
    async def ready() -> Response:
        status, _ = readiness(fleet, None)
        return _json({"ready": status == 200, "live": True}, status)  # noqa: PLR2004 - HTTP

    @app.get("/ping")
    async def ping() -> Response:
        status, _ = readiness(fleet, None)
        return Response("\n", status, media_type="application/json")

    @app.get("/version")
    async def version() -> Response:
        return Response(_VERSION, media_type="text/plain")


def _of_version(request: Request, version: str) -> LoadedModel:
    """The live model, if it is of this version or none is named.

    Raises:
        Problem: no model is live, or another version is.
    """
    served = answering(request).served
    live = served.live.require()
    if version and version != str(live.version):
        detail = f"Version {version} of {served.name} is not live; version {live.version} is."
        raise Problem(404, detail)
    return live


def _answers(request: Request, live: LoadedModel, rows: list[Any]) -> list[AnyAnswer]:
    if len(rows) > MAX_ROWS:
        raise Problem(413, f"At most {MAX_ROWS:,} rows are allowed; /predict/batch streams more.")
    return answer_rows(live, answering(request).log, rows, asked(request))


async def _answered(
    request: Request, limit: ConcurrencyLimit, answer: Callable[[Any], bytes]
) -> Response:
    """The answer to a body; large ones are limited, and answered beside the event loop."""
    if _is_small(request):
        content = answer(read_json(await body_of(request)))
        return Response(content, media_type="application/json")
    limit.acquire()
    try:
        body = await body_of(request, MAX_BATCH_BYTES)
        content = await run_in_threadpool(lambda: answer(read_json(body)))
    finally:
        limit.release()
    return Response(content, media_type="application/json")


def _is_small(request: Request) -> bool:
    length = request.headers.get("content-length", "")
    is_plain = "content-encoding" not in request.headers
    return is_plain and length.isdecimal() and int(length[:9]) <= MAX_ROW_BYTES


def _json(document: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, media_type="application/json")
