"""The doctor on real neighbours: what it finds, what it leaves behind, and how long it takes."""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa

from console.desk import Desk
from console.queries import doctor, doctor_checks
from console.queries.doctor_rules import Finding, State
from core.adapters.mlflow.registry import Registry
from core.adapters.rq_queue import Queue
from core.adapters.serving.replicas import Probe, Serving
from core.adapters.store import Store
from core.adapters.store.engine import make_engine
from core.adapters.store.schema_version import HEAD
from core.adapters.store.server_facts import look
from core.domain.dataset import Dataset
from core.domain.errors import Missing, RegistryUnavailable
from core.platform.settings import Settings
from tests import build
from tests.contract.test_registry import publish
from tests.contract.test_registry_faults import client_of, files_of, silent
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.house import CLI
from tests.stacks import ROOT

NOWHERE = "http://127.0.0.1:1"


def tables(store: Store) -> set[str]:
    inspector = sa.inspect(store.engine)
    return {*inspector.get_table_names(), *inspector.get_view_names()}


def test_a_database_is_looked_at_and_left_as_it_was(store: Store) -> None:
    before = tables(store)
    facts = look(store.engine)
    assert (facts.revision, facts.refused) == (HEAD, ())
    assert abs(facts.ahead) < 2
    assert facts.kind in ("SQLite", "MariaDB", "MySQL")
    if facts.kind != "SQLite":
        assert (facts.charset, facts.local_infile) == ("utf8mb4", True)
    assert tables(store) == before


def test_looking_for_a_database_makes_none(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(Missing):
        look(engine)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("granted", "lacks"),
    [
        ("SELECT, INSERT, UPDATE, DELETE", ["DROP"]),
        ("SELECT, INSERT, UPDATE, DELETE, CREATE, DROP", ["ALTER", "INDEX", "INSERT", "UPDATE",
                                                          "CREATE VIEW"]),
        ("SELECT, INSERT, UPDATE, CREATE, DROP, ALTER, INDEX", ["CREATE VIEW", "DELETE"]),
    ],
)  # fmt: skip
def test_rights_that_are_missing_are_named(
    mariadb: str, dataset: Dataset, granted: str, lacks: list[str]
) -> None:
    from tests.databases import fresh_database

    url = fresh_database(mariadb)
    migrated(url, dataset)
    name = url.rsplit("/", 1)[1]
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY 'pw'")
        connection.exec_driver_sql(f"GRANT {granted} ON {name}.* TO '{name}'@'127.0.0.1'")
        before = set(sa.inspect(connection).get_table_names())
    small = make_engine(url.replace("root@", f"{name}:pw@"))
    assert [right for right, _ in look(small).refused] == lacks
    small.dispose()
    with engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) == before
    engine.dispose()


def test_the_queues_server_says_what_it_is(redis_url: str) -> None:
    facts = Queue(redis_url).facts()
    assert facts.kind in ("Redis", "Valkey")
    assert (facts.journal, facts.policy) == (False, "noeviction")
    assert abs(facts.ahead) < 2


def test_case_h_a_queue_that_refuses_writes_is_bad_with_what_to_do(desk: Desk) -> None:
    assert by_name(doctor.examine(desk))["Queue writes"].state is State.OK
    desk.queue.refuses = "Redis refuses writes: OOM, its memory is full."  # type: ignore[attr-defined]
    found = by_name(doctor.examine(desk))
    assert found["Queue (Redis)"].state is State.OK
    assert found["Queue writes"].state is State.BAD
    assert "Redis refuses writes: OOM" in found["Queue writes"].says
    assert found["Queue writes"].todo
    assert "Start Redis" not in found["Workers"].todo


