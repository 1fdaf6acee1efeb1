"""The routes of the data API."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Body, FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response, StreamingResponse

from compose.data_api.cursors import Cursors
from compose.data_api.faults import (
    ANYWHERE,
    CutResponse,
    Fault,
    Faults,
    Kind,
    Route,
    instead,
    turn,
)
from compose.data_api.folder import Folder
from compose.data_api.generator import Generator
from compose.data_api.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from compose.data_api.batches import Source
    from compose.data_api.options import Options

GROUPS = range(1, 11)
WRONG_GROUP = "Número de grupo inválido"
END = "Ya se recolectó toda la información {spelling} necesaria"
GREETING = {"Proyecto Final": "Extracción de datos, entrenamiento de modelos"}
HEALTHY = {"status": "OK"}


def create_app(
    options: Options, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> FastAPI:
    """Build the service; `sleep` is what a delay waits by.

    Raises:
        FolderError: the folder of the options cannot be served.
        StateError: the file of cursors cannot be read.
    """
    app = FastAPI(title="Data API (stand-in)", docs_url=None, redoc_url=None)
    desk = _Desk(options, sleep)
    app.add_api_route("/", desk.greet, methods=["GET"])
    app.add_api_route("/health", desk.health, methods=["GET"], response_model=None)
    app.add_api_route("/data", desk.data, methods=["GET"], response_model=None)
    app.add_api_route(
        "/restart_data_generation", desk.restart, methods=["GET"], response_model=None
    )
    if options.faults:
        app.add_api_route("/faults", desk.arm, methods=["POST"])
        app.add_api_route("/faults", desk.armed, methods=["GET"])
        app.add_api_route("/faults", desk.disarm, methods=["DELETE"])
    return app


class _Desk:
    """One service: its batches, the groups' cursors and the armed faults.

    Invariants: the cursor moves in the event loop, in one piece and before the answer is made;
    neither the day nor what becomes of the answer makes a difference to it.
    """

    def __init__(self, options: Options, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._options = options
        self._sleep = sleep
        self._source: Source = Folder.of(options.folder) if options.folder else Generator(options)
        self._cursors = Cursors(options.state)
        self._faults = Faults()
        self._wire = Wire(
            as_lists=options.rows == "lists",
            stray_space=options.stray_space,
            bad_rows=options.bad_rows,
            seed=options.seed,
        )

    async def greet(self) -> dict[str, str]:
        return GREETING

    async def health(self) -> Response:
        fault = self._faults.take("health")
        return await self._answer(fault, partial(JSONResponse, HEALTHY))

    async def restart(self, group_number: int, day: str | None = None) -> Response:
        self._check(group_number, day)
        self._cursors.move(group_number, 0)
        content: Any = {"ok": True} if self._options.restart_answer == "object" else ["ok"]
        fault = self._faults.take("restart")
        return await self._answer(fault, partial(JSONResponse, content))

    async def data(self, group_number: int, day: str | None = None) -> Response:
        self._check(group_number, day)
        size = self._source.size
        cursor = min(self._cursors.at(group_number), size)
        fault = self._faults.take_for_data(cursor, size)
        kind = fault.kind if fault else None
        step = turn(cursor, size, kind)
        if step.cursor != cursor:
            self._cursors.move(group_number, step.cursor)
        if step.number is None:
            return await self._answer(fault, self._end)
        head: dict[str, object] = {"group_number": group_number, "batch_number": step.number}
        if self._options.day:
            head["day"] = day
        batch = self._source.batch(step.number, other=step.other)
        broken = kind == "malformed"
        body = partial(self._wire.body, head, step.number, batch, broken=broken)
        if kind == "cut":
            return CutResponse(body)
        return await self._answer(
            fault, lambda: StreamingResponse(body(), media_type="application/json")
        )

    async def arm(
        self,
        kind: Annotated[Kind, Body()],
        times: Annotated[int, Body(ge=1, le=1_000_000)] = 1,
        seconds: Annotated[float, Body(ge=0, le=3600)] = 2.0,
        on: Annotated[Route, Body()] = "data",
    ) -> dict[str, Any]:
        if on != "data" and kind not in ANYWHERE:
            detail = f"Only {', '.join(sorted(ANYWHERE))} can go wrong on {on}."
            raise HTTPException(400, detail)
        self._faults.arm(Fault(kind, times, seconds, on))
        return await self.armed()

    async def armed(self) -> dict[str, Any]:
        return {"armed": [asdict(fault) for fault in self._faults.armed]}

    async def disarm(self) -> dict[str, Any]:
        self._faults.clear()
        return await self.armed()

    def _check(self, group_number: int, day: str | None) -> None:
        if self._options.day and day is None:
            missing = {"type": "missing", "loc": ("query", "day"), "msg": "Field required"}
            raise RequestValidationError([missing | {"input": None}])
        if group_number not in GROUPS:
            raise HTTPException(400, WRONG_GROUP)

    def _end(self) -> Response:
        detail = END.format(spelling=self._options.spelling)
        return JSONResponse({"detail": detail}, status_code=400)

    async def _answer(self, fault: Fault | None, right: Callable[[], Response]) -> Response:
        if fault and fault.kind == "delay":
            await self._sleep(fault.seconds)
        return (instead(fault.kind) if fault else None) or right()
