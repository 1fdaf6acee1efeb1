"""Clients of other servers: the Open Inference Protocol (REST), and MLflow's own client."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import requests

from core.adapters.store import Store
from core.domain.dataset import Dataset
from tests.build import class_dataset, contract
from tests.models import tiny_model
from tests.record import decide
from tests.serving.many import Registries, fleet, versions
from tests.serving.test_api import ROW, SUM, Champions, api, version
from tests.stacks import wait_for

LABELS = ("no", "yes")


@pytest.fixture(scope="module")
def url(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two datasets; `homes` is the default one."""
    registries = Registries()
    registries.put(dataset, "homes", 3, 1.0)
    registries.put(dataset, "rides", 8, 2.0)
    folder = tmp_path_factory.mktemp("protocols")
    with fleet(registries, folder, default_dataset="homes") as served:
        wait_for("both are not live", lambda: versions(served) == {"homes": 3, "rides": 8})
        yield served


TYPES = {"city": "BYTES", "zip_code": "INT64", "bed": "INT32", "bath": "FP32"}


def tensors(*rows: dict[str, Any], width: list[int] | None = None) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "shape": [len(rows), *(width or [])],
            "datatype": TYPES.get(name, "FP64"),
            "data": [[row[name]] if width else row[name] for row in rows],
        }
        for name in rows[0]
    ]


def infer(url: str, name: str, body: Any, of: str = "") -> requests.Response:
    return requests.post(f"{url}/v2/models/{name}{of}/infer", json=body, timeout=5)


