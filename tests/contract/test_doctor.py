"""The doctor on real neighbours: what it finds, what it leaves behind, and how long it takes."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa

from console import doctor
from console.desk import Desk
from console.diagnosis import Finding, State
from core.dataset import Dataset
from core.errors import Missing, RegistryUnavailable
from core.queue import Queue
from core.registry import Registry
from core.remote import Probe
from core.settings import Settings
from core.store import Store
from core.store.engine import make_engine
from core.store.facts import look
from core.store.revision import HEAD
from core.store.schema import migrate
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
    from tests.conftest import fresh_database

    url = fresh_database(mariadb)
    migrate(url, dataset)
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


def test_artifacts_are_tried_and_nothing_is_left(
    mlflow_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    Registry(mlflow_uri, "none").try_artifacts()
    assert list(tmp_path_factory.getbasetemp().rglob("driftdesk-doctor-*")) == []
    with pytest.raises(RegistryUnavailable):
        Registry(NOWHERE, "none").try_artifacts()


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
    migrate(url, dataset)
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

    monkeypatch.setattr(doctor, "probe", hangs)
    found = by_name(doctor.examine(desk, patience=4))
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


def test_the_command_ends_with_one_where_anything_is_bad(tmp_path: Path, dataset: Dataset) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrate(url, dataset)
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
