"""An empty Starlette app: it parses the body, whatever that says, and always answers the same.

    python bench/peers/empty_starlette.py PORT FOLDER

The folder has `answer.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    answer = json.loads((folder / "answer.json").read_text())

    async def predict(request: Request) -> JSONResponse:
        json.loads(await request.body())
        return JSONResponse(answer)

    uvicorn.run(
        Starlette(routes=[Route("/predict", predict, methods=["POST"])]),
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
