"""Times: how they are read, and what models learn of them, fitted and exported."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, checker, helper
from onnxruntime import InferenceSession

from core.adapters.onnx_runtime import Runtime
from core.adapters.readers import parse
from core.domain.dataset import Dataset
from core.platform.dataset_file import parse as parse_dataset
from core.rules.data.profile import Profiler
from core.rules.data.typed_values import from_seconds, read_epoch, read_timestamp
from core.rules.model.contract import METADATA_KEY, describe, read_row
from serving.http.row_schema import row_schema
from workers.recipes import export, time_parts
from workers.recipes.onnx_graph import Graph
from workers.recipes.place_boosting import fit

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
PARTS = ("day", "hour", "weekday", "month")


def shop(**keys: Any) -> Dataset:
    time = {"name": "start", "type": "timestamp", "role": "feature"} | keys
    taken = {"name": "taken", "type": "number", "role": "target"}
    return parse_dataset({"name": "shop", "columns": [time, taken]}, "shop.toml")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-28T12:00:00Z", NOON),
        ("2026-11-28T13:00:00+01:00", NOON),
        (" 2026-11-28 12:00Z ", NOON),
        ("2026-11-28T12:00:00.25+0000", NOON + 0.25),
        (datetime(2026, 11, 28, 12, tzinfo=UTC), NOON),
        ("1969-12-31T23:59:59Z", -1.0),
    ],
)
def test_a_time_is_seconds_in_utc(text: Any, seconds: float) -> None:
    assert read_timestamp(text) == seconds


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("2026-11-28T12:00:00", "must name its zone"),
        (datetime(2026, 11, 28), "must name its zone"),  # noqa: DTZ001
        ("2026-11-28", "must be a time as 2026-11-28T10:00:00Z"),
        ("2026-11-31T12:00:00Z", "must be a time as"),
        ("2026-11-28T25:00:00Z", "must be a time as"),
        ("28/11/2026 12:00", "must be a time as"),
        ("9999-12-31T23:59:59.999999Z", "between the years 1000 and 9999"),
        ("0999-12-31T23:59:59Z", "between the years 1000 and 9999"),
        (NOON, "must be a time as"),
        (True, "must be a time as"),
        ([], "must be a time as"),
    ],
)
def test_what_is_no_time_is_refused(value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        read_timestamp(value)


def test_times_without_a_zone_are_of_the_column_s() -> None:
    assert read_timestamp("2026-11-28 13:00", "Europe/Madrid") == NOON
    assert read_timestamp("2026-11-28T12:00Z", "Europe/Madrid") == NOON  # its own zone counts
    assert read_timestamp("11/28/2026 01:00 PM", "Europe/Madrid", "%m/%d/%Y %I:%M %p") == NOON
    with pytest.raises(ValueError, match="must be a time as %m/%d/%Y"):
        read_timestamp("2026-11-28 13:00", "Europe/Madrid", "%m/%d/%Y %I:%M %p")


@pytest.mark.parametrize(
    ("value", "epoch", "seconds"),
    [(NOON, "s", NOON), (NOON * 1e3 + 1, "ms", NOON + 0.001), (f"{NOON:.0f}", "s", NOON)],
)
def test_a_time_may_be_a_number(value: Any, epoch: str, seconds: float) -> None:
    assert read_epoch(value, epoch) == seconds


@pytest.mark.parametrize("value", [NOON * 1e3, 1e300, "noon", math.nan, True])
def test_a_number_in_another_unit_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        read_epoch(value, "s")


@pytest.mark.parametrize("text", ["2026-11-28T12:00:00Z", "2026-11-28T12:00:00.250000Z"])
def test_a_time_is_written_as_it_is_read(text: str) -> None:
    assert from_seconds(read_timestamp(text)) == text


def times() -> list[datetime]:
    """The hours around every month's ends of leap years, centuries and others, and odd ones."""
    dice = np.random.default_rng(1)
    ends = [
        datetime(year, month, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        for year in (1000, 1600, 1700, 1899, 1900, 1969, 1970, 1999, 2000, 2024, 2026, 2100, 9999)
        for month in range(1, 13)
        for seconds in (0, 86_399)
    ] + [datetime(y, m, d, 23, 59, 59, 999_000, tzinfo=UTC)
         for y, m, d in ((2000, 2, 29), (2100, 2, 28), (2024, 2, 29), (9999, 12, 31))]  # fmt: skip
    odd = dice.uniform(-3e9, 2e10, 2_000)
    return ends + [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=s) for s in odd.tolist()]


