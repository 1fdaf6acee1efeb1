"""The serving API as its callers see it: over HTTP, with real models, on real databases."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from core.adapters.mlflow.registry import digest_of
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import RegistryUnavailable
from core.platform.settings import Settings
from serving.http.app import create_app
from serving.http.head_limits import HeadLimits, bounded
from serving.model.mlflow_rest import Champion
from tests.build import contract
from tests.models import tiny_model
from tests.record import decide
from tests.stacks import free_port, serve, wait_for

ROW = {"bed": 3, "bath": 2, "acre_lot": 0.5, "house_size": 1000, "city": "a", "zip_code": 6016}
SUM = 1005.5


class Champions:
    """A registry of models in memory, as serving sees it."""

    def __init__(self) -> None:
        self.models: dict[int, bytes] = {}
        self.live: int | None = None
        self.away = False
        self.digests: dict[int, str] = {}

    def put(self, version: int, model: bytes, digest: str = "") -> None:
        self.models[version] = model
        self.digests[version] = digest or digest_of(model)
        self.live = version

    def champion(self) -> Champion | None:
        if self.away:
            raise RegistryUnavailable("MLflow did not answer.")
        return Champion(self.live, self.digests[self.live]) if self.live else None

    def download(self, champion: Champion) -> bytes:
        return self.models[champion.version]


@pytest.fixture
def champions() -> Champions:
    return Champions()


@contextmanager
def api(
    champions: Champions, folder: Path, database_url: str = "", port: int = 0, **more: Any
) -> Iterator[str]:
    port = port or free_port()
    chosen: dict[str, Any] = {
        "serving_advertise": f"http://127.0.0.1:{port}",
        "data_dir": folder,
        "database_url": database_url or f"sqlite:///{folder / 'none.db'}",
        "serving_poll": 0.02,
    }
    limits = more.pop("limits", None) or HeadLimits()
    settings = Settings(_env_file=None, **chosen | more)
    with serve(create_app(settings, champions), port, http=bounded(limits)) as url:
        yield url


def version(url: str) -> int | None:
    answer: int | None = requests.get(f"{url}/model", timeout=5).json()["version"]
    return answer


def predict(url: str, row: Any = ROW) -> requests.Response:
    return requests.post(f"{url}/predict", json=row, timeout=5)


def test_without_a_champion_it_is_up_and_not_ready(champions: Champions, tmp_path: Path) -> None:
    with api(champions, tmp_path) as url:
        assert requests.get(f"{url}/health/live", timeout=5).status_code == 200
        assert requests.get(f"{url}/health/ready", timeout=5).status_code == 503
        assert "approve" in predict(url).json()["detail"]


def test_an_answer_names_the_version_that_gave_it(
    champions: Champions, dataset: Dataset, tmp_path: Path
) -> None:
    champions.put(3, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as url:
        wait_for("version 3 is not live", lambda: version(url) == 3)
        answer = predict(url).json()
        assert answer["prediction"] == pytest.approx(SUM)
        assert answer["model_version"] == 3
        batch = requests.post(f"{url}/predict/batch", json={"rows": [ROW] * 40}, timeout=5).json()
        assert len(batch["predictions"]) == 40
        assert len({p["prediction_id"] for p in batch["predictions"]}) == 40


@pytest.mark.whole
def test_swapping_under_load_loses_and_mislabels_nothing(
    champions: Champions, dataset: Dataset, tmp_path: Path
) -> None:
    made = contract(dataset)
    models = {v: tiny_model(made, float(v)) for v in range(1, 6)}
    champions.put(1, models[1])
    stop, wrong, count = threading.Event(), [], [0]
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)

        def load() -> None:
            session = requests.Session()
            while not stop.is_set():
                answer = session.post(f"{url}/predict", json=ROW, timeout=5)
                body = answer.json()
                right = body.get("prediction") == pytest.approx(SUM * body.get("model_version", 0))
                count[0] += 1
                if answer.status_code != 200 or not right:
                    wrong.append(body)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for v in [2, 3, 4, 5, 1] * 20:
            champions.put(v, models[v])
            wait_for(f"version {v} is not live", lambda v=v: version(url) == v)  # type: ignore[misc]
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert count[0] > 15


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda c, d: (tiny_model(c), "0" * 64), "digest"),
        (lambda c, d: (b"no model", ""), "cannot be loaded as a model"),
        (lambda c, d: (tiny_model(c, with_contract=False), ""), "contract"),
        (lambda c, d: (tiny_model(c, float("nan")), ""), "finite"),
    ],
)
def test_a_model_that_is_not_fit_is_refused_and_the_old_one_goes_on(
    champions: Champions, dataset: Dataset, tmp_path: Path, spoil: Any, reason: str
) -> None:
    made = contract(dataset)
    champions.put(1, tiny_model(made))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        champions.put(2, *spoil(made, dataset))

        def refused() -> Any:
            return requests.get(f"{url}/model", timeout=5).json()["refused"]

        wait_for("version 2 is not refused", lambda: bool(refused()))
        assert refused()["version"] == 2
        assert reason in refused()["reason"]
        assert predict(url).json()["model_version"] == 1


def test_a_start_without_the_registry_serves_the_kept_model(
    champions: Champions, dataset: Dataset, tmp_path: Path
) -> None:
    champions.put(4, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as url:
        wait_for("version 4 is not live", lambda: version(url) == 4)
    champions.away = True
    with api(champions, tmp_path) as url:
        assert predict(url).json()["model_version"] == 4
        wait_for(
            "the trouble is not told",
            lambda: bool(requests.get(f"{url}/model", timeout=5).json()["trouble"]),
        )
        assert predict(url).status_code == 200


def test_when_the_alias_is_taken_away_the_model_goes_on_and_that_is_told(
    champions: Champions, dataset: Dataset, tmp_path: Path
) -> None:
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        champions.live = None
        wait_for(
            "it is not told",
            lambda: (
                "names no champion"
                in requests.get(f"{url}/health/ready", timeout=5).json()["notice"]
            ),
        )
        assert predict(url).json()["model_version"] == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[]", "must be an object"),
        (b'{"bed": NaN}', "bed"),
        (b'{"bed": 1e999}', "bed"),
        (b'{"bed": "many"}', "bed"),
        (b'{"bed": -1}', "at least 0"),
        (b'{"price": 1}', "no such field"),
        (b'{"city": 5.5}', "city"),
        (b'{"city": [5]}', "city"),
        (json.dumps({"city": "x" * 300}).encode(), "200 characters"),
        (b'{"city": "\\ud800"}', "Unicode"),
        (b'{"bed": 1' + b"0" * 400 + b"}", "bed"),
    ],
)
def test_a_bad_row_is_answered_with_its_field_and_rule(
    champions: Champions, dataset: Dataset, tmp_path: Path, body: bytes, says: str
) -> None:
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        answer = requests.post(f"{url}/predict", data=body, timeout=5)
        assert answer.status_code == 422
        assert says in answer.text


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON: Expecting property name"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not UTF-8: byte 0"),
        (b"[" * 50_000, "nested too deeply"),
        (b'{"bed": 1' + b"0" * 5000 + b"}", "nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_is_told_where_it_is_wrong(
    champions: Champions, dataset: Dataset, tmp_path: Path, body: bytes, says: str
) -> None:
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        answer = requests.post(f"{url}/predict", data=body, timeout=5)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert says in answer.json()["detail"]


def test_a_body_beyond_its_bound_is_not_read(
    champions: Champions, dataset: Dataset, tmp_path: Path
) -> None:
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        assert requests.post(f"{url}/predict", data=b" " * 70_000, timeout=5).status_code == 413


def test_a_bad_row_of_a_batch_is_named_by_its_place(
    champions: Champions, dataset: Dataset, tmp_path: Path
) -> None:
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        rows = [ROW, {"bed": "x"}]
        answer = requests.post(f"{url}/predict/batch", json={"rows": rows}, timeout=5)
        (wrong,) = answer.json()["errors"]
        assert wrong == {"pointer": "#/rows/1/bed", "detail": "must be a number, not text"}


def test_the_documentation_describes_the_live_model(
    champions: Champions, dataset: Dataset, tmp_path: Path
) -> None:
    with api(champions, tmp_path) as url:
        before = requests.get(f"{url}/openapi.json", timeout=5).json()
        champions.put(2, tiny_model(contract(dataset)))
        wait_for("version 2 is not live", lambda: version(url) == 2)
        after = requests.get(f"{url}/openapi.json", timeout=5).json()
        assert requests.get(f"{url}/docs", timeout=5).status_code == 200
    assert "properties" not in before["components"]["schemas"]["Row"]
    row = after["components"]["schemas"]["Row"]["properties"]
    assert set(row) == {c.name for c in dataset.features}
    assert row["bed"]["minimum"] == 0


def test_every_answer_is_on_record_once(
    champions: Champions, store: Store, database_url: str, tmp_path: Path
) -> None:
    champions.put(6, tiny_model(contract(store.dataset)))
    decide(store, 6, champions.digests[6])
    with api(champions, tmp_path, database_url) as url:
        wait_for("version 6 is not live", lambda: version(url) == 6)
        ids = [predict(url).json()["prediction_id"] for _ in range(25)]
    with store.read() as work:
        kept = work.predictions.latest(100)
    assert sorted(p.id for p in kept) == sorted(ids)
    assert kept[0].inputs == ROW
    assert kept[0].model_version == 6


def test_the_process_holds_nothing_that_it_should_not() -> None:
    code = "import sys, json, serving.__main__; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(json.loads(out.stdout))
    forbidden = {
        "sqlalchemy", "rq", "redis", "pandas", "sklearn", "streamlit", "mlflow", "pyarrow",
        "core.adapters.store", "core.adapters.store.tables", "core.adapters.rq_queue",
        "core.adapters.mlflow.registry", "core.platform.tracing_otel", "requests",
        "opentelemetry.sdk",  # its API alone comes with FastAPI
    }  # fmt: skip
    assert loaded & forbidden == set()
