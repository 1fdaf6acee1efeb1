"""One process serves every dataset: each has its own model, addresses, record and troubles."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from core.adapters.serving.client import Client
from core.adapters.store import Store
from core.adapters.store.migrate import migrate
from core.domain.dataset import Dataset
from core.domain.errors import BadRow, RegistryUnavailable, ServingUnavailable, SettingsError
from core.platform.settings import Settings
from serving.http.app import create_app
from serving.model.mlflow_rest import Champion
from serving.prediction_log.spool import Spool
from serving.prediction_log.writer import _encode_lines
from tests.record import decide
from tests.serving.many import Registries, fleet, versions, write
from tests.serving.test_api import ROW, SUM, Champions
from tests.stacks import wait_for


@pytest.fixture
def registries(dataset: Dataset) -> Registries:
    made = Registries()
    made.put(dataset, "homes", 3, 1.0)
    made.put(dataset, "rides", 8, 2.0)
    return made


def test_each_dataset_is_answered_by_its_own_model(registries: Registries, tmp_path: Path) -> None:
    with fleet(registries, tmp_path) as url:
        wait_for("both are not live", lambda: versions(url) == {"homes": 3, "rides": 8})
        for name, version, factor in (("homes", 3, 1.0), ("rides", 8, 2.0)):
            client = Client(url, dataset=name)
            answer = client.predict(ROW)
            assert (answer.model_version, answer.prediction) == (version, SUM * factor)
            (batched,) = client.predict_batch([ROW])
            (streamed,) = client.predict_many([ROW])
            assert batched["model_version"] == streamed.model_version == version  # type: ignore[union-attr]
            assert client.check([ROW])["model_version"] == version
            assert client.model()["version"] == version
            assert client.model()["dataset"] == name
            assert "bed" in client.schema()["properties"]
            client.feedback(answer.prediction_id, 1.0)
            document = client.ask("GET", "/openapi.json")
            assert document["servers"] == [{"url": f"/datasets/{name}"}]
            assert f"Version {version} is live" in document["info"]["description"]
            page = requests.get(f"{url}/datasets/{name}/docs", timeout=5)
            assert f"/datasets/{name}/openapi.json" in page.text
            script = f"{url}/datasets/{name}/static-offline-docs/swagger-ui-bundle.js"
            assert requests.head(script, timeout=5).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/feedback", "/invocations"])
def test_a_request_that_names_no_dataset_is_told_which_there_are(
    registries: Registries, tmp_path: Path, path: str
) -> None:
    with fleet(registries, tmp_path) as url:
        answer = requests.post(url + path, json=ROW, timeout=5)
        assert answer.status_code == 404
        assert f"/datasets/NAME{path}. Datasets here: homes, rides." in answer.text
        unknown = requests.post(f"{url}/datasets/cars{path}", json=ROW, timeout=5)
        assert unknown.status_code == 404
        assert "There is no dataset 'cars' here. Datasets here: homes, rides." in unknown.text
        assert requests.get(f"{url}/model", timeout=5).status_code == 404


def test_paths_without_a_dataset_are_about_the_default_one(
    registries: Registries, tmp_path: Path
) -> None:
    with fleet(registries, tmp_path, default_dataset="rides") as url:
        wait_for("both are not live", lambda: versions(url) == {"homes": 3, "rides": 8})
        assert Client(url).predict(ROW).model_version == 8
        assert Client(url).model()["dataset"] == "rides"
        listed = requests.get(f"{url}/datasets", timeout=5).json()["datasets"]
        assert [entry["default"] for entry in listed] == [False, True]


def test_wrong_methods_and_paths_are_told_below_a_dataset_too(
    registries: Registries, tmp_path: Path
) -> None:
    with fleet(registries, tmp_path) as url:
        wrong = requests.get(f"{url}/datasets/homes/predict", timeout=5)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
        assert requests.get(f"{url}/datasets/homes/nothing", timeout=5).status_code == 404
        assert requests.get(f"{url}/datasets/homes", timeout=5, allow_redirects=False).ok
        assert requests.head(f"{url}/datasets/homes/model", timeout=5).status_code == 200


class Stuck(Champions):
    """A registry that does not answer until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def champion(self) -> Champion | None:
        self.released.wait(60)
        raise RegistryUnavailable("MLflow did not answer.")


