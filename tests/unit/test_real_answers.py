"""On real rows: ranges hold as often as they promise, and pushes add up to the answer."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import pytest

from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import Column, ColumnType, Dataset
from core.rules.data import usable_rows
from core.rules.data.holdout import held_out, row_hash
from core.rules.data.profile import profile_number
from core.rules.data.typed_values import read_code, read_number, read_text
from core.rules.model.contract import METADATA_KEY
from core.rules.model.prediction_interval import Interval, calibrate
from tests.build import contract
from tests.stacks import REAL_ROWS
from workers.recipes.place_boosting import fit

pytestmark = pytest.mark.real_rows

Rows = dict[str, Any]


def read(dataset: Dataset) -> Rows:
    with (REAL_ROWS / "rows.csv").open(encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    wanted = (*dataset.features, dataset.target)
    rows = {c.name: column(c, [row[c.name] for row in cells]) for c in wanted}
    keep = usable_rows.usable(rows, dataset)
    return {name: values[keep] for name, values in rows.items()}


def column(about: Column, cells: list[str]) -> Any:
    if about.is_text:
        is_code = about.type is ColumnType.CODE
        texts = [read_code(c, about.width) if is_code and c else read_text(c) for c in cells]
        return np.array(texts, dtype=object)
    return np.array([read_number(c) if c.strip() else np.nan for c in cells])


@pytest.fixture(scope="module")
def made(dataset: Dataset) -> tuple[Runtime, Interval, Rows]:
    rows = read(dataset)
    side = held_out(rows, dataset)
    learn = {name: values[~side] for name, values in rows.items()}
    judge = {name: values[side] for name, values in rows.items()}
    fitted = fit.fit(learn, dataset)
    target = dataset.target.name
    interval = calibrate(
        judge[target],
        fitted.predict(judge),
        row_hash(judge, dataset),
        levels=profile_number(target, learn[target]).grid,
        on_log=fitted.on_log,
    )
    assert interval is not None
    metadata = {METADATA_KEY: contract(dataset).to_json()}
    return Runtime(fitted.to_onnx(metadata)), interval, judge


def test_ranges_hold_as_often_as_they_promise_at_every_level(
    made: tuple[Runtime, Interval, Rows],
) -> None:
    """Two standard errors of a share of 0.9 are 0.018 on the measured half, 0.04 on a fifth."""
    runtime, interval, judge = made
    print(interval)
    assert interval.measured_on > 1_000
    assert interval.measured == pytest.approx(0.9, abs=0.02)
    predicted = runtime.predict(judge)
    ends = np.array([interval.bounds(p) for p in predicted.tolist()])
    within = (ends[:, 0] <= judge["price"]) & (judge["price"] <= ends[:, 1])
    for part in np.array_split(np.argsort(predicted), 5):
        assert within[part].mean() == pytest.approx(0.9, abs=0.05)


def test_pushes_add_up_to_the_answer_row_by_row(made: tuple[Runtime, Interval, Rows]) -> None:
    runtime, _interval, judge = made
    answers = runtime.predict(judge)
    nulls = 0
    for n in range(150):
        row = {name: judge[name][n] for name in judge if name != "price"}
        nulls += sum(v == "" or v != v for v in row.values())  # noqa: PLR0124 - NaN
        explained = runtime.explain(row)
        assert explained is not None
        assert explained.prediction == pytest.approx(answers[n], rel=1e-6)
    assert nulls > 0
