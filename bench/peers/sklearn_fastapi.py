"""FastAPI over the fitted scikit-learn model: a DataFrame of one row for each request.

    python bench/peers/sklearn_fastapi.py PORT FOLDER

The folder has `contract.json` and `fitted.pickle`, the same model before its export. Its steps are
ours and run on arrays, which costs less than a ColumnTransformer on a frame would: this peer is
rather too fast than too slow.
"""

import json
import math
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI
from row import row_model

from core.domain.dataset import ColumnType
from core.rules.model.contract import Contract

TEXTS = (ColumnType.CATEGORY, ColumnType.CODE)


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    text = (folder / "contract.json").read_text()
    texts = {f.name for f in Contract.from_json(text).fields if f.type in TEXTS}
    row = row_model(json.loads(text))
    fitted = pickle.loads((folder / "fitted.pickle").read_bytes())
    app = FastAPI()

    @app.post("/predict")
    async def predict(row: row) -> dict[str, float]:  # type: ignore[valid-type]
        frame = pd.DataFrame([row.model_dump()])
        columns = {
            name: frame[name].fillna("").to_numpy(object)
            if name in texts
            else frame[name].to_numpy(np.float64, na_value=math.nan)
            for name in frame
        }
        return {"prediction": float(fitted.predict(columns)[0])}

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
