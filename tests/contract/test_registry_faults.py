"""Case F: every cause of a failing MLflow has a sentence of its own, and stands in the log."""

from __future__ import annotations

import shutil
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from structlog.testing import capture_logs

from core.adapters.mlflow.errors import translated
from core.adapters.mlflow.registry import Registry, digest_of
from core.domain.dataset import Dataset
from core.domain.errors import (
    DiskRefused,
    DriftdeskError,
    FileMissing,
    RegistryReplaced,
    RegistryUnavailable,
)
from tests.contract.test_registry import publish
from tests.stacks import free_port

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours


@pytest.fixture
def registry(mlflow_uri: str) -> Registry:
    return Registry(mlflow_uri, f"model-{uuid.uuid4().hex[:8]}")


def client_of(registry: Registry) -> MlflowClient:
    return MlflowClient(registry.uri, registry.uri)


def files_of(registry: Registry, version: int, root: Path) -> list[Path]:
    """The stored model files of a version."""
    digest = next(v.digest for v in registry.versions() if v.version == version)
    experiment = client_of(registry).get_experiment_by_name(registry.name)
    assert experiment
    return [
        f
        for f in root.rglob(f"artifacts/{experiment.experiment_id}/models/*/artifacts/model.onnx")
        if digest_of(f.read_bytes()) == digest
    ]


def test_case_f1_a_deleted_experiment_is_named_with_what_restores_it(
    registry: Registry, dataset: Dataset
) -> None:
    publish(registry, dataset)
    client = client_of(registry)
    experiment = client.get_experiment_by_name(registry.name)
    assert experiment
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(RegistryUnavailable) as refused:
        publish(registry, dataset, "2", 2.0)
    said = str(refused.value)
    assert f"The experiment {registry.name} is deleted in MLflow" in said
    assert f"mlflow experiments restore --experiment-id {experiment.experiment_id}" in said
    assert [v.version for v in registry.versions()] == [1]
    client.restore_experiment(experiment.experiment_id)
    assert publish(registry, dataset, "2", 2.0) == 2


@pytest.mark.parametrize("lost", ["folder", "file", "logged model"])
def test_case_f2_a_version_without_its_model_file_is_named(
    registry: Registry,
    dataset: Dataset,
    lost: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    for number in (1, 2):
        publish(registry, dataset, f"{lost} {number}", float(number))
    for file in files_of(registry, 1, tmp_path_factory.getbasetemp()):
        if lost == "folder":
            shutil.move(file.parent, tmp_path / uuid.uuid4().hex)
        elif lost == "file":
            file.unlink()
        else:
            client_of(registry).delete_logged_model(file.parent.parent.name)
            shutil.rmtree(file.parent)
    with pytest.raises(
        FileMissing, match=f"MLflow has no model file of version 1 of {registry.name}"
    ):
        registry.fetch(1)
    assert [registry.has_file(v) for v in (1, 2)] == [False, True]
    assert registry.fetch(2)


class Answer(BaseHTTPRequestHandler):
    """Answers everything alike."""

    status = 200
    body = b""
    headers_too: dict[str, str]

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.send_response(self.status)
        for name, value in self.headers_too.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[str]:
    handler = type("Own", (Answer,), {"status": status, "body": body, "headers_too": headers})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silent() -> Iterator[str]:
    """Accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def deaf() -> Iterator[str]:
    """Closes every connection at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def close_each() -> None:
            server.settimeout(0.1)
            while not over.is_set():
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=close_each)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


@contextmanager
def nothing() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def nameless() -> Iterator[str]:
    yield "http://mlflow.invalid:5000"


HTML = b"<html><body>Please log in</body></html>"


