"""An empty FastAPI app: it validates the row and always gives the same answer.

    python bench/peers/empty_fastapi.py PORT FOLDER

The folder has `contract.json` and `answer.json`.
"""

import json
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from row import row_model


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    answer = json.loads((folder / "answer.json").read_text())
    row = row_model(json.loads((folder / "contract.json").read_text()))
    app = FastAPI()

    @app.post("/predict")
    async def predict(row: row) -> dict[str, float | int | str]:  # type: ignore[valid-type]  # noqa: ARG001
        return dict(answer)

    uvicorn.run(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
