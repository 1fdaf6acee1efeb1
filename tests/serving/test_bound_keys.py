"""A key that is for named datasets sees no others: not in an answer, a list or an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from console.cli import main, shared
from core.domain.dataset import Dataset
from core.rules.access.api_keys import Key, digest_of, read_keys, write_keys
from tests.databases import migrated
from tests.serving.many import Registries, fleet, versions
from tests.serving.test_api import ROW
from tests.stacks import wait_for

ALL, HOMES = ({"authorization": f"Bearer {key}"} for key in ("all", "homes"))


@pytest.fixture
def url(dataset: Dataset, tmp_path: Path) -> Iterator[str]:
    registries = Registries()
    registries.put(dataset, "homes", 3, 1.0)
    registries.put(dataset, "rides", 8, 2.0)
    keys = tmp_path / "keys"
    keys.write_text(
        write_keys({digest_of("all"): Key("desk"), digest_of("homes"): Key("shop", ("homes",))})
    )
    more = {"serving_keys": str(keys), "default_dataset": "rides"}
    with fleet(registries, tmp_path, **more) as served:
        wait_for("both are not live", lambda: versions(served, ALL) == {"homes": 3, "rides": 8})
        yield served


def post(url: str, path: str, key: dict[str, str] | None) -> requests.Response:
    return requests.post(url + path, json=ROW, headers=key, timeout=5)


def test_a_bound_key_reaches_its_dataset_alone(url: str) -> None:
    assert post(url, "/datasets/homes/predict", HOMES).json()["model_version"] == 3
    assert post(url, "/datasets/rides/predict", ALL).json()["model_version"] == 8
    assert post(url, "/predict", ALL).json()["model_version"] == 8
    asked = [
        ("POST", "/datasets/{}/predict"), ("POST", "/datasets/{}/predict/batch"),
        ("POST", "/datasets/{}/feedback"), ("POST", "/datasets/{}/invocations"),
        ("GET", "/datasets/{}/model"), ("GET", "/datasets/{}/schema"),
        ("GET", "/datasets/{}/openapi.json"), ("GET", "/datasets/{}/docs"),
        ("POST", "/datasets/{}/model/look"), ("GET", "/datasets/{}/nothing"),
        ("GET", "/datasets/{}"),
        ("GET", "/v2/models/{}"), ("GET", "/v2/models/{}/versions/8"),
        ("GET", "/v2/models/{}/ready"), ("POST", "/v2/models/{}/infer"),
    ]  # fmt: skip
    for method, path in asked:
        theirs, nobodys = (
            requests.request(method, url + path.format(name), json=ROW, headers=HOMES, timeout=5)
            for name in ("rides", "cars")
        )
        # The answer is the same whether the dataset exists or not.
        assert (theirs.status_code, theirs.text) == (nobodys.status_code, nobodys.text), path
        assert theirs.status_code == 403, path
        assert "It is for: homes." in theirs.text
        assert "rides" not in theirs.text
    assert post(url, "/predict", HOMES).status_code == 403
    # The same holds where the method is wrong.
    wrong = {
        requests.get(f"{url}/datasets/{name}/predict", headers=HOMES, timeout=5).status_code
        for name in ("rides", "cars")
    }
    assert len(wrong) == 1


def test_lists_have_only_what_a_key_may_see(url: str) -> None:
    assert versions(url, HOMES) == {"homes": 3}
    assert versions(url, ALL) == {"homes": 3, "rides": 8}
    ready = requests.get(f"{url}/health/ready", headers=HOMES, timeout=5)
    assert list(ready.json()["datasets"]) == ["homes"]
    nobody = requests.get(f"{url}/health/ready", timeout=5)
    assert (nobody.status_code, nobody.json()) == (200, {"status": "ok"})


def test_what_is_read_needs_a_key_once_a_key_is_bound(url: str) -> None:
    paths = ("/datasets", "/model", "/datasets/homes/model", "/datasets/homes/schema",
             "/datasets/cars/model", "/v2/models/homes")  # fmt: skip
    for path in paths:
        assert requests.get(url + path, timeout=5).status_code == 401, path
    for path in ("/health/live", "/health/ready", "/v2/health/ready", "/metrics", "/ping"):
        assert requests.get(url + path, timeout=5).status_code == 200, path


@pytest.mark.whole
def test_keys_are_bound_on_the_command_line(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, database = tmp_path / "keys", f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(database, dataset)
    for name, value in {"DATABASE_URL": database, "SERVING_KEYS": str(keys)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shared, "configure", lambda *_: None)
    name = dataset.name
    made = CliRunner().invoke(main.app, ["keys", "add", "shop", "--for", name, "--json"])
    assert made.exit_code == 0, made.output
    document = json.loads(made.stdout)
    assert document["datasets"] == [name]
    assert read_keys(keys.read_text()) == {digest_of(document["key"]): Key("shop", (name,))}
    assert f"shop for {name}" in CliRunner().invoke(main.app, ["keys", "list"]).stdout
    wrong = CliRunner().invoke(main.app, ["keys", "add", "shop", "--for", "cars"])
    assert wrong.exit_code == 1
    assert "There is no dataset 'cars' on this desk." in wrong.output
