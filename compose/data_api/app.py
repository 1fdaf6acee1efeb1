"""The routes of the data API."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response, StreamingResponse

from compose.data_api.cursors import Cursors
from compose.data_api.faults import ANYWHERE, Fault, Faults, cut_off, instead, turn
from compose.data_api.folder import Folder
from compose.data_api.generator import Generator
from compose.data_api.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from compose.data_api.options import Options

GROUPS = range(1, 11)
WRONG_GROUP = "Número de grupo inválido"
END = "Ya se recolectó toda la información {spelling} necesaria"
GREETING = {"Proyecto Final": "Extracción de datos, entrenamiento de modelos"}


def create_app(
    options: Options, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> FastAPI:
    """Create the service; `sleep` implements the fault `delay`.

    Raises:
        FolderError: the folder of the options cannot be served.
        StateError: the file of cursors cannot be read.
    """
    app = FastAPI(title="Data API (stand-in)", docs_url=None, redoc_url=None)
    service = _Service(options, sleep)
    app.get("/")(service.greet)
    app.get("/health", response_model=None)(service.health)
    app.get("/data", response_model=None)(service.data)
    app.get("/restart_data_generation", response_model=None)(service.restart)
    if options.faults:
        app.post("/faults")(service.arm)
        app.get("/faults")(service.armed)
        app.delete("/faults")(service.disarm)
    return app


class _Service:
    """The batches, the cursor of each group and the armed faults.

    Invariants: the cursor moves atomically, before the response is created, whether or not the
    client receives it; the day does not matter.
    """

    def __init__(self, options: Options, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._options = options
        self._sleep = sleep
        self._source = Folder.of(options.folder) if options.folder else Generator(options)
        self._cursors = Cursors(options.state)
        self._faults = Faults()
        self._wire = Wire(options)

    async def greet(self) -> dict[str, str]:
        return GREETING

    async def health(self) -> Response:
        fault = self._faults.take("health")
        return await self._answer(fault, partial(JSONResponse, {"status": "OK"}))

    async def restart(self, group_number: int, day: str | None = None) -> Response:
        self._check(group_number, day)
        self._cursors.move(group_number, 0)
        fault = self._faults.take("restart")
        return await self._answer(fault, partial(JSONResponse, {"ok": True}))

    async def data(self, group_number: int, day: str | None = None) -> Response:
        self._check(group_number, day)
        size = len(self._source)
        cursor = min(self._cursors.at(group_number), size)
        fault = self._faults.take_for_data(cursor, size)
        kind = fault.kind if fault else None
        number, following = turn(cursor, size, kind)
        if following != cursor:
            self._cursors.move(group_number, following)
        if number is None:
            detail = END.format(spelling=self._options.spelling)
            return await self._answer(fault, partial(JSONResponse, {"detail": detail}, 400))
        head: dict[str, object] = {"group_number": group_number, "batch_number": number}
        if self._options.day:
            head["day"] = day
        batch = self._source.batch(number, other=kind == "other_content")
        body = partial(self._wire.body, head, number, batch, broken=kind == "malformed")
        if kind == "cut":
            return await cut_off(body)
        json = "application/json"
        return await self._answer(fault, lambda: StreamingResponse(body(), media_type=json))

    async def arm(self, fault: Fault) -> dict[str, list[Fault]]:
        if fault.on != "data" and fault.kind not in ANYWHERE:
            detail = f"{fault.on} supports only the faults {', '.join(sorted(ANYWHERE))}."
            raise HTTPException(400, detail)
        self._faults.armed.append(fault)
        return await self.armed()

    async def armed(self) -> dict[str, list[Fault]]:
        return {"armed": self._faults.armed}

    async def disarm(self) -> dict[str, list[Fault]]:
        self._faults.armed.clear()
        return await self.armed()

    def _check(self, group_number: int, day: str | None) -> None:
        if self._options.day and day is None:
            missing = {"type": "missing", "loc": ("query", "day"), "msg": "Field required"}
            raise RequestValidationError([missing | {"input": None}])
        if group_number not in GROUPS:
            raise HTTPException(400, WRONG_GROUP)

    async def _answer(self, fault: Fault | None, right: Callable[[], Response]) -> Response:
        if fault and fault.kind == "delay":
            await self._sleep(fault.seconds)
        return (instead(fault.kind) if fault else None) or right()
