"""Serving while what is around it fails: answers go on, and each is on record exactly once."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from core.adapters.mlflow.registry import digest_of
from core.adapters.store.migrate import migrate
from core.domain.dataset import Dataset
from tests import stacks
from tests.build import contract
from tests.databases import fresh_database
from tests.models import tiny_model
from tests.replica import Replica, asking, recorded, replica, wait_for_records
from tests.stacks import small_disk, wait_for


@pytest.fixture
def migrated(database_url: str, dataset: Dataset) -> str:
    migrate(database_url, dataset)
    return database_url


def test_every_answer_that_was_given_is_on_record_once_after_kill_9(
    migrated: str, dataset: Dataset, tmp_path: Path
) -> None:
    given: set[str] = set()
    with replica(tmp_path / "r", contract(dataset), database_url=migrated) as server:
        for round_ in range(4):
            with asking(server) as asked:
                asked.more(150)
                server.kill()
            given |= set(asked.ids)
            assert asked.other == []
            # The last start but one finds no database, so its records wait for the one after it.
            away = f"sqlite:///{tmp_path / 'nowhere.db'}" if round_ == 1 else migrated
            server.start(database_url=away)
        kept = wait_for_records(migrated, given)
        print(f"{len(given)} answers over four kills, {len(kept)} on record")
        assert max(Counter(kept).values()) == 1
        wait_for("the spool is not empty", lambda: server.figure("spool_bytes") == 0)


def test_a_line_that_was_cut_off_and_one_that_is_none_hold_up_nothing(
    migrated: str, dataset: Dataset, tmp_path: Path
) -> None:
    gone = tmp_path / "r" / "serving" / "spool" / "gone"
    gone.mkdir(parents=True)
    at = "2026-11-24 10:00:00.000000"
    good = f'["p","00000000-0000-4000-8000-000000000001","{at}",1,{{"bed":1}},1.0,null]'
    (gone / "00000000.ndjson").write_text(f'{good}\nnonsense\n{good}\n["p","0000', encoding="utf-8")
    with replica(tmp_path / "r", contract(dataset), database_url=migrated) as server:
        kept = wait_for_records(migrated, {"00000000-0000-4000-8000-000000000001"})
        assert len(kept) == 1
        wait_for("the folder is still there", lambda: not gone.exists())
        assert server.figure("records_rejected_total") == 1


def test_two_processes_share_a_folder_and_lose_nothing(
    migrated: str, dataset: Dataset, tmp_path: Path
) -> None:
    made = contract(dataset)
    with (
        replica(tmp_path / "r", made, database_url=migrated) as one,
        replica(tmp_path / "r", made, database_url=migrated) as other,
    ):
        with asking(one, 2) as first, asking(other, 2) as second:
            first.more(100)
            one.kill()
            second.more(100)
        one.start()
        given = {*first.ids, *second.ids}
        kept = wait_for_records(migrated, given)
        assert max(Counter(kept).values()) == 1
        assert len(set(kept) - given) <= 2  # recorded, but the killed process could not send them


def test_a_database_that_hangs_dies_and_comes_back_costs_no_answer(
    dataset: Dataset, tmp_path: Path
) -> None:
    with stacks.mariadb_process(tmp_path / "db") as (root, child):
        url = fresh_database(root)
        migrate(url, dataset)
        with replica(tmp_path / "r", contract(dataset), database_url=url) as server:
            with asking(server) as asked:
                asked.more(100)
                child.send_signal(signal.SIGSTOP)
                asked.more(300)
                child.send_signal(signal.SIGCONT)
                asked.more(100)
                child.kill()
                child.wait(20)
                asked.more(300)
                with stacks.mariadb_again(tmp_path / "db", root):
                    asked.more(100)
                    kept = wait_for_records(url, set(asked.ids), 90)
            print(f"{len(asked.ids)} answers, {len(kept)} on record")
    assert (asked.other, asked.broken) == ([], 0)
    assert max(Counter(kept).values()) == 1


@contextmanager
def neighbour(answer: bytes | None) -> Iterator[str]:
    """Somebody who takes every connection, and says this, or nothing ever."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    held: list[socket.socket] = []

    def work() -> None:
        while True:
            try:
                taken, _ = server.accept()
            except OSError:
                return
            held.append(taken)
            if answer is not None:
                taken.recv(65536)
                taken.sendall(answer)
                taken.close()

    threading.Thread(target=work, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()
        for taken in held:
            taken.close()


def http(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"nonsense",
        http("200 OK", b"<html>Sign in</html>"),
        http("200 OK", b'{"model_version": {"version": "many"}}'),
        http("200 OK", b"[1]"),
        http("200 OK", b"[" * 100_000),
        http("500 Internal Server Error", b'{"error_code": 5}'),
    ],
)
def test_a_registry_that_is_slow_or_wrong_costs_no_answer_at_start_or_later(
    dataset: Dataset, tmp_path: Path, answer: bytes | None
) -> None:
    with (
        neighbour(answer) as uri,
        replica(tmp_path, contract(dataset), mlflow_tracking_uri=uri) as server,
        asking(server, 2) as asked,
    ):
        if answer is not None:
            wait_for("the trouble is not told", lambda: bool(server.model()["trouble"]))
            assert server.figure("registry_up") == 0
        asked.more(50)
    assert (asked.other, asked.broken) == ([], 0)


