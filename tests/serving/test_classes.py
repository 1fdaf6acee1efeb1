"""A classifier served: labels and probabilities in every form, and feedback in labels."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from core.adapters.mlflow.registry import digest_of
from core.adapters.serving.client import Client
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import BadRow
from core.domain.task import Task
from core.rules.model.contract import Contract
from core.rules.model.feedback_error import Outcome
from core.rules.model.prediction_sets import PredictionSets
from tests.build import contract
from tests.models import tiny_model
from tests.record import decide
from tests.serving.test_api import ROW, SUM, Champions, api, version
from tests.stacks import wait_for

FACTOR = 0.001
SETS = PredictionSets(0.9, 0.8, 500, 0.91, 480, 1.3)
YES = 1 / (1 + math.exp(-SUM * FACTOR))
"""What the tiny model gives the last of two classes for `ROW`."""

KINDS = ("cat", "dog, big", 'a "cow" | calf')


def _classifier(dataset: Dataset, classes: tuple[str, ...], **more: Any) -> Contract:
    task = Task.BINARY if len(classes) == 2 else Task.MULTICLASS
    made = replace(contract(dataset), task=task, classes=classes, sets=SETS, on_log=False)
    return replace(made, **more)


@pytest.fixture(scope="module")
def url(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A binary classifier."""
    champions = Champions()
    champions.put(3, tiny_model(_classifier(dataset, ("no", "yes")), FACTOR))
    with api(champions, tmp_path_factory.mktemp("binary")) as served:
        wait_for("version 3 is not live", lambda: version(served) == 3)
        yield served