def test_parts_are_the_calendar_s_in_numpy_and_in_onnx() -> None:
    expected = {
        "day": [(t - datetime(1970, 1, 1, tzinfo=UTC)).days for t in times()],
        "hour": [t.hour for t in times()],
        "weekday": [t.weekday() for t in times()],
        "month": [t.month for t in times()],
    }
    seconds = np.array([*(read_timestamp(t) for t in times()), np.nan])
    names = [f"start.{part}" for part in PARTS]
    fitted = time_parts.numbers(names, {"start": seconds})
    graph = Graph()
    time_parts.add_nodes(graph, names)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes, "parts",
            [helper.make_tensor_value_info("start", TensorProto.DOUBLE, [None, 1])],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 1]) for n in names],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 20)], ir_version=10,
    )  # fmt: skip
    checker.check_model(model)
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    exported = session.run(names, {"start": seconds[:, None]})
    for part, name, values in zip(PARTS, names, exported, strict=True):
        assert fitted[name][:-1].tolist() == expected[part], part
        assert np.isnan(fitted[name][-1])
        np.testing.assert_array_equal(values[:, 0], fitted[name])


def test_a_model_learns_the_hour_and_gives_it_back_exported() -> None:
    made = shop(features=["hour", "weekday"])
    dice = np.random.default_rng(2)
    start = np.round(dice.uniform(1.6e9, 1.7e9, 1_500))
    start[::50] = np.nan
    hour = np.nan_to_num(start // 3600 % 24, nan=12.0)
    rows = {"start": start, "taken": 10.0 * (hour == 8) + hour + dice.normal(0, 0.1, 1_500)}
    fitted = fit.fit(rows, made)
    profiler = Profiler(made)
    for name, values in rows.items():
        profiler.add(name, values)
    contract = describe(made, profiler.finish())
    runtime = Runtime(fitted.to_onnx({METADATA_KEY: contract.to_json()}))
    assert export.check_parity(runtime, fitted, rows) < 1e-5
    asked = [read_row(contract, {"start": f"2022-03-01T{h:02}:30:00Z"}) for h in (7, 8, 9)]
    seven, eight, nine = runtime.predict_rows(asked)
    assert eight - max(seven, nine) > 7
    again = read_row(contract, {"start": "2022-03-01T09:30:00+01:00"})
    assert runtime.predict_rows([again]) == [eight]


def read(made: Dataset, values: list[Any], folder: Path) -> parse.Chunk:
    rows = [{"start": value, "taken": 1} for value in values]
    path = folder / "batch.json"
    path.write_text(json.dumps({"batch_number": 0, "data": rows}), encoding="utf-8")
    (chunk,) = parse.chunks(path, made, Profiler(made), lambda _: None)
    return chunk


def test_a_wrong_time_costs_its_row_alone(tmp_path: Path) -> None:
    chunk = read(shop(), ["2026-11-28T12:00:00.5Z", None, "noon", "2026-11-28 12:00"], tmp_path)
    expected = [datetime(2026, 11, 28, 12, 0, 0, 500_000, tzinfo=UTC), None]
    assert chunk.rows["start"].to_pylist() == expected
    assert [q.reason for q in chunk.quarantined] == [
        "start: must be a time as 2026-11-28T10:00:00Z",
        "start: must name its zone, as 2026-11-28T10:00:00Z",
    ]
    chunk = read(shop(epoch="ms"), [NOON * 1000, "2026-11-28T12:00:00Z"], tmp_path)
    assert chunk.rows["start"].to_pylist() == [datetime(2026, 11, 28, 12, tzinfo=UTC)]
    assert [q.reason for q in chunk.quarantined] == ["start: must be a number"]


def test_requests_are_iso_times_and_the_schema_says_so() -> None:
    made = shop(epoch="s")
    profiler = Profiler(made)
    profiler.add("start", [NOON, NOON, NOON + 60])  # type: ignore[arg-type]
    contract = describe(made, profiler.finish())
    field = row_schema(contract)["properties"]["start"]
    assert (field["type"], field["format"]) == (["string", "null"], "date-time")
    assert field["examples"] == ["2026-11-28T12:00:00Z"]
    assert read_row(contract, {"start": "2026-11-28T12:00:00Z"}, typed=True) == {"start": NOON}
