"""Our client of MLflow's REST API beside MLflow's own, on a real server: both see the same."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import onnx
import pytest
from mlflow.tracking import MlflowClient

from core.adapters.mlflow import api, rest
from core.adapters.mlflow.api import ModelRegistry, Tracking
from core.adapters.mlflow.artifacts import Artifacts
from core.adapters.mlflow.records import Metric
from core.adapters.mlflow.registry import Registry
from core.adapters.mlflow.rest import NotMlflow, Rest
from core.adapters.mlflow.signature import mlflow_signature
from core.domain.basic_auth import Login
from core.domain.dataset import Dataset
from core.domain.errors import Missing, RegistryUnavailable
from core.domain.registry_names import CHAMPION, DIGEST_TAG, JOB_TAG, MODEL_FILE
from tests.build import contract
from tests.contract.test_registry_faults import answering
from tests.models import tiny_model
from tests.receiver import receiver
from tests.stacks import ROOT

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours


@pytest.fixture
def name() -> str:
    return f"Häuser {uuid.uuid4().hex[:8]}"


@pytest.fixture
def theirs(mlflow_uri: str) -> MlflowClient:
    return MlflowClient(mlflow_uri, mlflow_uri)


@pytest.fixture
def ours(mlflow_uri: str) -> Rest:
    return Rest(mlflow_uri)


def log_as_mlflow_does(client: MlflowClient, name: str, model: bytes, made: Any) -> Any:
    """A run with a model and a version, by MLflow's own fluent functions."""
    with fluent(client.tracking_uri):
        mlflow.set_experiment(name)
        with mlflow.start_run(run_name="7", tags={"kind": "train"}) as run:
            mlflow.log_params({"rows": 10})
            mlflow.log_metrics({"mae": 1.5})
            logged = mlflow.onnx.log_model(
                onnx.load_from_string(model),
                name="model",
                signature=mlflow_signature(made),
                pip_requirements=["onnxruntime"],
                save_as_external_data=False,
            )
        mlflow.register_model(logged.model_uri, name, tags={DIGEST_TAG: "x", JOB_TAG: "7"})
    return run