@pytest.mark.parametrize(
    ("neighbour", "says", "logged"),
    [
        (nothing(), "nothing listens there", "Connection refused"),
        (nameless(), "its name is not known", "Name"),
        (silent(), "did not answer in time", "timed out"),
        (deaf(), "broke the connection off", "Connection"),
        (answering(200, HTML), "sent no JSON", "Please log in"),
        (answering(200, b'{"ok": true}'), "is not what answers there", "requested none"),
        (answering(200, b"[" * 100_000), "is not what answers there", "RecursionError"),
        (answering(404, HTML), "sent no JSON", "404"),
        (answering(302, b"", Location="http://127.0.0.1:1/login"), "HTTP 302", "302"),
        (answering(413, HTML), "refuses a file of this size", "413"),
        (answering(500, HTML), "has an error of its own (HTTP 500)", "500"),
        (answering(502, HTML), "down or overloaded (HTTP 502)", "502"),
        (answering(503, HTML), "down or overloaded (HTTP 503)", "503"),
        (answering(401, HTML), "MLFLOW_TRACKING_USERNAME", "401"),
        (answering(400, b'{"error_code": "INVALID_STATE", "message": "It is being moved.\\n"}'),
         "refused: It is being moved.", "INVALID_STATE"),
    ],
    ids=["refused", "no-name", "silent", "broken-off", "html", "other-json", "deep-json", "404",
         "302", "413", "500", "502", "503", "401", "in-its-words"],
)  # fmt: skip
def test_case_f_every_cause_has_its_own_sentence_and_is_in_the_log(
    neighbour: Any, says: str, logged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with neighbour as uri, capture_logs() as lines, pytest.raises(RegistryUnavailable) as refused:
        Registry(uri, "none").versions()
    assert says in str(refused.value)
    assert uri in str(refused.value)
    assert "\n" not in str(refused.value)
    (line,) = [line for line in lines if line["event"] == "MLflow failed"]
    assert logged in " ".join(line["causes"])


def test_case_f_an_artifact_store_that_takes_nothing_is_named(
    registry: Registry, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    publish(registry, dataset)
    (file,) = files_of(registry, 1, tmp_path_factory.getbasetemp())
    models = file.parents[2]
    aside = models.with_name("aside")
    models.rename(aside)
    models.write_text("no folder", encoding="utf-8")
    try:
        with pytest.raises(RegistryUnavailable, match=r"artifact store is full.*not writable"):
            publish(registry, dataset, "2", 2.0)
    finally:
        models.unlink()
        aside.rename(models)
    assert [v.version for v in registry.versions()] == [1]


def test_case_f_this_machines_own_full_disk_is_not_blamed_on_mlflow() -> None:
    with pytest.raises(DiskRefused, match="TMPDIR"), translated("http://mlflow"):
        raise OSError(28, "No space left on device")


def test_case_f_our_own_errors_pass_through_as_they_are() -> None:
    with pytest.raises(DriftdeskError, match=r"^as it was$"), translated("http://mlflow"):
        raise FileMissing("as it was")


@pytest.mark.parametrize("how", ["renamed", "deleted", "renamed and made again"])
def test_case_g_numbers_on_record_are_not_given_out_again(
    registry: Registry, dataset: Dataset, how: str
) -> None:
    for number in (1, 2, 3, 4):
        publish(registry, dataset, str(number), float(number))
    client = client_of(registry)
    if how == "deleted":
        client.delete_registered_model(registry.name)
    else:
        client.rename_registered_model(registry.name, f"{registry.name}-old")
    if how == "renamed and made again":
        assert publish(registry, dataset, "other", 9.0) == 1
    before = [v.version for v in registry.versions()]
    with pytest.raises(RegistryReplaced) as refused:
        registry.require_ready(4)
    assert f"MLflow counts the versions of {registry.name} from" in str(refused.value)
    assert "versions up to 4 on record" in str(refused.value)
    assert "driftdesk continue-numbers" in str(refused.value)
    runs = len(_runs(registry))
    with pytest.raises(RegistryReplaced):
        publish(registry, dataset, "5", 5.0, above=4)
    assert [v.version for v in registry.versions()] == before
    assert len(_runs(registry)) == runs
    registry.continue_numbers(4)
    assert registry.counted() == 4
    assert publish(registry, dataset, "5", 5.0, above=4) == 5
    assert [v.version for v in registry.versions()] == [5, *before]


def _runs(registry: Registry) -> list[Any]:
    client = client_of(registry)
    experiment = client.get_experiment_by_name(registry.name)
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def test_case_g_a_newest_version_that_was_deleted_stands_in_nobodys_way(
    registry: Registry, dataset: Dataset
) -> None:
    for number in (1, 2):
        publish(registry, dataset, str(number), float(number))
    client_of(registry).delete_model_version(registry.name, "2")
    registry.require_ready(2)
    registry.require_ready(2)  # asks once: no number more is used up
    assert registry.counted() == 3
    assert publish(registry, dataset, "3", 3.0, above=2) == 4
