"""An MLflow that asks who we are, started as `make run` starts it: the whole way to an answer."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import pytest
import requests

from compose.local.children import Child, children, read_surroundings
from console.queries import doctor
from console.queries.doctor_rules import Finding, State, ok
from console.queries.health import look
from core.adapters.mlflow.registry import Registry
from core.domain.basic_auth import Login
from core.domain.dataset import Dataset
from core.domain.errors import Missing, RegistryUnavailable
from core.platform.settings import Settings
from serving.http.app import create_app
from serving.model.mlflow_rest import ChampionSource
from tests.build import contract
from tests.models import tiny_model
from tests.receiver import receiver
from tests.replica import ROW, SUM
from tests.stacks import answers, free_port, process, serve, wait_for
from tests.views.desks import at_a_desk

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours

PASSWORD = "c4n4ry-pass:w0rd %&"
LOGIN = Login("ana", PASSWORD)
NOBODY = (None, Login("ana", "wrong"), Login("eve", PASSWORD))


def _as_made(folder: Path) -> Child:
    """MLflow as `make run` would start it."""
    told = {"MLFLOW_PORT": str(free_port())}
    around = read_surroundings(told, folder / "no.env", folder)
    return next(child for child in children(around) if child.name == "mlflow")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same server with MLflow's basic-auth on; yields its address."""
    folder = tmp_path_factory.mktemp("guarded")
    child = _as_made(folder)
    (folder / "mlflow" / "artifacts").mkdir(parents=True)
    config = folder / "auth.ini"
    config.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder / 'auth.db'}\n"
    )
    env = dict(child.env) | {
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_USERNAME": LOGIN.name,
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": uuid.uuid4().hex,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    (port,) = child.ports
    url = port.url
    with process([*child.command, "--app-name", "basic-auth"], folder / "log", env) as server:

        def up() -> bool:
            assert server.poll() is None, (folder / "log").read_text()
            return answers(f"{url}/health")()

        wait_for("MLflow was not up", up, 180)
        yield url


def test_a_model_goes_the_whole_way_with_a_login(
    guarded: str, dataset: Dataset, tmp_path: Path
) -> None:
    name = f"Häuser {uuid.uuid4().hex[:8]}-v1.x"
    model = tiny_model(contract(dataset))
    registry = Registry(guarded, name, LOGIN)
    version = registry.publish(
        model, job="1", parameters={}, metrics={"mae": 1.0}, tags={}, signature=None,
        requirements=["onnxruntime"],
    )  # fmt: skip
    registry.set_champion(version)
    assert (registry.champion(), registry.fetch(version)) == (version, model)
    settings = Settings(
        _env_file=None, data_dir=tmp_path, mlflow_tracking_uri=guarded, model_name=name,
        mlflow_tracking_username=LOGIN.name, mlflow_tracking_password=PASSWORD, serving_poll=0.05,
        database_url=f"sqlite:///{tmp_path / 'none.db'}",
    )  # fmt: skip
    with serve(create_app(settings)) as url:
        wait_for("serving has no model", answers(f"{url}/health/ready"), 30)
        assert requests.post(f"{url}/predict", json=ROW, timeout=10).json()["prediction"] == SUM
        assert PASSWORD not in requests.get(f"{url}/model", timeout=10).text


def new_reader(server: str) -> Login:
    reader = Login(f"reader-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex)
    made = requests.post(
        f"{server}/api/2.0/mlflow/users/create",
        json={"username": reader.name, "password": reader.password},
        headers=LOGIN.headers(),
        timeout=10,
    )
    assert made.status_code == 200
    return reader


def test_the_doctor_goes_in_with_our_login_and_takes_a_reader_for_well(
    guarded: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = new_reader(guarded)

    def found(login: Login) -> dict[str, Finding]:
        told = {
            "mlflow_tracking_uri": guarded, "mlflow_tracking_username": login.name,
            "mlflow_tracking_password": login.password,
        }  # fmt: skip
        with at_a_desk(tmp_path, dataset, monkeypatch, **told) as desk:
            asked = replace(desk, registry=Registry(guarded, "houses", login))
            return {f.name: f for f in doctor.examine(asked, seconds=60)}

    for login, artifacts in ((LOGIN, "was stored"), (reader, "may only read")):
        told = found(login)
        assert told["MLflow version"] == ok("MLflow version", mlflow.__version__)
        assert told["MLflow allowed hosts"].state is State.OK
        assert told["Artifacts"].state is State.OK
        assert artifacts in told["Artifacts"].says
    told = found(Login(reader.name, "wrong"))
    assert told["MLflow"].state is State.BAD
    assert "MLFLOW_TRACKING_USERNAME" in told["MLflow"].todo
    assert "MLflow version" not in told


def test_a_reader_is_told_of_no_model_before_there_is_one_and_changes_none(
    guarded: str, dataset: Dataset
) -> None:
    reader = new_reader(guarded)
    name = f"houses-{uuid.uuid4().hex[:8]}"
    registry, source = Registry(guarded, name, reader), ChampionSource(guarded, name, reader)
    assert registry.champion() is None
    assert registry.versions() == []
    with pytest.raises(Missing, match="it is not there"):
        source.champion()
    writer = Registry(guarded, name, LOGIN)
    version = writer.publish(
        tiny_model(contract(dataset)), job="1", parameters={}, metrics={}, tags={}, signature=None,
        requirements=["onnxruntime"],
    )  # fmt: skip
    writer.set_champion(version)
    assert registry.champion() == version
    seen = source.champion()
    assert seen
    assert source.download(seen) == registry.fetch(version)
    with pytest.raises(Missing, match="may not see or change"):
        registry.set_champion(None)
    assert registry.champion() == version


@pytest.mark.parametrize("login", NOBODY)
def test_without_the_right_password_nothing_is_told_and_the_sentence_says_what_to_set(
    guarded: str, login: Login | None, tmp_path: Path
) -> None:
    asked = requests.get(
        f"{guarded}/api/2.0/mlflow/registered-models/search",
        headers=login.headers() if login else {},
        timeout=10,
    )
    assert asked.status_code == 401
    for attempt in (
        Registry(guarded, "houses", login).champion,
        lambda: Registry(guarded, "houses", login).set_champion(1),
        lambda: Registry(guarded, "houses", login).fetch(1),
        ChampionSource(guarded, "houses", login).champion,
    ):
        with pytest.raises(RegistryUnavailable, match="MLFLOW_TRACKING_PASSWORD") as refused:
            attempt()
        assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_the_page_of_services_says_whether_mlflow_takes_the_password(
    guarded: str, password: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "mlflow_tracking_uri": guarded,
        "mlflow_tracking_username": LOGIN.name,
        "mlflow_tracking_password": password,
    }
    with at_a_desk(tmp_path, dataset, monkeypatch, **told) as desk:
        (mlflow,) = [service for service in look(desk) if service.name == "MLflow"]
    assert mlflow.healthy is (password == PASSWORD)
    if mlflow.healthy:
        assert mlflow.version
    else:
        assert mlflow.says == "HTTP 401: check MLFLOW_TRACKING_USERNAME and _PASSWORD"


def test_the_password_is_in_no_environment_that_a_child_would_see(guarded: str) -> None:
    Registry(guarded, "houses", LOGIN).versions()
    assert PASSWORD not in str(dict(os.environ))
    child = [sys.executable, "-c", "import os; print(dict(os.environ))"]
    assert PASSWORD not in subprocess.run(child, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("client", [Registry, ChampionSource])
def test_an_mlflow_that_points_elsewhere_is_not_followed_there(client: Any) -> None:
    with receiver() as asked, receiver() as other:
        asked.answers = [(302, other.url)] * 10
        with pytest.raises(RegistryUnavailable):
            client(asked.url, "houses", LOGIN).champion()
        assert asked.got[0][0]["authorization"] == LOGIN.headers()["Authorization"]
        assert other.got == []


@pytest.mark.parametrize("foreign", ["evil.example", "127.0.0.1.evil.example", "169.254.169.254"])
def test_the_server_of_make_run_answers_to_its_own_names_alone(guarded: str, foreign: str) -> None:
    """A web page that lets its name resolve to this machine gets nothing (DNS rebinding)."""
    assert _asked(guarded, foreign) == 403
    assert _asked(guarded, "127.0.0.1") == 200
    assert _asked(guarded, f"localhost:{urlsplit(guarded).port}") == 200


def _asked(url: str, host: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        path = "/api/2.0/mlflow/experiments/search?max_results=1"
        connection.request("GET", path, headers={"Host": host} | LOGIN.headers())
        return connection.getresponse().status
    finally:
        connection.close()