@pytest.fixture(scope="module")
def kinds(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A classifier of three classes with awkward names."""
    champions = Champions()
    champions.put(1, tiny_model(_classifier(dataset, KINDS), FACTOR))
    with api(champions, tmp_path_factory.mktemp("kinds")) as served:
        wait_for("version 1 is not live", lambda: version(served) == 1)
        yield served


def test_an_answer_has_a_label_and_the_probability_of_each_class(url: str) -> None:
    answer = requests.post(f"{url}/predict", json=ROW, timeout=5).json()
    assert list(answer) == ["prediction_id", "prediction", "model_version", "probabilities", "set"]
    assert (answer["prediction"], answer["model_version"]) == ("yes", 3)
    assert answer["probabilities"] == pytest.approx({"no": 1 - YES, "yes": YES}, abs=1e-6)
    assert answer["set"] == ["no", "yes"]


def test_a_threshold_decides_the_label(dataset: Dataset, tmp_path: Path) -> None:
    champions = Champions()
    strict = _classifier(dataset, ("no", "yes"), threshold=0.9, sets=None)
    champions.put(3, tiny_model(strict, FACTOR))
    with api(champions, tmp_path) as url:
        wait_for("version 3 is not live", lambda: version(url) == 3)
        answer = requests.post(f"{url}/predict", json=ROW, timeout=5).json()
        assert answer["prediction"] == "no"
        assert "set" not in answer
        described = requests.get(f"{url}/model", timeout=5).json()["contract"]
        assert (described["threshold"], described["classes"]) == (0.9, ["no", "yes"])


def test_contributions_are_on_the_log_odds_and_add_up(url: str) -> None:
    answer = Client(url).predict(ROW, explain=True)
    told = answer.contributions
    assert told is not None
    assert (told["scale"], told["of"]) == ("log_odds", "yes")
    odds = math.log(told["baseline"] / (1 - told["baseline"]))
    total = odds + sum(part["effect"] for part in told["fields"])
    assert 1 / (1 + math.exp(-total)) == pytest.approx(YES, abs=1e-6)


def test_json_ndjson_and_csv_give_the_same_answers(kinds: str) -> None:
    rows = [ROW, ROW | {"bed": 0}, ROW | {"house_size": 0}]
    whole = requests.post(f"{kinds}/predict/batch", json={"rows": rows}, timeout=5).json()
    expected = [(a["prediction"], a["probabilities"], a["set"]) for a in whole["predictions"]]
    assert {label for label, *_ in expected} <= set(KINDS)

    lines = "".join(json.dumps(row) + "\n" for row in rows)
    streamed = _stream(kinds, lines, "application/x-ndjson").splitlines()
    given = [json.loads(line) for line in streamed]
    assert [(a["prediction"], a["probabilities"], a["set"]) for a in given] == expected

    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, list(ROW))
    writer.writeheader()
    writer.writerows(rows)
    table = list(csv.DictReader(io.StringIO(_stream(kinds, sheet.getvalue(), "text/csv"))))
    assert list(table[0]) == [
        "prediction_id", "prediction", "model_version", *(f"probability_{k}" for k in KINDS),
        "set", "error",
    ]  # fmt: skip
    for line, (label, probabilities, inside) in zip(table, expected, strict=True):
        assert line["prediction"] == label
        assert {k: float(line[f"probability_{k}"]) for k in KINDS} == probabilities
        assert line["set"] == "|".join(k.replace("|", r"\|") for k in inside)
        assert line["error"] == ""


def test_an_invalid_csv_row_is_answered_in_its_place(url: str) -> None:
    lines = (
        "bed,bath,acre_lot,house_size,city,zip_code\nmany,2,0.5,1000,a,6016\n3,2,0.5,1000,a,6016\n"
    )
    bad, good = csv.DictReader(io.StringIO(_stream(url, lines, "text/csv")))
    assert "bed" in bad["error"]
    assert not any(bad[name] for name in bad if name != "error")
    assert good["prediction"] == "yes"


def _stream(url: str, body: str, kind: str) -> str:
    headers = {"content-type": kind}
    response = requests.post(f"{url}/predict/batch", body.encode(), headers=headers, timeout=5)
    assert response.ok, response.text
    return response.content.decode()


def test_a_check_gives_probabilities(url: str) -> None:
    (given,) = Client(url).check([ROW])["predictions"]
    assert given == pytest.approx([1 - YES, YES], abs=1e-6)


def test_the_client_reads_labels_in_every_call(url: str) -> None:
    client = Client(url)
    one = client.predict(ROW)
    (many,) = client.predict_many([ROW])
    assert not isinstance(many, BadRow)
    assert one.prediction == many.prediction == "yes"
    assert one.probabilities == many.probabilities
    assert one.set == ["no", "yes"]


def test_a_row_without_finite_probabilities_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    champions = Champions()
    champions.put(1, tiny_model(_classifier(dataset, KINDS), 1.0))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        row = ROW | {"house_size": 3e38, "acre_lot": 3e38}
        answer = requests.post(f"{url}/predict", json=row, timeout=5)
        assert answer.status_code == 422
        assert "finite" in answer.json()["detail"]
        batch = requests.post(f"{url}/predict/batch", json={"rows": [ROW, row]}, timeout=5)
        assert [e["pointer"] for e in batch.json()["errors"]] == ["#/rows/1"]


@pytest.mark.parametrize("wrong", ["maybe", "", " yes", 1, None, 0.5, True, ["yes"]])
def test_a_wrong_label_is_told_with_the_known_ones(url: str, wrong: Any) -> None:
    client = Client(url)
    id_ = client.predict(ROW).prediction_id
    with pytest.raises(BadRow) as refused:
        client.feedback(id_, wrong)
    assert refused.value.problems == {"actual": "must be a class of the live model: no, yes"}


def test_numbers_and_booleans_name_classes_that_are_called_so(
    dataset: Dataset, tmp_path: Path
) -> None:
    champions = Champions()
    champions.put(1, tiny_model(_classifier(dataset, ("-1", "3", "true")), FACTOR))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        id_ = Client(url).predict(ROW).prediction_id
        for actual in ("3", 3, 3.0, -1, "true", True):
            body = {"prediction_id": id_, "actual": actual}
            assert requests.post(f"{url}/feedback", json=body, timeout=5).status_code == 202
        for actual in (False, 4, "3.0", 1e300):
            body = {"prediction_id": id_, "actual": actual}
            assert requests.post(f"{url}/feedback", json=body, timeout=5).status_code == 422


def test_labels_and_their_feedback_are_on_record(
    dataset: Dataset, store: Store, database_url: str, tmp_path: Path
) -> None:
    champions = Champions()
    model = tiny_model(_classifier(dataset, ("no", "yes")), FACTOR)
    champions.put(3, model)
    decide(store, 3, digest_of(model))
    with api(champions, tmp_path, database_url) as url:
        wait_for("version 3 is not live", lambda: version(url) == 3)
        client = Client(url)
        answers = [client.predict(ROW, explain=n == 0) for n in range(3)]
        for answer, actual in zip(answers, ("yes", "no", "no"), strict=True):
            client.feedback(answer.prediction_id, actual)

        def told() -> list[Outcome]:
            with store.read() as work:
                return work.feedback.told()

        wait_for("feedback is not on record", lambda: len(told()) == 3)
        assert sorted((o.predicted, o.actual, o.error) for o in told()) == [
            ("yes", "no", 1.0), ("yes", "no", 1.0), ("yes", "yes", 0.0)
        ]  # fmt: skip
        with store.read() as work:
            logged = work.predictions.get(answers[0].prediction_id)
        assert logged is not None
        assert logged.prediction == pytest.approx(YES, abs=1e-6)
        assert logged.answer is not None
        assert logged.answer["label"] == "yes"
        assert logged.answer["set"] == ["no", "yes"]
        assert logged.answer["coverage"]["measured"] == 0.91
        assert logged.answer["contributions"]["of"] == "yes"


def test_the_openapi_document_is_that_of_the_live_task(kinds: str) -> None:
    schemas = requests.get(f"{kinds}/openapi.json", timeout=5).json()["components"]["schemas"]
    assert schemas["Prediction"]["properties"]["prediction"]["enum"] == list(KINDS)
    assert schemas["Feedback"]["properties"]["actual"]["enum"] == list(KINDS)
    assert "ClassPrediction" not in schemas
