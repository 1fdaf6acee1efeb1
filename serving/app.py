"""The serving API: the champion, and nothing else."""

from __future__ import annotations

import asyncio
import json
import math
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from core.contract import read_row
from core.dataset import load
from core.errors import BadRow
from core.settings import Settings
from serving import schema
from serving.champion import ChampionSource
from serving.model import LiveModel, Shelf, Slot, Source
from serving.record import PredictionLog, Record

LARGEST_ROW = 64 * 1024
LARGEST_BATCH = 16 * 1024 * 1024
MOST_ROWS = 50_000

_IN_LOOP = 32
"""Rows up to here are predicted on the event loop: a thread would cost more than they do."""


class Problem(Exception):
    """A request that gets no prediction: the status and body of the answer to it."""

    def __init__(self, status: int, detail: str, problems: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"detail": detail} | ({"problems": problems} if problems else {})


def create_app(settings: Settings, source: Source | None = None) -> FastAPI:
    """The API, with a task that follows the alias and a thread that writes the prediction log.

    `source` is where champions come from; by default the MLflow of the settings.
    """
    name = settings.model_name or load(settings.dataset_path).name
    source = source or ChampionSource(settings.mlflow_tracking_uri, name)
    slot = Slot(source, Shelf(settings.data_dir / "serving"))
    records = PredictionLog(settings.database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        slot.warm_start()
        records.start()
        following = asyncio.create_task(_follow(slot, settings.serving_poll))
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await run_in_threadpool(records.stop)

    app = FastAPI(
        title="driftdesk serving", version="1", lifespan=lifespan, openapi_url="/openapi.json"
    )
    app.openapi = lambda: schema.openapi(slot.live)  # type: ignore[method-assign]
    _add_routes(app, slot, records)
    _add_check(app, slot)
    return app


async def _follow(slot: Slot, seconds: float) -> None:
    while True:
        await run_in_threadpool(slot.refresh)
        await asyncio.sleep(seconds)


def _add_routes(app: FastAPI, slot: Slot, records: PredictionLog) -> None:
    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> JSONResponse:
        return JSONResponse(error.body, error.status)

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/health/ready")
    async def ready() -> dict[str, Any]:
        return {"status": "ok", "model_version": _model(slot).version}

    @app.get("/model")
    async def model() -> dict[str, Any]:
        return _describe(slot, records)

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, Any]:
        current = _model(slot)
        explain = _flag(request, "explain")
        row = await _json(request, LARGEST_ROW)
        return (await _answer(current, [row], records, explain=explain))[0]

    @app.post("/predict/batch")
    async def predict_batch(request: Request) -> dict[str, Any]:
        current = _model(slot)
        body = await _json(request, LARGEST_BATCH)
        rows = body.get("rows") if isinstance(body, dict) else None
        if not isinstance(rows, list) or not rows:
            raise Problem(422, 'The body must be {"rows": [row, …]} with at least one row.')
        if len(rows) > MOST_ROWS:
            raise Problem(413, f"A batch has at most {MOST_ROWS:,} rows.")
        return {"predictions": await _answer(current, rows, records)}


def _add_check(app: FastAPI, slot: Slot) -> None:
    @app.post("/predict/check")
    async def check(request: Request) -> dict[str, Any]:
        """Answer as `/predict` would, off the record: how the desk asks whether a swap is done."""
        current = _model(slot)
        body = await _json(request, LARGEST_ROW)
        rows = body.get("rows") if isinstance(body, dict) else None
        if not isinstance(rows, list) or not 0 < len(rows) <= _IN_LOOP:
            raise Problem(422, f'The body must be {{"rows": [row, …]}} with 1 to {_IN_LOOP} rows.')
        inputs = [_inputs(current, row, i) for i, row in enumerate(rows)]
        return {
            "model_version": current.version,
            "digest": current.digest,
            "predictions": current.runtime.predict_rows(inputs),
        }


def _model(slot: Slot) -> LiveModel:
    if slot.live is None:
        raise Problem(503, "No model is live yet. Train one and approve it, then ask again.")
    return slot.live


async def _json(request: Request, largest: int) -> Any:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise Problem(413, f"The body is larger than {largest:,} bytes.")
    try:
        return json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise Problem(422, "The body is not JSON.") from None


def _flag(request: Request, name: str) -> bool:
    said = request.query_params.get(name, "false")
    if said not in ("true", "false"):
        raise Problem(422, f"{name} must be true or false.")
    return said == "true"


async def _answer(
    model: LiveModel, rows: list[Any], records: PredictionLog, *, explain: bool = False
) -> list[dict[str, Any]]:
    inputs = [_inputs(model, row, i if len(rows) > 1 else None) for i, row in enumerate(rows)]
    if len(rows) <= _IN_LOOP:
        values = model.runtime.predict_rows(inputs)
    else:
        values = await run_in_threadpool(model.runtime.predict_rows, inputs)
    if not all(map(math.isfinite, values)):
        raise Problem(422, "The model has no finite answer for this row.")
    now = datetime.now(UTC)
    extra = {"contributions": await _contributions(model, inputs[0])} if explain else {}
    interval = model.runtime.contract.interval
    coverage = {"coverage": interval.coverage()} if interval else {}
    answers = []
    for row, value in zip(rows, values, strict=True):
        beside = _range(model, value) | extra
        kept = beside | coverage if beside else {}
        record = Record(str(uuid.uuid4()), now, model.version, row, value, kept)
        records.add(record)
        answers.append(
            {"prediction_id": record.id, "prediction": value, "model_version": model.version}
            | beside
        )
    return answers


def _range(model: LiveModel, value: float) -> dict[str, Any]:
    """The ends of the range around an answer; nothing for models that have none."""
    interval = model.runtime.contract.interval
    if interval is None:
        return {}
    low, high = interval.bounds(value)
    return {"low": low, "high": high}


async def _contributions(model: LiveModel, inputs: dict[str, float | str]) -> dict[str, Any] | None:
    """What pushed the answer; None for models whose file cannot say."""
    explained = await run_in_threadpool(model.runtime.explain, inputs)
    return explained.to_document() if explained else None


def _inputs(model: LiveModel, row: Any, index: int | None) -> dict[str, float | str]:
    where = "" if index is None else f"rows[{index}]"
    if not isinstance(row, dict):
        raise Problem(422, f"{where or 'The body'} must be an object of fields.")
    try:
        return read_row(model.runtime.contract, row)
    except BadRow as error:
        problems = {f"{where}.{k}" if where else k: v for k, v in error.problems.items()}
        raise Problem(422, "The row does not fit the live model.", problems) from None


def _describe(slot: Slot, records: PredictionLog) -> dict[str, Any]:
    live = slot.live
    about: dict[str, Any] = {
        "version": live.version if live else None,
        "digest": live.digest if live else None,
        "loaded_at": live.loaded_at.isoformat() if live else None,
        "refused": slot.refused,
        "trouble": slot.trouble,
        "records_dropped": records.dropped,
    }
    if live:
        about["contract"] = json.loads(live.runtime.contract.to_json())
    return about