@contextmanager
def fluent(uri: str) -> Iterator[None]:
    """MLflow's fluent functions keep their server in the environment."""
    before = {key: os.environ.get(key) for key in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID")}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


def test_what_mlflows_client_wrote_is_read_as_mlflows_client_reads_it(
    ours: Rest, theirs: MlflowClient, name: str, dataset: Dataset, tmp_path: Path
) -> None:
    model = tiny_model(contract(dataset))
    started = log_as_mlflow_does(theirs, name, model, contract(dataset))
    theirs.update_registered_model(name, "what it is for")
    theirs.set_registered_model_tag(name, "team", "a, b")
    theirs.set_registered_model_alias(name, CHAMPION, "1")
    with pytest.warns(FutureWarning):
        theirs.transition_model_version_stage(name, "1", "Production")
    models, tracking = ModelRegistry(ours, name), Tracking(ours)

    there = theirs.get_registered_model(name)
    here = models.model()
    assert (here.name, here.description, here.tags) == (name, there.description, there.tags)
    assert here.aliases == {alias: int(v) for alias, v in there.aliases.items()} == {CHAMPION: 1}

    version = theirs.get_model_version(name, "1")
    for read in (models.version(1), models.aliased(CHAMPION), *models.versions()):
        assert read is not None
        assert (read.version, read.stage) == (int(version.version), version.current_stage)
        assert (read.run_id, read.model_id) == (version.run_id or "", version.model_id or "")
        assert (read.tags, read.description) == (version.tags, version.description or "")
        assert read.created_ms == version.creation_timestamp
    assert models.aliased("nobody") is None
    assert models.files(1) == theirs.get_model_version_download_uri(name, "1")

    run_id = started.info.run_id
    theirs.log_metric(run_id, "mae", math.nan, 5, 1)
    theirs.log_metric(run_id, "mae", math.inf, 6, 2)
    run, mine = theirs.get_run(run_id), tracking.run(run_id)
    assert (mine.id, mine.name, mine.status) == (run_id, run.info.run_name, run.info.status)
    assert (mine.start, mine.end, mine.files) == (
        run.info.start_time, run.info.end_time, run.info.artifact_uri,
    )  # fmt: skip
    assert (mine.tags, mine.params, mine.metrics) == (
        run.data.tags, run.data.params, run.data.metrics,
    )  # fmt: skip
    history = [(m.value, m.timestamp, m.step) for m in theirs.get_metric_history(run_id, "mae")]
    assert str([(m.value, m.timestamp, m.step) for m in tracking.history(run_id, "mae")]) == str(
        history
    )

    experiment = theirs.get_experiment_by_name(name)
    assert experiment
    assert tracking.experiment(name) == api.Experiment(experiment.experiment_id, is_deleted=False)
    assert tracking.experiment(f"{name} no") is None
    found = tracking.runs(experiment.experiment_id, "tags.kind = 'train'")
    assert found == [r.info.run_id for r in theirs.search_runs([experiment.experiment_id])]

    model_id = str(version.source).removeprefix("models:/")
    logged, seen = theirs.get_logged_model(model_id), tracking.model(model_id)
    assert (seen.id, seen.name, seen.type) == (
        logged.model_id, logged.name, logged.model_type or "",
    )  # fmt: skip
    assert (seen.tags, seen.params, seen.files) == (
        logged.tags, logged.params, logged.artifact_location,
    )  # fmt: skip

    files = Artifacts(ours)
    assert files.read(models.files(1), MODEL_FILE) == (
        Path(mlflow.artifacts.download_artifacts(
            f"{models.files(1)}/{MODEL_FILE}", tracking_uri=theirs.tracking_uri
        )).read_bytes()
    )  # fmt: skip
    files.download(models.files(1), tmp_path / "files")
    assert sorted(f.name for f in (tmp_path / "files").iterdir()) == files.names(models.files(1))
    theirs.delete_experiment(experiment.experiment_id)
    deleted = tracking.experiment(name)
    assert deleted
    assert deleted.is_deleted


def test_a_training_is_logged_as_mlflows_client_logs_it(
    mlflow_uri: str, theirs: MlflowClient, name: str, dataset: Dataset
) -> None:
    """The same run, the same files, and a model that MLflow itself can load and run."""
    made = contract(dataset)
    model = tiny_model(made)
    log_as_mlflow_does(theirs, f"{name} theirs", model, made)
    Registry(mlflow_uri, name).publish(
        model, job="7", parameters={"rows": 10}, metrics={"mae": 1.5}, tags={"kind": "train"},
        signature=made, requirements=["onnxruntime"],
    )  # fmt: skip

    def told(name: str) -> dict[str, Any]:
        version = theirs.get_model_version(name, "1")
        logged = theirs.get_logged_model(str(version.source).removeprefix("models:/"))
        run = theirs.get_run(logged.source_run_id)
        with fluent(theirs.tracking_uri):
            info = mlflow.models.get_model_info(f"models:/{name}/1")
            model = mlflow.onnx.load_model(f"models:/{name}/1")
        return {
            "run": (run.info.run_name, run.info.status, run.data.params, run.data.metrics),
            "outputs": [o.model_id == logged.model_id for o in run.outputs.model_outputs],
            "kind": run.data.tags["kind"],
            "logged": (logged.name, str(logged.status), logged.model_type, logged.params),
            "linked": {int(v["version"]) for v in _versions(logged)},  # theirs names it twice
            "tags": {k for k in version.tags if k == JOB_TAG},
            "files": sorted(f.path for f in theirs.list_logged_model_artifacts(logged.model_id)),
            "flavors": info.flavors,
            "signature": info.signature.to_dict(),
            "ids": (info.run_id == run.info.run_id, info.model_id == logged.model_id),
            "model": model.SerializeToString(),
        }  # fmt: skip

    expected = told(f"{name} theirs")
    assert told(name) == expected
    assert expected["linked"] == {1}


def _versions(logged: Any) -> Any:
    return json.loads(logged.tags["mlflow.modelVersions"])


def test_what_we_change_is_what_mlflows_client_sees(
    ours: Rest, theirs: MlflowClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_METRICS_AT_ONCE", 2)
    monkeypatch.setattr(api, "_PARAMS_AT_ONCE", 2)
    monkeypatch.setattr(api, "_PAGE", 2)
    models, tracking = ModelRegistry(ours, name), Tracking(ours)
    models.create()
    models.create()  # the second time it is there
    models.describe("what it is for")
    models.tag("team", "a")
    experiment = tracking.create_experiment(name)
    run = tracking.create_run(experiment, "one", {"kind": "x"}, 1000)
    values = [1.0, math.nan, math.inf, -math.inf, 2.5]
    params = {f"p{n}": str(n) for n in range(5)}
    tracking.log(run.id, [Metric("m", v, n + 1, n) for n, v in enumerate(values)], params)
    tracking.end_run(run.id, "FAILED", 2000)
    there = theirs.get_run(run.id)
    assert (there.info.status, there.info.start_time, there.info.end_time) == ("FAILED", 1000, 2000)
    assert (there.data.params, there.data.tags["kind"]) == (params, "x")
    assert [m.value for m in theirs.get_metric_history(run.id, "m")] == pytest.approx(
        [m.value for m in tracking.history(run.id, "m")], nan_ok=True
    )
    assert len(tracking.history(run.id, "m")) == len(values)

    logged = tracking.create_model(
        experiment, "model", run_id=run.id, params=params, tags={"k": "v"}, kind="t"
    )
    tracking.finish_model(logged.id)
    seen = theirs.get_logged_model(logged.id)
    assert (str(seen.status), seen.params, seen.tags["k"], seen.model_type) == (
        "READY", params, "v", "t",
    )  # fmt: skip
    for number in range(1, 6):
        assert models.register(logged.id, {"n": str(number)}, description="d") == number
    models.delete_version(4)
    assert sorted(v.version for v in models.versions()) == [1, 2, 3, 5]
    models.tag_version(2, "more", "x")
    models.move(1, "Production")
    models.move(2, "Production", alone=True)
    models.set_alias(CHAMPION, 2)
    model = theirs.get_registered_model(name)
    assert (model.description, model.tags, model.aliases) == (
        "what it is for", {"team": "a"}, {CHAMPION: "2"},
    )  # fmt: skip
    versions = {int(v.version): v for v in theirs.search_model_versions(f"name = '{name}'")}
    assert {n: v.current_stage for n, v in versions.items()} == {
        1: "Archived", 2: "Production", 3: "None", 5: "None",
    }  # fmt: skip
    assert versions[2].tags == {"n": "2", "more": "x"}
    models.delete_alias(CHAMPION)
    assert theirs.get_registered_model(name).aliases == {}
    tracking.delete_model(logged.id)
    tracking.delete_run(run.id)
    assert theirs.search_runs([experiment]) == []


def test_files_go_there_and_come_back_as_they_were(
    ours: Rest, theirs: MlflowClient, name: str, tmp_path: Path
) -> None:
    tracking, files = Tracking(ours), Artifacts(ours)
    run = tracking.create_run(tracking.create_experiment(name), None, {}, 1)
    folder = tmp_path / "there"
    (folder / "Ünter 1").mkdir(parents=True)
    (folder / "Ünter 1" / "a b.txt").write_bytes(b"x" * 3_000_000)
    (folder / "empty").write_bytes(b"")
    files.upload(folder, run.files, "training")
    files.download(f"{run.files}/training", tmp_path / "back")
    assert {f.relative_to(tmp_path / "back"): f.read_bytes()
            for f in (tmp_path / "back").rglob("*") if f.is_file()} == {
        Path("Ünter 1/a b.txt"): b"x" * 3_000_000, Path("empty"): b"",
    }  # fmt: skip
    listed = theirs.list_artifacts(run.id, "training")
    assert sorted(f.path for f in listed) == ["training/empty", "training/Ünter 1"]
    assert files.names(f"{run.files}/training") == ["empty", "Ünter 1"]
    files.probe()


@pytest.mark.parametrize("uri", ["s3://bucket/x", "/var/lib/mlflow", ""])
def test_an_artifact_store_that_mlflow_does_not_serve_is_named(uri: str) -> None:
    with pytest.raises(RegistryUnavailable, match="--serve-artifacts"):
        Artifacts(Rest("http://127.0.0.1:1")).read(uri, "x")


@pytest.mark.parametrize("path", ["..", "a/..", "x\\\\..\\\\y", ""])
def test_a_listing_cannot_name_a_file_outside_the_folder(path: str, tmp_path: Path) -> None:
    body = b'{"files": [{"path": "%s", "is_dir": false}]}' % path.encode()
    with answering(200, body) as uri, pytest.raises(NotMlflow):
        Artifacts(Rest(uri)).download("mlflow-artifacts:/1/x", tmp_path / "here")
    assert [*tmp_path.iterdir()] == [tmp_path / "here"]
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [b"[]", b'"text"', b"{}", b'{"registered_model": 7}', b'{"registered_model": {"name": 7}}',
     b'{"registered_model": {"name": "none", "aliases": [{"alias": "a", "version": "x"}]}}',
     b'{"registered_model": {"name": "none", "tags": [1]}}'],
)  # fmt: skip
def test_json_of_another_server_is_not_taken_for_mlflows(body: bytes) -> None:
    with answering(200, body) as uri, pytest.raises(RegistryUnavailable, match="not what answers"):
        Registry(uri, "none").champion()


def test_an_answer_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_JSON_BYTES", 1000)
    with (
        answering(200, b"{" + b" " * 2000 + b"}") as uri,
        pytest.raises(RegistryUnavailable, match="more than 1,000 bytes"),
    ):
        Registry(uri, "none").champion()


@pytest.mark.parametrize(("status", "sends"), [(503, 3), (500, 3), (429, 3), (400, 1), (401, 1)])
def test_only_what_may_pass_is_asked_again(
    status: int, sends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with receiver() as there:
        there.answers = [status] * 10
        with pytest.raises(RegistryUnavailable):
            Registry(there.url, "none").set_champion(1)
        assert len(there.got) == sends


def test_two_logins_of_one_server_are_kept_apart_and_go_nowhere_else() -> None:
    first, second = Login("ana", "one"), Login("ben", "two")
    with receiver() as there, receiver() as other:
        there.answers = [(302, other.url)] * 3
        registries = [Registry(there.url, "n", login) for login in (first, second, None)]
        for registry in registries:
            with pytest.raises(RegistryUnavailable, match="HTTP 302"):
                registry.champion()
        sent = [headers.get("authorization") for headers, _ in there.got]
        assert sent == [*(login.headers()["Authorization"] for login in (first, second)), None]
        assert other.got == []


def test_the_proxy_of_the_environment_is_used_unless_the_host_is_exempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with receiver() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://ana:pw@"))
        with pytest.raises(RegistryUnavailable, match="not what answers"):
            Registry("http://proxied.invalid:5000", "none").champion()
        ((headers, _),) = proxy.got
        assert headers["host"] == "proxied.invalid:5000"
        assert headers["proxy-authorization"] == Login("ana", "pw").headers()["Authorization"]
        monkeypatch.setenv("no_proxy", ".invalid")
        with pytest.raises(RegistryUnavailable, match="its name is not known"):
            Registry("http://proxied.invalid:5000", "none").champion()
        assert len(proxy.got) == 1


def test_a_forked_child_opens_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Rest("http://127.0.0.1:1")
    parents = one._pool()
    assert one._pool() is parents
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert one._pool() is not parents


READS = """
import sys
from pathlib import Path
from core.adapters.mlflow.registry import Registry
from core.adapters.mlflow.transfer import Carriage
uri, name, folder = sys.argv[1:]
registry = Registry(uri, name)
registry.set_champion(1)
registry.continue_numbers(3)
assert registry.champion() == 1 and registry.fetch(1) and registry.counted() == 3
carriage = Carriage(registry)
assert carriage.model() and carriage.versions() and carriage.download(1, Path(folder))
registry.try_artifacts()
print(*{m.partition(".")[0] for m in sys.modules})
"""


def test_reading_deciding_and_saving_import_neither_mlflow_nor_pandas(
    mlflow_uri: str, name: str, dataset: Dataset, tmp_path: Path
) -> None:
    Registry(mlflow_uri, name).publish(
        tiny_model(contract(dataset)), job="1", parameters={}, metrics={}, tags={},
        signature=None, requirements=["onnxruntime"],
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", READS, mlflow_uri, name, str(tmp_path / "files")],
        capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "urllib3" in done.stdout.split()
    assert not set(done.stdout.split()) & {"mlflow", "pandas", "numpy", "sklearn", "requests"}


def test_a_missing_model_and_a_missing_version_are_missing(
    mlflow_uri: str, ours: Rest, name: str
) -> None:
    registry = Registry(mlflow_uri, name)
    assert registry.champion() is None
    assert registry.versions() == []
    ModelRegistry(ours, name).create()
    with pytest.raises(Missing):
        registry.fetch(1)
    with pytest.raises(Missing):
        registry.set_champion(1)