def test_artifacts_are_tried_and_nothing_is_left(
    mlflow_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    Registry(mlflow_uri, "none").try_artifacts()
    assert list(tmp_path_factory.getbasetemp().rglob("driftdesk-doctor-*")) == []
    with pytest.raises(RegistryUnavailable):
        Registry(NOWHERE, "none").try_artifacts()


@pytest.fixture
def real(desk: Desk, mlflow_uri: str) -> Desk:
    """The desk on a real MLflow, where version 1 is proposed and version 2 is live."""
    registry = Registry(mlflow_uri, f"model-{uuid.uuid4().hex[:8]}")
    for number in (1, 2):
        publish(registry, desk.dataset, str(number), float(number))
        build.proposed(desk.store, number)
    with desk.store.begin() as work:
        build.approve(work, 2, champion=None)
        work.promotions.make_live(work.promotions.of_version(2))
        work.commit()
    return replace(desk, registry=registry)


@pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours
def test_case_f1_a_deleted_experiment_is_bad_with_what_restores_it(real: Desk) -> None:
    client = client_of(real.registry)
    experiment = client.get_experiment_by_name(real.registry.name)
    assert experiment
    client.delete_experiment(experiment.experiment_id)
    found = by_name(doctor.examine(real))["Experiment"]
    assert found.state is State.BAD
    assert f"The experiment {real.registry.name} is deleted in MLflow" in found.says
    assert f"--experiment-id {experiment.experiment_id}" in found.says
    client.restore_experiment(experiment.experiment_id)
    assert by_name(doctor.examine(real))["Experiment"].state is State.OK


@pytest.mark.filterwarnings("default")
def test_case_f2_a_version_without_its_file_is_named(
    real: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert (
        by_name(doctor.examine(real))["Model files"].says
        == "2 versions checked; none lacks its file."
    )
    for file in files_of(real.registry, 2, tmp_path_factory.getbasetemp()):
        file.unlink()
    found = by_name(doctor.examine(real))["Model files"]
    assert found.state is State.BAD
    assert "MLflow has no model file of version 2." in found.says
    assert "Version 2 is live" in found.says
    assert "Restore" in found.todo


@pytest.mark.filterwarnings("default")
def test_case_g_a_registry_that_counts_from_the_start_is_bad(real: Desk) -> None:
    assert by_name(doctor.examine(real))["Version numbers"].state is State.OK
    elsewhere = f"{real.registry.name}-old"
    client_of(real.registry).rename_registered_model(real.registry.name, elsewhere)
    found = by_name(doctor.examine(real))
    numbers, live = found["Version numbers"], found["Live version"]
    assert (numbers.state, live.state) == (State.BAD, State.BAD)
    assert "from 1, but versions up to 2 are on record" in numbers.says
    assert "continue-numbers" in numbers.todo
    assert "MLflow has no version 2" in live.says
    assert "old name back" in live.todo
    assert "reconciler" not in live.todo


def test_a_serving_that_hangs_is_bad_within_the_time_limit(desk: Desk) -> None:
    with silent() as url:
        settings = desk.settings.model_copy(update={"serving_url": url})
        hung = replace(desk, settings=settings, serving=Serving([url]))
        found = by_name(doctor.examine(hung))
    assert found["Serving"].state is State.BAD
    assert "did not answer" in found["Serving"].says
    assert found["Serving"].todo
    assert found["Live version"].state is State.BAD


def test_from_another_folder_the_doctor_makes_nothing(
    desk: Desk, tmp_path: Path, dataset: Dataset
) -> None:
    elsewhere = tmp_path / "elsewhere" / ".data"
    settings = desk.settings.model_copy(update={"data_dir": elsewhere, "database_url": ""})
    store = Store.open(settings.database, dataset)
    found = by_name(doctor.examine(replace(desk, settings=settings, store=store)))
    store.close()
    assert found["Database"].says == f"No desk is found at {elsewhere / 'driftdesk.db'}."
    assert "project's folder" in found["Database"].todo
    assert str(elsewhere) in found["Data folder"].says
    assert not elsewhere.parent.exists()


class Recorder(BaseHTTPRequestHandler):
    """Notes what is asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def recorder() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    server = HTTPServer(("127.0.0.1", 0), type("Own", (Recorder,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(url, dataset)
    settings = Settings(
        _env_file=None, data_dir=tmp_path, database_url=url, actor="ana",
        mlflow_tracking_uri=NOWHERE, data_api_url=NOWHERE, serving_url=NOWHERE,
    )  # fmt: skip
    made = Desk(
        settings, dataset, Store.open(url, dataset),
        FakeQueue(), FakeRegistry(), FakeServing(),  # type: ignore[arg-type]
    )  # fmt: skip
    yield made
    made.store.close()


def by_name(found: list[Finding]) -> dict[str, Finding]:
    assert len({f.name for f in found}) == len(found)
    return {f.name: f for f in found}


def test_the_data_api_is_never_asked_for_data(desk: Desk) -> None:
    with recorder() as (url, asked):
        told = desk.settings.model_copy(update={"data_api_url": url})
        found = by_name(doctor.examine(replace(desk, settings=told)))
    assert found["Data API"].state is State.OK
    assert asked == ["/health"]


def test_a_neighbour_that_hangs_holds_up_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hangs(url: str) -> Probe:
        released.wait(120)
        return Probe(True, 0.0, url)

    monkeypatch.setattr(doctor_checks, "probe", hangs)
    found = by_name(doctor.examine(desk, seconds=4))
    assert not released.is_set()
    released.set()
    assert found["MLflow"].says == "No answer within 4 s."
    assert found["MLflow"].state is State.BAD
    assert found["Migrations"].state is State.OK


def test_a_database_that_was_never_made_is_bad_and_not_made(desk: Desk, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    store = Store.open(url, desk.dataset)
    found = by_name(doctor.examine(replace(desk, store=store)))
    assert "workers migrate" in found["Migrations"].todo
    store.close()


@pytest.mark.whole
def test_the_command_ends_with_one_where_anything_is_bad(tmp_path: Path, dataset: Dataset) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(url, dataset)
    env = {
        "DATABASE_URL": url, "DATA_DIR": str(tmp_path), "PATH": "/nowhere",
        "MLFLOW_TRACKING_URI": NOWHERE, "DATA_API_URL": NOWHERE, "SERVING_URL": NOWHERE,
        "REDIS_URL": "redis://127.0.0.1:1/0", "PYTHONPATH": str(ROOT),
    }  # fmt: skip

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CLI, "doctor", *arguments], cwd=tmp_path, env=env | more, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip

    done = run("--json")
    assert done.returncode == 1
    found = {f["name"]: f for f in json.loads(done.stdout)}
    assert found["Migrations"]["state"] == "ok"
    assert found["MLflow"]["state"] == found["Queue (Redis)"]["state"] == "bad"
    assert "REDIS_URL" in found["Queue (Redis)"]["todo"]
    wrong = run(LEASE_SECONDS="none")
    assert wrong.returncode == 1
    assert "LEASE_SECONDS" in wrong.stdout