@pytest.mark.parametrize("trouble", ["slow", "away", "broken", "missing"])
def test_one_datasets_trouble_touches_no_other(
    registries: Registries, dataset: Dataset, tmp_path: Path, trouble: str
) -> None:
    homes = registries["homes"]
    if trouble == "slow":
        homes = registries["homes"] = Stuck()
    elif trouble == "away":
        homes.away = True
    elif trouble == "broken":
        homes.put(4, b"no model")
    else:
        homes.live = None
    with fleet(registries, tmp_path) as url:
        for version in (8, 9):  # it also follows what comes later
            registries.put(dataset, "rides", version, 2.0)
            wait_for("rides is not live", lambda v=version: versions(url)["rides"] == v)  # type: ignore[misc]
        assert Client(url, dataset="rides").predict(ROW).model_version == 9
        with pytest.raises(ServingUnavailable, match="No model is live yet"):
            Client(url, dataset="homes", retries=0).predict(ROW)
        if isinstance(homes, Stuck):
            assert requests.get(f"{url}/health/ready", timeout=5).status_code == 503
            homes.released.set()
        wait_for(
            "serving is not ready",
            lambda: requests.get(f"{url}/health/ready", timeout=5).status_code == 200,
        )
        state = requests.get(f"{url}/health/ready", timeout=5).json()["datasets"]
        assert state["rides"]["model_version"] == 9
        says = {
            "slow": state["homes"]["trouble"], "away": state["homes"]["trouble"],
            "broken": state["homes"]["refused"], "missing": "nothing",
        }  # fmt: skip
        assert says[trouble]


def test_dataset_files_are_followed_without_a_restart(
    registries: Registries, dataset: Dataset, tmp_path: Path
) -> None:
    files = tmp_path / "datasets"
    registries.put(dataset, "cars", 1, 1.0)
    with fleet(registries, tmp_path) as url:
        wait_for("both are not live", lambda: versions(url) == {"homes": 3, "rides": 8})
        write(files, "cars")
        wait_for("the new one is not live", lambda: versions(url).get("cars") == 1)
        assert Client(url, dataset="cars").predict(ROW).model_version == 1

        (files / "homes.toml").write_text("name = ")
        wait_for("it is not told", lambda: "homes.toml" in listing(url).get("problems", {}))
        assert "homes.toml" in Client(url, dataset="homes").model()["problem"]
        assert Client(url, dataset="homes").predict(ROW).model_version == 3

        write(files, "homes")
        wait_for("it is still told", lambda: "problems" not in listing(url))
        (files / "rides.toml").unlink()
        wait_for("it is still there", lambda: "rides" not in versions(url))
        with pytest.raises(ServingUnavailable, match=r"no dataset 'rides'.*cars, homes"):
            Client(url, dataset="rides", retries=0).predict(ROW)
        assert Client(url, dataset="homes").predict(ROW).model_version == 3


def listing(url: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = requests.get(f"{url}/datasets", timeout=5).json()
    return found


def test_a_file_that_is_wrong_from_the_start_takes_only_its_dataset_away(
    registries: Registries, tmp_path: Path
) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "broken.toml").write_text("what = 1")
    with fleet(registries, tmp_path, ["homes"]) as url:
        wait_for("homes is not live", lambda: versions(url) == {"homes": 3})
        assert Client(url).predict(ROW).model_version == 3  # it is the only one
        assert "broken.toml" in requests.get(f"{url}/health/ready", timeout=5).json()["problems"]


def test_a_restart_without_the_registry_serves_every_kept_model(
    registries: Registries, tmp_path: Path
) -> None:
    with fleet(registries, tmp_path) as url:
        wait_for("both are not live", lambda: versions(url) == {"homes": 3, "rides": 8})
        kept = tmp_path / "serving" / "models"
        wait_for("they are not kept", lambda: len(list(kept.glob("*/live.json"))) == 2)
    for champions in registries.values():
        champions.away = True
    with fleet(registries, tmp_path) as url:
        assert Client(url, dataset="homes").predict(ROW).model_version == 3
        assert Client(url, dataset="rides").predict(ROW).model_version == 8


