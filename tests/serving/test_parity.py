"""What is served is what was fitted, nulls and all, whichever way it is asked."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from core.domain.dataset import Dataset
from core.rules.data import usable_rows
from core.rules.data.holdout import held_out
from core.rules.data.profile import Profiler
from core.rules.data.typed_values import read_code, read_text
from core.rules.model.contract import METADATA_KEY, describe
from tests.serving.test_api import Champions, api, version
from tests.stacks import REAL_ROWS, STAND_IN_ROWS, wait_for
from workers.recipes.place_boosting import fit

ROWS = 2_000
TOLERANCE = 1e-5


def columns(paths: list[Path], dataset: Dataset) -> dict[str, Any]:
    """The rows of files as columns, as training takes them."""
    cells = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            cells += list(csv.DictReader(file))
    rows: dict[str, Any] = {}
    for column in (*dataset.features, dataset.target):
        values = [cell[column.name] for cell in cells]
        if column.type == "code":
            rows[column.name] = np.array(
                [read_code(v, column.width) if v else "" for v in values], dtype=object
            )
        elif column.is_text:
            rows[column.name] = np.array([read_text(v) for v in values], dtype=object)
        else:
            rows[column.name] = np.array([float(v) if v else np.nan for v in values])
    return rows


def told(value: Any) -> Any:
    if isinstance(value, str):
        return value or None
    return None if np.isnan(value) else float(value)


@pytest.mark.parametrize(
    "paths",
    [
        sorted(STAND_IN_ROWS.iterdir()),
        pytest.param([REAL_ROWS / "rows.csv"], marks=[pytest.mark.real_rows, pytest.mark.whole]),
    ],
    ids=["stand-in", "real"],
)
def test_rows_are_answered_as_the_fitted_model_does(
    dataset: Dataset, tmp_path: Path, paths: list[Path]
) -> None:
    rows = columns(paths, dataset)
    keep = usable_rows.usable(rows, dataset)
    rows = {name: values[keep] for name, values in rows.items()}
    side = held_out(rows, dataset)
    learn = {name: values[~side] for name, values in rows.items()}
    profiler = Profiler(dataset)
    for name, values in learn.items():
        is_text = dataset.column(name).is_text
        profiler.add(name, [v or None for v in values] if is_text else values)
    fitted = fit.fit(learn, dataset)
    contract = describe(dataset, profiler.finish())
    champions = Champions()
    champions.put(1, fitted.to_onnx({METADATA_KEY: contract.to_json()}))
    asked = {name: values[side][:ROWS] for name, values in rows.items()}
    expected = fitted.predict(asked)
    names = [field.name for field in contract.fields]
    bodies = [{n: told(asked[n][i]) for n in names} for i in range(min(ROWS, side.sum()))]
    nulls = sum(value is None for body in bodies for value in body.values())
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        session = requests.Session()
        one_by_one = np.array(
            [
                session.post(f"{url}/predict", json=b, timeout=10).json()["prediction"]
                for b in bodies
            ]
        )
        batch = session.post(f"{url}/predict/batch", json={"rows": bodies}, timeout=60).json()
        lines = "\n".join(map(json.dumps, bodies))
        streamed = post(session, url, lines, "application/x-ndjson")
        table = io.StringIO()
        writer = csv.DictWriter(table, names)
        writer.writeheader()
        writer.writerows(bodies)
        rows_of_csv = csv.DictReader(post(session, url, table.getvalue(), "text/csv").splitlines())
    worst = float(np.max(np.abs(one_by_one - expected) / np.abs(expected)))
    print(f"{len(bodies)} rows with {nulls} nulls: worst relative difference {worst:.2g}")
    assert nulls > len(bodies) / 50
    assert worst < TOLERANCE
    others = [
        [p["prediction"] for p in batch["predictions"]],
        [json.loads(line)["prediction"] for line in streamed.splitlines()],
        [float(row["prediction"]) for row in rows_of_csv],
    ]
    for other in others:
        assert other == pytest.approx(one_by_one.tolist(), rel=1e-9)


def post(session: requests.Session, url: str, body: str, kind: str) -> str:
    answer = session.post(
        f"{url}/predict/batch", data=body.encode(), headers={"content-type": kind}, timeout=60
    )
    assert answer.status_code == 200
    return answer.content.decode()