def test_when_the_disk_is_full_answers_go_on_and_drops_are_counted(
    migrated: str, dataset: Dataset, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "256k") as disk:
        away = f"sqlite:///{tmp_path / 'nowhere.db'}"
        with replica(tmp_path / "r", contract(dataset), ready=False) as server:
            pass
        (tmp_path / "r" / "serving" / "spool").mkdir(parents=True, exist_ok=True)
        (disk / "spool").mkdir()
        spool = tmp_path / "r" / "serving" / "spool"
        for left in spool.iterdir():
            left.rmdir()
        spool.rmdir()
        spool.symlink_to(disk / "spool")
        server.start(database_url=away)
        with asking(server) as asked:
            wait_for("nothing was dropped", lambda: server.figure("records_dropped_total") > 50)
            asked.more(50)
        assert (asked.other, asked.broken) == ([], 0)
        assert (
            "full" in server.model()["spool"]["trouble"].lower()
            or server.model()["spool"]["trouble"]
        )
        server.stop()
        before = len(set(asked.ids))
        server.start(database_url=migrated)
        wait_for("the spool is not empty", lambda: server.figure("spool_bytes") == 0)
        kept = recorded(migrated)
        assert 0 < len(kept) < before
        assert set(kept) <= set(asked.ids)
        assert max(Counter(kept).values()) == 1
        with asking(server, 2) as after:
            after.more(20)
        wait_for_records(migrated, set(after.ids))
        server.close()


def test_more_than_it_can_do_is_turned_away_at_once_and_it_recovers(
    dataset: Dataset, tmp_path: Path
) -> None:
    with replica(tmp_path, contract(dataset), serving_waiting=2) as server:
        before = server.rss_mb()
        with asking(server, 32) as asked:
            wait_for("nobody is turned away", lambda: len(asked.other) > 20)
            asked.more(200)
        assert requests.get(f"{server.url}/health/ready", timeout=10).status_code == 200
        assert server.ask().status_code == 200
        print(f"{len(asked.ids)} answered, {len(asked.other)} turned away, "
              f"{server.rss_mb() - before:.0f} MB more")  # fmt: skip
        assert set(asked.other) == {503}
        assert asked.broken == 0
        assert server.rss_mb() - before < 50


def test_who_is_turned_away_is_told_when_to_come_again(dataset: Dataset, tmp_path: Path) -> None:
    with replica(tmp_path, contract(dataset), serving_waiting=1) as server:
        seen: list[requests.Response] = []

        def ask() -> None:
            session = requests.Session()
            while not seen:
                answer = session.post(f"{server.url}/predict", json={}, timeout=10)
                if answer.status_code == 503:
                    seen.append(answer)

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert seen[0].headers["retry-after"] == "1"
        assert seen[0].headers["content-type"] == "application/problem+json"


def test_a_stop_answers_what_was_accepted_and_writes_what_was_recorded(
    migrated: str, dataset: Dataset, tmp_path: Path
) -> None:
    with (
        replica(tmp_path / "r", contract(dataset), database_url=migrated) as server,
        asking(server) as asked,
    ):
        asked.more(200)
        code = server.stop()
        asked.stop.set()
    assert code == 0
    assert asked.other == []
    assert Counter(recorded(migrated)) == Counter(asked.ids)


@pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours
def test_a_new_version_is_swapped_in_on_a_real_registry_while_it_restarts(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow is killed and started again; the alias that moved meanwhile is followed."""
    from core.adapters.mlflow.registry import Registry

    made = contract(dataset)
    folder = tmp_path / "mlflow"
    folder.mkdir()
    port = stacks.free_port()
    with stacks.mlflow(folder, port) as uri:
        registry = Registry(uri, dataset.name)
        for factor in (1.0, 2.0):
            registry.publish(
                tiny_model(made, factor), job=f"{factor}", parameters={}, metrics={}, tags={},
                signature=made, requirements=("numpy",),
            )  # fmt: skip
        registry.set_champion(1)
        server = Replica(tmp_path / "r", mlflow_tracking_uri=uri)
        server.start(ready=False)
        wait_for("version 1 is not live", lambda: server.model()["version"] == 1)
        assert server.model()["trained"]["registered_at"].startswith("20")
    try:
        with asking(server, 2) as asked:
            wait_for("the trouble is not told", lambda: bool(server.model()["trouble"]))
            asked.more(50)
            with stacks.mlflow(folder, port) as uri:
                Registry(uri, dataset.name).set_champion(2)
                wait_for("version 2 is not live", lambda: server.model()["version"] == 2)
                asked.more(50)
        assert (asked.other, asked.broken) == ([], 0)
        assert server.ask().json()["prediction"] == pytest.approx(2 * 1005.5)
    finally:
        server.close()


@pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours
@pytest.mark.parametrize("deleted", ["the alias", "the live version", "the registered model"])
def test_what_is_deleted_in_a_real_registry_costs_no_answer(
    dataset: Dataset, tmp_path: Path, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch, deleted: str
) -> None:
    from mlflow.tracking import MlflowClient

    from core.adapters.mlflow.registry import Registry
    from core.domain.registry_names import CHAMPION
    from tests.record import decide_at

    name = f"houses {uuid.uuid4().hex[:8]}"
    made = contract(dataset)
    registry = Registry(mlflow_uri, name)
    version = registry.publish(
        tiny_model(made), job="1", parameters={}, metrics={}, tags={},
        signature=made, requirements=("numpy",),
    )  # fmt: skip
    registry.set_champion(version)
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrate(url, dataset)
    decide_at(url, dataset, version, digest_of(registry.fetch(version)))
    server = Replica(
        tmp_path / "r", mlflow_tracking_uri=mlflow_uri, model_name=name, database_url=url
    )
    try:
        server.start(ready=False)
        wait_for("version 1 is not confirmed", lambda: server.model()["confirmed"])
        client = MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)
        with asking(server, 2) as asked:
            if deleted == "the alias":
                client.delete_registered_model_alias(name, CHAMPION)
            elif deleted == "the live version":
                client.delete_model_version(name, str(version))
            else:
                client.delete_registered_model(name)
            wait_for("it is not told", lambda: bool(server.model()["notice"]))
            asked.more(20)
        assert (asked.other, asked.broken) == ([], 0)
        server.kill()
        server.start()
        wait_for("it is not told", lambda: bool(server.model()["notice"]))
        print(server.model()["notice"])
        assert server.ask().json()["model_version"] == version
        assert server.figure("alias_agrees") == 0
    finally:
        server.close()


def test_a_silent_database_holds_up_neither_an_answer_nor_the_stop(
    dataset: Dataset, tmp_path: Path
) -> None:
    with neighbour(None) as http_url:
        url = f"mysql+pymysql://root@{http_url.removeprefix('http://')}/desk"
        with replica(tmp_path, contract(dataset), database_url=url) as server:
            with asking(server, 2) as asked:
                wait_for("the silence is not told", lambda: bool(server.model()["database"]), 40)
                asked.more(50)
            assert (asked.other, asked.broken) == ([], 0)
            assert server.stop() == 0


def test_a_head_without_end_holds_up_nobody_else(dataset: Dataset, tmp_path: Path) -> None:
    """The program itself, on its own protocol: one that sends 60 MB of a header, and 600 halves."""
    with replica(tmp_path, contract(dataset)) as server, asking(server, 2) as asked:
        asked.more(20)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as endless:
            endless.sendall(b"GET /model HTTP/1.1\r\nx: ")
            with contextlib.suppress(OSError):
                for _ in range(1000):
                    endless.sendall(b"a" * 65536)
        held = []
        try:
            for _ in range(600):
                held.append(socket.create_connection(("127.0.0.1", server.port), timeout=20))
                held[-1].sendall(b"GET /model HTTP/1.1\r\nx: ")
            asked.more(50)
        finally:
            for each in held:
                each.close()
    assert (asked.other, asked.broken) == ([], 0)


@pytest.mark.parametrize("query", ["?ssl_caa=/etc/ca.pem", "?read_timeout=1"])
def test_a_database_url_that_is_not_understood_stops_the_start_with_a_sentence(
    dataset: Dataset, tmp_path: Path, query: str
) -> None:
    made = Replica(tmp_path, database_url=f"mysql+pymysql://root@127.0.0.1/desk{query}")
    try:
        with pytest.raises(AssertionError):
            made.start(ready=False)
        assert "DATABASE_URL" in made.said()
        assert "not understood" in made.said()
        assert "Traceback" not in made.said()
    finally:
        made.close()