def test_the_record_of_one_dataset_says_nothing_about_another(
    registries: Registries, dataset: Dataset, database_url: str, tmp_path: Path
) -> None:
    stores = stores_of(database_url, dataset, "homes", "rides")
    registries.put(dataset, "homes", 8, 5.0)
    registries["homes"].live = 3
    decide(stores["homes"], 3, registries["homes"].digests[3])
    decide(stores["rides"], 8, registries["rides"].digests[8])
    with fleet(registries, tmp_path, database_url=database_url) as url:
        wait_for("both are not live", lambda: versions(url) == {"homes": 3, "rides": 8})
        for name in stores:
            assert Client(url, dataset=name).model()["confirmed"] is True
        registries["homes"].live = 8  # decided on for rides alone
        homes = Client(url, dataset="homes")
        wait_for("it is not told", lambda: "names version 8" in homes.model()["notice"])
        assert homes.check([ROW])["model_version"] == 3

        ids = {name: Client(url, dataset=name).predict(ROW).prediction_id for name in stores}
        for name, id_ in ids.items():
            Client(url, dataset=name).feedback(id_, 7.0)
        for name, store in stores.items():
            wait_for("it is not on record", lambda s=store: len(recorded(s)) == 1)  # type: ignore[misc]
            assert recorded(store) == [ids[name]]
            with store.read() as work:
                (replica,) = work.replicas.alive()
            assert replica.model_version == {"homes": 3, "rides": 8}[name]
    for store in stores.values():
        with store.read() as work:
            assert work.replicas.alive() == []
        store.close()


def recorded(store: Store) -> list[str]:
    with store.read() as work:
        return [p.id for p in work.predictions.latest(9)]


def stores_of(database_url: str, dataset: Dataset, *names: str) -> dict[str, Store]:
    datasets = [replace(dataset, name=name) for name in names]
    migrate(database_url, datasets)
    return {made.name: Store.open(database_url, made) for made in datasets}


def test_records_of_an_older_version_belong_to_the_first_dataset(
    registries: Registries, dataset: Dataset, database_url: str, tmp_path: Path
) -> None:
    stores = stores_of(database_url, dataset, "homes", "rides")
    spool = Spool(tmp_path / "serving" / "spool", 1_000_000)
    spool.open()
    id_ = "11111111-1111-4111-8111-111111111111"
    at = "2026-11-30 00:00:00.000000"
    spool.add(_encode_lines([("p", id_, at, 1, ROW, 1.0, None)]))
    spool.close()
    with fleet(registries, tmp_path, database_url=database_url):
        wait_for("it is not on record", lambda: recorded(stores["homes"]) == [id_])
    assert recorded(stores["rides"]) == []
    for store in stores.values():
        store.close()


def test_metrics_name_the_dataset(registries: Registries, tmp_path: Path) -> None:
    with fleet(registries, tmp_path) as url:
        wait_for("both are not live", lambda: versions(url) == {"homes": 3, "rides": 8})
        Client(url, dataset="homes").predict(ROW)
        with pytest.raises(BadRow):
            Client(url, dataset="rides").predict({"bed": -1})
        requests.post(f"{url}/datasets/secret/predict", json=ROW, timeout=5)
        text = requests.get(f"{url}/metrics", timeout=5).text
        for line in (
            'predictions_total{dataset="homes",version="3"} 1.0',
            'requests_total{dataset="homes",route="/predict",status="200"} 1.0',
            'requests_total{dataset="rides",route="/predict",status="422"} 1.0',
            'model_live{dataset="rides"} 1.0',
            'swaps_total{dataset="homes"} 1.0',
        ):
            assert f"driftdesk_serving_{line}" in text
        assert "secret" not in text  # a name out of a request makes no series


def test_model_name_is_not_for_several_datasets(tmp_path: Path) -> None:
    write(tmp_path / "datasets", "homes")
    write(tmp_path / "datasets", "rides")
    settings = Settings(
        _env_file=None, datasets=str(tmp_path / "datasets"), data_dir=tmp_path, model_name="x"
    )
    with pytest.raises(SettingsError, match=r"MODEL_NAME.*DATASETS"):
        create_app(settings)


def test_more_models_than_threads_all_come_and_follow_decisions(
    dataset: Dataset, tmp_path: Path, database_url: str
) -> None:
    names = [f"d{n}" for n in range(9)]
    stores = stores_of(database_url, dataset, *names)
    registries = Registries()
    for n, name in enumerate(names):
        registries.put(dataset, name, 1, float(n + 1))
        decide(stores[name], 1, registries[name].digests[1])
    with fleet(registries, tmp_path, names, database_url=database_url) as url:
        wait_for("not all are live", lambda: set(versions(url).values()) == {1})
        registries.put(dataset, "d8", 2, 4.0)
        decide(stores["d8"], 2, registries["d8"].digests[2])
        wait_for("the new version is not live", lambda: versions(url)["d8"] == 2)
        answers = [Client(url, dataset=name).predict(ROW).prediction for name in names[:8]]
        assert answers == [pytest.approx(SUM * (n + 1)) for n in range(8)]
    for store in stores.values():
        store.close()
