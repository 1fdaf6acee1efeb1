"""What serving says beside a prediction: its range, and what pushed it up or down."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from core.adapters.serving.replicas import Serving
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from core.rules.data.profile import Profiler
from core.rules.model.contract import METADATA_KEY, Contract, describe
from core.rules.model.prediction_interval import Interval
from tests.build import contract
from tests.models import tiny_model
from tests.record import decide
from tests.serving.test_api import Champions, api, predict, version
from tests.stacks import wait_for
from workers.recipes.place_boosting import fit

ROW = {"bed": 3, "bath": 2, "acre_lot": 0.5, "house_size": 1000, "city": "a", "zip_code": 6016}
INTERVAL = Interval(0.9, True, (500_000.0,), (0.5, 0.8), 100, 0.912, 90)


@pytest.fixture
def champions() -> Champions:
    return Champions()


def houses(dataset: Dataset, count: int = 400) -> dict[str, Any]:
    random = np.random.default_rng(5)
    size = random.uniform(400, 4_000, count)
    rows: dict[str, Any] = {
        "bed": np.round(size / 700), "bath": np.round(size / 1000) + 1,
        "acre_lot": random.exponential(0.5, count), "house_size": size,
        "status": np.array(["for_sale", "sold"], dtype=object)[random.integers(0, 2, count)],
        "city": np.array([f"c{n}" for n in random.integers(0, 30, count)], dtype=object),
        "state": np.array([f"s{n}" for n in random.integers(0, 5, count)], dtype=object),
        "zip_code": np.array([f"{n:05d}" for n in random.integers(0, 60, count)], dtype=object),
        "price": 200 * size * np.exp(random.normal(0, 0.2, count)),
    }  # fmt: skip
    rows["bed"][::7] = np.nan
    return rows


def trained(dataset: Dataset, interval: Interval | None = INTERVAL) -> bytes:
    rows = houses(dataset)
    profiler = Profiler(dataset)
    for name, values in rows.items():
        profiler.add(name, values)
    about = describe(dataset, [p for p in profiler.finish() if p.count])
    made = Contract(about.dataset, about.title, about.target, about.target_label,
                    about.target_unit, about.fields, interval, about.on_log)  # fmt: skip
    fitted = fit.fit(rows, dataset)
    return fitted.to_onnx({METADATA_KEY: made.to_json()})


@pytest.fixture(scope="module")
def whole() -> bytes:
    return trained(load(SHIPPED_DATASETS / "real_estate.toml"))


def test_an_answer_has_its_range_and_what_pushed_it_where_that_is_asked(
    champions: Champions, whole: bytes, tmp_path: Path
) -> None:
    champions.put(3, whole)
    with api(champions, tmp_path) as url:
        wait_for("version 3 is not live", lambda: version(url) == 3)
        plain = predict(url).json()
        asked = requests.post(f"{url}/predict?explain=true", json=ROW, timeout=5).json()
        refused = requests.post(f"{url}/predict?explain=yes", json=ROW, timeout=5)
        (batched,) = Serving([url]).predict_batch([ROW])
    assert set(plain) == {"prediction_id", "prediction", "model_version", "low", "high"}
    assert set(batched) == {*plain, "warnings"}  # the desk always asks for them
    low, high = INTERVAL.bounds(plain["prediction"])
    assert (plain["low"], plain["high"]) == (low, high)
    assert asked["prediction"] == plain["prediction"]
    given = asked["contributions"]
    assert {f["field"] for f in given["fields"]} == {
        "bed", "bath", "acre_lot", "house_size", "status", "city", "state", "zip_code",
    }  # fmt: skip
    assert given["fields"][0]["field"] == "house_size"
    total = math.log1p(given["baseline"]) + sum(f["effect"] for f in given["fields"])
    assert math.expm1(total) == pytest.approx(asked["prediction"], rel=1e-6)
    assert refused.status_code == 422
    assert "true or false" in refused.json()["detail"]


@pytest.mark.parametrize(
    "row",
    [{}, dict.fromkeys(ROW), {"city": "Ürümqi", "state": "nowhere", "zip_code": "x"},
     {"bed": 0, "bath": 0, "house_size": 1e300, "acre_lot": 0}],
)  # fmt: skip
def test_odd_rows_are_explained_too(
    champions: Champions, whole: bytes, tmp_path: Path, row: dict[str, Any]
) -> None:
    champions.put(3, whole)
    with api(champions, tmp_path) as url:
        wait_for("version 3 is not live", lambda: version(url) == 3)
        answer = Serving([url]).predict(row, explain=True)
    given = answer["contributions"]
    total = math.log1p(given["baseline"]) + sum(f["effect"] for f in given["fields"])
    assert math.expm1(total) == pytest.approx(answer["prediction"], rel=1e-6)


def test_a_model_from_before_there_were_ranges_loads_and_answers(
    champions: Champions, dataset: Dataset, tmp_path: Path
) -> None:
    old = json.loads(contract(dataset).to_json())
    del old["interval"], old["on_log"]

    class Old:
        fields = contract(dataset).fields

        def to_json(self) -> str:
            return json.dumps(old)

    champions.put(1, tiny_model(Old()))  # type: ignore[arg-type]
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        assert set(predict(url).json()) == {"prediction_id", "prediction", "model_version"}
        asked = requests.post(f"{url}/predict?explain=true", json=ROW, timeout=5)
        assert asked.json()["contributions"]["scale"] == "value"


def test_what_was_answered_is_on_record_word_for_word(
    champions: Champions, store: Store, database_url: str, whole: bytes, tmp_path: Path
) -> None:
    champions.put(3, whole)
    decide(store, 3, champions.digests[3])
    with api(champions, tmp_path, database_url) as url:
        wait_for("version 3 is not live", lambda: version(url) == 3)
        asked = Serving([url]).predict(ROW, explain=True)
        plain = Serving([url]).predict(ROW)
        champions.put(4, tiny_model(contract(store.dataset)))
        decide(store, 4, champions.digests[4])
        wait_for("version 4 is not live", lambda: version(url) == 4)
        bare = Serving([url]).predict(ROW)
    with store.read() as work:
        kept = {p["prediction_id"]: work.predictions.get(p["prediction_id"])
                for p in (asked, plain, bare)}  # fmt: skip
    first, second, third = kept.values()
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.prediction, first.model_version) == (asked["prediction"], 3)
    assert first.answer is not None
    assert first.answer["contributions"] == asked["contributions"]
    assert (first.answer["low"], first.answer["high"]) == (asked["low"], asked["high"])
    assert first.answer["coverage"] == {"nominal": 0.9, "measured": 0.912, "rows": 90}
    assert second.answer is not None
    assert "contributions" not in second.answer
    assert third.answer is None


def test_the_documentation_tells_of_range_and_explanation(
    champions: Champions, tmp_path: Path
) -> None:
    with api(champions, tmp_path) as url:
        told = requests.get(f"{url}/openapi.json", timeout=5).json()
    assert told["paths"]["/predict"]["post"]["parameters"][0]["name"] == "explain"
    properties = told["components"]["schemas"]["Prediction"]["properties"]
    assert {"low", "high", "contributions"} <= set(properties)