def outputs(response: requests.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return {output["name"]: output for output in response.json()["outputs"]}


def test_an_inference_request_is_answered_in_tensors(url: str) -> None:
    rows = [ROW, ROW | {"bed": 4}]
    for width in (None, [1]):
        body = {"id": "42", "inputs": tensors(*rows, width=width), "parameters": {"x": True}}
        response = infer(url, "rides", body)
        document = response.json()
        assert [document[key] for key in ("model_name", "model_version", "id")] == [
            "rides", "8", "42",
        ]  # fmt: skip
        made = outputs(response)
        assert made["prediction"] == {
            "name": "prediction", "datatype": "FP64", "shape": [2],
            "data": [pytest.approx(SUM * 2), pytest.approx(SUM * 2 + 2)],
        }  # fmt: skip
        assert len(set(made["prediction_id"]["data"])) == 2
    flat = [{**t, "data": [v for row in t["data"] for v in row]} for t in tensors(ROW, width=[1])]
    assert outputs(infer(url, "rides", {"inputs": flat}))["prediction"]["shape"] == [1]


def test_only_the_outputs_that_are_asked_for_are_given(url: str) -> None:
    body = {"inputs": tensors(ROW), "outputs": [{"name": "prediction"}]}
    assert list(outputs(infer(url, "homes", body))) == ["prediction"]


def test_warnings_are_given_on_request_in_both_protocols(url: str) -> None:
    odd, usual = ROW | {"city": "Atlantis"}, ROW
    said = "City “Atlantis” does not occur in the training data."
    body = {"inputs": tensors(odd, usual), "outputs": [{"name": "prediction"}]}
    asked = requests.post(f"{url}/v2/models/homes/infer?warnings=true", json=body, timeout=5)
    made = outputs(asked)["warnings"]
    assert (made["datatype"], made["shape"]) == ("BYTES", [2])
    assert [said in text for text in made["data"]] == [True, False]
    answer = invoke(url, {"instances": [odd, usual]}, "/invocations?warnings=true")
    assert [said in row for row in answer.json()["warnings"]] == [True, False]
    assert "warnings" not in invoke(url, {"instances": [odd]}).json()


def test_a_version_is_answered_while_it_is_live(url: str) -> None:
    body = {"inputs": tensors(ROW)}
    assert infer(url, "homes", body, "/versions/3").json()["model_version"] == "3"
    refused = infer(url, "homes", body, "/versions/4")
    assert refused.status_code == 404
    assert refused.json() == {"error": "Version 4 of homes is not live; version 3 is."}
    for path, code in (("", 200), ("/versions/3", 200), ("/versions/4", 404)):
        answer = requests.get(f"{url}/v2/models/homes{path}/ready", timeout=5)
        assert answer.status_code == code, path


def test_metadata_describe_server_and_models(url: str, dataset: Dataset) -> None:
    server = requests.get(f"{url}/v2", timeout=5).json()
    assert {"name", "version", "extensions"} == set(server)
    assert requests.get(f"{url}/v2/health/live", timeout=5).json()["live"] is True
    assert requests.get(f"{url}/v2/health/ready", timeout=5).json()["ready"] is True
    model = requests.get(f"{url}/v2/models/homes", timeout=5).json()
    assert (model["name"], model["versions"]) == ("homes", ["3"])
    inputs = {tensor["name"]: tensor for tensor in model["inputs"]}
    assert set(inputs) == {column.name for column in dataset.features}
    assert inputs["bed"] == {"name": "bed", "datatype": "FP64", "shape": [-1]}
    assert inputs["city"]["datatype"] == "BYTES"
    assert [tensor["name"] for tensor in model["outputs"]] == ["prediction", "prediction_id"]
    assert requests.get(f"{url}/v2/models/homes/ready", timeout=5).json() == {
        "name": "homes", "ready": True,
    }  # fmt: skip


BED = {"name": "bed", "shape": [1], "datatype": "INT64", "data": [3]}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "at least one tensor"),
        ({"inputs": []}, "at least one tensor"),
        ({"inputs": [3]}, "inputs[0]"),
        ({"inputs": [BED | {"name": None}]}, "inputs[0]"),
        ({"inputs": [BED, BED]}, "two tensors 'bed'"),
        ({"inputs": [BED | {"datatype": "FP8"}]}, "datatype of 'bed'"),
        ({"inputs": [BED | {"datatype": ["FP64"]}]}, "datatype of 'bed'"),
        ({"inputs": [BED | {"shape": [2]}]}, "has 1 values, its shape 2"),
        ({"inputs": [BED | {"shape": [1, 2]}]}, "shape of 'bed'"),
        ({"inputs": [BED | {"shape": []}]}, "shape of 'bed'"),
        ({"inputs": [BED | {"shape": [True]}]}, "shape of 'bed'"),
        ({"inputs": [BED | {"shape": [-1]}]}, "has 1 values"),
        ({"inputs": [BED | {"shape": [0], "data": []}]}, "at least one row"),
        ({"inputs": [BED | {"data": "AAAA"}]}, "not binary data"),
        ({"inputs": [BED | {"data": [3.5]}]}, "Value 0 of 'bed' is no INT64"),
        ({"inputs": [BED | {"data": [True]}]}, "Value 0 of 'bed' is no INT64"),
        ({"inputs": [BED | {"data": [[1, 2]]}]}, "Value 0 of 'bed' is no INT64"),
        ({"inputs": [BED, BED | {"name": "bath", "shape": [2], "data": [1, 2]}]}, "one number"),
        ({"inputs": [BED | {"name": "ghost"}]}, "rows/0/ghost"),
        ({"inputs": [BED | {"data": [-1]}]}, "rows/0/bed must be at least 0"),
        ({"inputs": [BED], "outputs": [{"name": "ghost"}]}, "no output 'ghost'"),
        ({"inputs": [BED], "outputs": 3}, "outputs must be"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong_in_the_protocols_shape(
    url: str, body: Any, says: str
) -> None:
    refused = infer(url, "homes", body)
    assert refused.status_code == 400
    assert list(refused.json()) == ["error"]
    assert says in refused.json()["error"]


def test_what_is_not_there_is_told_in_the_protocols_shape(url: str) -> None:
    unknown = requests.get(f"{url}/v2/models/cars", timeout=5)
    assert unknown.status_code == 404
    assert "Datasets here: homes, rides" in unknown.json()["error"]
    headers = {"inference-header-content-length": "9"}
    binary = requests.post(f"{url}/v2/models/homes/infer", b"{}", headers=headers, timeout=5)
    assert (binary.status_code, list(binary.json())) == (400, ["error"])
    assert "binary_data=False" in binary.json()["error"]
    wrong = requests.post(f"{url}/v2/models/homes/infer", b"{", timeout=5)
    assert (wrong.status_code, list(wrong.json())) == (400, ["error"])
    wrong = requests.get(f"{url}/v2/models/homes/infer", timeout=5)
    assert (wrong.status_code, list(wrong.json())) == (405, ["error"])


def test_a_missing_number_is_null_or_nan(url: str) -> None:
    plain = requests.post(f"{url}/predict", json={"bed": 3, "bath": None}, timeout=5).json()
    for missing in ("null", "NaN"):
        bath = json.dumps(BED | {"name": "bath", "datatype": "FP64"}).replace("[3]", f"[{missing}]")
        body = f'{{"inputs": [{json.dumps(BED)}, {bath}]}}'
        answer = requests.post(f"{url}/v2/models/homes/infer", body, timeout=5)
        assert outputs(answer)["prediction"]["data"] == [pytest.approx(plain["prediction"])]


def test_a_classifier_gives_label_and_probabilities(tmp_path: Path) -> None:
    registries = Registries()
    made = contract(class_dataset(*LABELS))
    registries["rides"].put(1, tiny_model(made))
    folder = tmp_path / "datasets"
    folder.mkdir()
    columns = "".join(
        f'[[columns]]\nname = "{name}"\ntype = "{kind}"\nrole = "{role}"\n{more}\n'
        for name, kind, role, more in (
            ("kind", "category", "target", "nullable = false"),
            ("temperature", "number", "feature", ""),
            ("weather", "category", "feature", ""),
        )
    )
    head = 'name = "rides"\ntitle = "Rides"\ntask = "binary"\nprimary_metric = "log_loss"\n'
    (folder / "rides.toml").write_text(head + columns)
    with fleet(registries, tmp_path, []) as url:
        wait_for("it is not live", lambda: versions(url) == {"rides": 1})
        inputs = [
            {"name": "temperature", "shape": [2], "datatype": "FP32", "data": [1.0, -1.0]},
            {"name": "weather", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
        ]
        made_outputs = outputs(infer(url, "rides", {"inputs": inputs}))
        assert made_outputs["prediction"]["data"] == ["yes", "no"]
        probabilities = made_outputs["probabilities"]
        assert probabilities["shape"] == [2, 2]
        assert json.loads(probabilities["parameters"]["classes"]) == list(LABELS)
        high = 1 / (1 + np.exp(-1.0))
        assert probabilities["data"] == pytest.approx([1 - high, high, high, 1 - high])
        answer = invoke(url, {"dataframe_records": [{"temperature": 1.0}, {"temperature": -1}]})
        assert answer.json()["predictions"] == ["yes", "no"]


def invoke(url: str, body: Any, path: str = "/invocations") -> requests.Response:
    return requests.post(url + path, json=body, timeout=5)


COLUMNS = list(ROW)
SHAPES = {
    "dataframe_split": {"columns": COLUMNS, "index": [0, 1], "data": [list(ROW.values())] * 2},
    "dataframe_records": [ROW, ROW],
    "instances": [ROW, ROW],
    "inputs": {name: [[value], [value]] for name, value in ROW.items()},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_of_mlflows_shapes_is_answered(url: str, shape: str) -> None:
    for path, live, factor in (
        ("/invocations", 3, 1.0),
        ("/datasets/rides/invocations", 8, 2.0),
    ):
        answer = invoke(url, {shape: SHAPES[shape], "params": {}}, path)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == [pytest.approx(SUM * factor)] * 2
        assert answer.json()["model_version"] == live
        assert len(set(answer.json()["prediction_ids"])) == 2


def test_rows_without_names_have_every_column_in_the_models_order(
    url: str, dataset: Dataset
) -> None:
    row = [ROW.get(column.name) for column in dataset.features]
    answer = invoke(url, {"instances": [row]})
    assert answer.json()["predictions"] == [pytest.approx(SUM)]
    assert invoke(url, {"inputs": [row]}).json()["predictions"] == [pytest.approx(SUM)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "one of the fields dataframe_split"),
        ({"rows": [ROW]}, "one of the fields dataframe_split"),
        ({"instances": [ROW], "inputs": [ROW]}, "one of the fields"),
        ({"instances": []}, "has no rows"),
        ({"instances": 3}, "must be an array of rows"),
        ({"instances": [3]}, "a value for each of"),
        ({"dataframe_split": {"columns": COLUMNS}}, "columns and data"),
        ({"dataframe_split": {"columns": [1], "data": [[1]]}}, "must be names"),
        ({"dataframe_split": {"columns": COLUMNS, "data": [[1]]}}, "a value for each of"),
        ({"inputs": {"bed": [1, 2], "bath": [1]}}, "one number of values"),
        ({"dataframe_records": [{"bed": -1}]}, "rows/0/bed must be at least 0"),
    ],
)
def test_a_wrong_invocation_is_told_in_mlflows_shape(url: str, body: Any, says: str) -> None:
    refused = invoke(url, body)
    assert refused.status_code == 400
    assert refused.json()["error_code"] == "BAD_REQUEST"
    assert says in refused.json()["message"]


@pytest.fixture(scope="module")
def mlflow_client() -> Any:
    """MLflow's own client code, which warns about itself when it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.pyfunc.scoring_server import client
    return client


def test_mlflows_own_client_is_answered(url: str, mlflow_client: Any, dataset: Dataset) -> None:
    parts = urlsplit(url)
    client = mlflow_client.ScoringServerClient(parts.hostname, parts.port)
    client.wait_server_ready(timeout=10)
    assert client.get_version()
    missing = pd.DataFrame([ROW, ROW | {"bath": None, "city": None}])
    answer = client.invoke(missing)
    assert answer.get_predictions().iloc[0, 0] == pytest.approx(SUM)
    values = np.array([[ROW.get(column.name) for column in dataset.features]] * 2, dtype=object)
    numbers = client.invoke(values).get_predictions("ndarray", dtype="float64")
    assert numbers.ravel() == pytest.approx([SUM, SUM])


def test_answers_of_both_protocols_are_on_record(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    champions = Champions()
    champions.put(1, tiny_model(contract(store.dataset)))
    decide(store, 1, champions.digests[1])
    name = store.dataset.name
    with api(champions, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        many = {"inputs": tensors(*[ROW] * 3000)}
        ids = outputs(infer(url, name, many))["prediction_id"]["data"]
        ids += invoke(url, {"instances": [ROW]}).json()["prediction_ids"]
    with store.read() as work:
        kept = work.predictions.latest(5_000)
    assert sorted(p.id for p in kept) == sorted(ids)
    assert kept[0].inputs == ROW
