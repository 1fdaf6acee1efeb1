"""What a request asks for besides its rows: warnings; and who asked, as it is recorded."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from core.adapters.serving.client import Answer, Client
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.task import Task
from core.rules.access.api_keys import Key, digest_of, write_keys
from core.rules.model.contract import Contract
from serving.prediction_log.writer import _rows, prediction_lines
from tests.build import contract
from tests.models import tiny_model
from tests.record import decide
from tests.serving.test_api import ROW, Champions, api, version
from tests.stacks import wait_for

FAR = ROW | {"bed": 99, "city": "Atlantis"}
WARNED = ["#bed", "#city"]
NDJSON, CSV = {"content-type": "application/x-ndjson"}, {"content-type": "text/csv"}


def served(dataset: Dataset, **changes: Any) -> tuple[Champions, Contract]:
    made = replace(contract(dataset), **changes)
    usual = {"bed": (1.0, 9.0), "bath": (0.0, 9.0), "acre_lot": (0.0, 9.0),
             "house_size": (0.0, 9e9)}  # fmt: skip
    fields = [
        replace(f, low=usual[f.name][0], high=usual[f.name][1], label=f"#{f.name}")
        if f.name in usual
        else replace(f, label=f"#{f.name}", categories=("a",) if f.name == "city" else ())
        for f in made.fields
    ]
    made = replace(made, fields=tuple(fields))
    champions = Champions()
    champions.put(1, tiny_model(made))
    return champions, made


def named(warnings: list[str]) -> list[str]:
    """The fields that the warnings are about."""
    return [warning.split()[0] for warning in warnings]


@pytest.mark.parametrize("classes", [(), ("no", "yes")])
def test_warnings_come_with_every_answer_that_asks_for_them_and_with_no_other(
    dataset: Dataset, tmp_path: Path, classes: tuple[str, ...]
) -> None:
    changes = {"task": Task.BINARY, "classes": classes, "threshold": 0.5} if classes else {}
    champions, _ = served(dataset, **changes)
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in (ROW, FAR, {"bed": "x"}))
    table = b"bed,city\n3,a\n99,Atlantis\nmany,a\n"
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)

        def post(path: str, **body: Any) -> requests.Response:
            return requests.post(url + path, timeout=10, **body)

        assert named(post("/predict?warnings=true", json=FAR).json()["warnings"]) == WARNED
        assert post("/predict?warnings=true", json=ROW).json()["warnings"] == []
        both = post("/predict?warnings=true&explain=true", json=FAR).json()
        assert {"warnings", "contributions"} <= set(both)
        batch = {"rows": [ROW, FAR]}
        many = post("/predict/batch?warnings=true", json=batch).json()["predictions"]
        assert [named(answer["warnings"]) for answer in many] == [[], WARNED]
        streamed = post("/predict/batch?warnings=true", data=lines, headers=NDJSON).text
        first, second, wrong = map(json.loads, streamed.splitlines())
        assert [named(first["warnings"]), named(second["warnings"])] == [[], WARNED]
        assert "errors" in wrong
        said = post("/predict/batch?warnings=true", data=table, headers=CSV).text
        rows = list(csv.DictReader(io.StringIO(said)))
        assert [bool(row["warnings"]) for row in rows] == [False, True, False]
        assert "#bed 99 is outside" in rows[1]["warnings"]
        assert "“Atlantis” does not occur" in rows[1]["warnings"]
        assert [bool(row["error"]) for row in rows] == [False, False, True]
        assert all(None not in row for row in rows), "every line has the cells of the header"
        plain = [
            post("/predict", json=FAR).text,
            post("/predict?warnings=false", json=FAR).text,
            post("/predict/batch", json=batch).text,
            post("/predict/batch", data=lines, headers=NDJSON).text,
            post("/predict/batch", data=table, headers=CSV).text,
        ]
        assert not any("warnings" in text for text in plain)
        for path in ("/predict", "/predict/batch"):
            refused = post(f"{path}?warnings=maybe", json=batch)
            assert (refused.status_code, refused.json()["detail"]) == (
                422, "warnings must be true or false.",
            )  # fmt: skip
        (told,) = Client(url).predict_many([FAR], warnings=True)
        assert isinstance(told, Answer)
        assert told.warnings
        assert named(told.warnings) == WARNED
        assert Client(url).predict(FAR).warnings is None
        assert named(Client(url).predict(FAR, warnings=True).warnings or []) == WARNED
        document = requests.get(f"{url}/openapi.json", timeout=5).json()
        for path in ("/predict", "/predict/batch"):
            flags = [p["name"] for p in document["paths"][path]["post"]["parameters"]]
            assert "warnings" in flags
        assert "warnings" in document["components"]["schemas"]["Prediction"]["properties"]


def test_who_asked_is_on_record_and_no_key_is(
    dataset: Dataset, store: Store, database_url: str, tmp_path: Path
) -> None:
    champions, _ = served(dataset)
    decide(store, 1, champions.digests[1])
    keys = tmp_path / "keys"
    keys.write_text(write_keys({digest_of("dd_secret"): Key("shop")}))
    with api(champions, tmp_path, database_url, serving_keys=str(keys)) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        client = Client(url, "dd_secret")
        asked = {
            client.predict(ROW).prediction_id: "shop",
            client.predict_document(ROW, actor="Añna\n Ö")["prediction_id"]: "Añna  Ö (shop)",
            client.predict_batch([ROW], actor="bob")[0]["prediction_id"]: "bob (shop)",
        }
        for answer in client.predict_many([ROW, ROW]):
            assert isinstance(answer, Answer)
            asked[answer.prediction_id] = "shop"
        body = {"dataframe_records": [ROW]}
        (id_,) = client.ask("POST", "/invocations", body)["prediction_ids"]
        asked[id_] = "shop"
        long = client.predict_document(ROW, actor="x" * 500)["prediction_id"]
        asked[long] = f"{'x' * 100} (shop)"
    with store.read() as work:
        kept = {p.id: p for p in work.predictions.latest(100)}
    assert {id_: kept[id_].caller for id_ in asked} == asked
    assert len(kept) == len(asked)
    assert "dd_secret" not in str(kept)
    assert digest_of("dd_secret") not in str(kept)


def test_without_keys_what_somebody_states_does_not_pass_for_a_key(
    dataset: Dataset, store: Store, database_url: str, tmp_path: Path
) -> None:
    champions, _ = served(dataset)
    decide(store, 1, champions.digests[1])
    with api(champions, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        Client(url).predict(ROW)
        Client(url).predict_document(ROW, actor="shop")
    with store.read() as work:
        assert sorted(p.caller or "" for p in work.predictions.latest(9)) == ["", "shop (no key)"]


def test_records_that_waited_on_disk_from_before_have_no_caller() -> None:
    lines = prediction_lines("homes", 1, [("id", {"bed": 1}, 2.0, None)], "shop").splitlines()
    old = json.dumps(json.loads(lines[0])[:-1]).encode()
    older = json.dumps(json.loads(lines[0])[:-2]).encode()
    rows, _ = _rows([lines[0], old, older], "first")
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("homes", "id", "shop"), ("homes", "id", None), ("first", "id", None),
    ]  # fmt: skip
