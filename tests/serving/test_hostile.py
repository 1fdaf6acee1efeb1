"""What a stranger sends, and what a spoiled file holds: each is an answer, none an accident."""

from __future__ import annotations

import json
import re
import time
from datetime import date
from pathlib import Path
from typing import Any

import onnx
import pytest
import requests
from onnx import TensorProto, helper

from core.adapters.onnx_runtime import ABOUT_KEY
from core.domain.dataset import Dataset
from core.platform.settings import Settings
from core.rules.data.typed_values import read_date
from core.rules.model.contract import METADATA_KEY
from serving.http.app import create_app
from tests.build import contract
from tests.models import tiny_model
from tests.serving.test_api import ROW, Champions, api, predict, version
from tests.stacks import serve, wait_for


@pytest.fixture
def champions() -> Champions:
    return Champions()


def with_metadata(model: bytes, **more: str) -> bytes:
    """The model with its metadata replaced."""
    loaded = onnx.load_from_string(model)
    kept = {entry.key: entry.value for entry in loaded.metadata_props}
    helper.set_model_props(loaded, kept | more)
    return bytes(loaded.SerializeToString())


def changed_contract(of: Dataset, **changes: Any) -> bytes:
    document = json.loads(contract(of).to_json())
    field = changes.pop("field", {})
    document |= changes
    number = next(f for f in document["fields"] if f["type"] == "number")
    number |= field
    return with_metadata(tiny_model(contract(of)), **{METADATA_KEY: json.dumps(document)})


def that_cannot_run(dataset: Dataset) -> bytes:
    """Loads, and fails at its first run: what it gathers is not there."""
    loaded = onnx.load_from_string(tiny_model(contract(dataset)))
    loaded.graph.initializer.append(helper.make_tensor("far", TensorProto.INT64, [1], [99]))
    last = loaded.graph.node[-1]
    last.output[0] = "almost"
    loaded.graph.node.append(helper.make_node("Gather", ["almost", "far"], ["prediction"], axis=1))
    return bytes(loaded.SerializeToString())


def of_two_answers(dataset: Dataset) -> bytes:
    loaded = onnx.load_from_string(tiny_model(contract(dataset)))
    loaded.graph.node[-1].output[0] = "one"
    loaded.graph.node.append(helper.make_node("Concat", ["one", "one"], ["prediction"], axis=0))
    return bytes(loaded.SerializeToString())


@pytest.mark.parametrize(
    "spoil",
    [
        that_cannot_run,
        of_two_answers,
        lambda d: changed_contract(d, field={"minimum": "many"}),
        lambda d: changed_contract(d, field={"default": [1]}),
        lambda d: changed_contract(d, dataset="\ud800" * 9),
        lambda d: changed_contract(d, dataset="x" * 1_000_000),
        lambda d: changed_contract(d, interval={"nominal": 0.9}),
        lambda d: with_metadata(tiny_model(contract(d)), **{METADATA_KEY: "[" * 100_000}),
        lambda d: with_metadata(
            tiny_model(contract(d)), **{"driftdesk.golden": '[{"row": 5, "prediction": 1}]'}
        ),
    ],
)
def test_a_file_that_does_harm_is_refused_with_a_reason_that_can_be_read(
    champions: Champions, dataset: Dataset, tmp_path: Path, spoil: Any
) -> None:
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        champions.put(2, spoil(dataset))

        def refused() -> Any:
            return requests.get(f"{url}/model", timeout=5).json()["refused"]

        wait_for("version 2 is not refused", lambda: bool(refused()), 10)
        assert refused()["version"] == 2
        assert 10 < len(refused()["reason"]) <= 1_000
        metrics = requests.get(f"{url}/metrics", timeout=5)
        assert metrics.status_code == 200
        assert re.search(r'refused_info\{dataset="real_estate",reason="', metrics.text)
        assert predict(url).json()["model_version"] == 1


def test_figures_that_are_no_numbers_are_null_where_the_model_is_described(
    champions: Champions, dataset: Dataset, tmp_path: Path
) -> None:
    model = changed_contract(dataset, field={"low": float("nan"), "high": float("inf")})
    about = '{"metrics": {"r2": NaN, "rmse": Infinity, "mae": 1}}'
    champions.put(1, with_metadata(model, **{ABOUT_KEY: about}))
    with api(champions, tmp_path) as url:
        wait_for("not ready", lambda: requests.get(f"{url}/health/ready", timeout=5).ok)
        said = requests.get(f"{url}/model", timeout=5)
        assert said.status_code == 200
        assert said.json()["trained"]["metrics"] == {"r2": None, "rmse": None, "mae": 1}
        assert "NaN" not in said.text
        for path in ("/schema", "/openapi.json"):
            told = requests.get(url + path, timeout=5)
            assert told.status_code == 200
            assert "NaN" not in told.text


@pytest.mark.parametrize("more", ["\ud800", "\x00", "x" * 300])
def test_a_date_takes_nothing_that_cannot_be_recorded(more: str) -> None:
    assert read_date("2026-11-24T10:00:00") == (date(2026, 11, 24) - date(1970, 1, 1)).days
    with pytest.raises(ValueError, match="must"):
        read_date(f"2026-11-24{more}")


@pytest.mark.parametrize(
    "stamp",
    ["", "-1", "nan", "²", "\xb2\xb3", "9" * 400, pytest.param(str(int(time.time())), id="now")],
)
def test_a_word_that_is_not_signed_is_refused_whatever_its_headers_say(
    champions: Champions, tmp_path: Path, stamp: str
) -> None:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        database_url=f"sqlite:///{tmp_path / 'none.db'}",
        serving_push_secret="much secret",  # type: ignore[arg-type]
    )
    headers = {"webhook-id": "\xe9", "webhook-signature": "v1,\xff", "webhook-timestamp": stamp}
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    with serve(create_app(settings, champions)) as url:
        answer = requests.post(f"{url}/model/look", data=b"{}", headers=sent, timeout=5)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_feedback_that_is_no_object_is_pointed_at_as_a_whole(
    champions: Champions, tmp_path: Path
) -> None:
    with api(champions, tmp_path) as url:
        one = requests.post(f"{url}/feedback", json="x", timeout=5).json()
        two = requests.post(f"{url}/feedback", json=["x"], timeout=5).json()
    assert [e["pointer"] for e in (*one["errors"], *two["errors"])] == ["#", "#/0"]


def test_an_unforeseen_fault_is_a_problem_on_every_way(
    champions: Champions, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("division by zero")

    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        monkeypatch.setattr("core.adapters.onnx_runtime.Runtime.predict", stumble)
        monkeypatch.setattr("core.adapters.onnx_runtime.Runtime.predict_rows", stumble)
        for path, body in (("/predict", ROW), ("/predict/batch", {"rows": [ROW]})):
            answer = requests.post(url + path, json=body, timeout=5)
            assert answer.status_code == 500
            assert answer.headers["content-type"] == "application/problem+json"
            assert "division" not in answer.text
