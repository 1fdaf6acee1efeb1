"""What would run, and what stands in its way."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis

from compose.local.__main__ import main
from compose.local.children import CannotStart, children, chosen, read_surroundings
from console.queries import local_logs
from tests.stacks import ROOT, free_port, wait_for


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, free ports, and nothing given."""
    for name in ("REDIS_URL", "MLFLOW_TRACKING_URI", "DATA_API_URL", "SERVING_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REDIS_PORT", "MLFLOW_PORT", "DATA_API_PORT", "SERVING_PORT", "CONSOLE_PORT"):
        monkeypatch.setenv(name, str(free_port()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_everything_runs_where_nothing_is_given(tmp_path: Path) -> None:
    around = read_surroundings({}, tmp_path / ".env", tmp_path)
    after = {child.name: child.after for child in children(around)}
    assert after == {
        "queue": (),
        "mlflow": (),
        "data-api": (),
        "serving": ("migrate", "mlflow"),
        "migrate": (),
        "work": ("queue", "migrate"),
        "train": ("queue", "migrate"),
        "desk": ("queue", "migrate"),
        "reconcile": ("queue", "migrate", "mlflow"),
        "console": ("migrate",),
    }
    assert around.env["DATABASE_URL"] == f"sqlite:///{tmp_path}/driftdesk.db"
    assert after.keys() >= set(local_logs.PROCESSES.values())


def test_what_is_given_is_not_run_and_nobody_waits_for_it(tmp_path: Path) -> None:
    given = {
        "REDIS_URL": "redis://r/0",
        "MLFLOW_TRACKING_URI": "http://m",
        "DATA_API_URL": "http://d",
    }
    around = read_surroundings(given, tmp_path / ".env", tmp_path)
    after = {child.name: child.after for child in children(around)}
    assert list(after) == ["serving", "migrate", "work", "train", "desk", "reconcile", "console"]
    assert after["work"] == after["serving"] == ("migrate",)
    assert given.items() <= around.env.items()


def test_the_environment_wins_over_the_file_and_empty_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SERVING_PORT=1111\nCONSOLE_PORT=2222\nREDIS_URL=\nACTOR=me\n")
    around = read_surroundings({"SERVING_PORT": "3333", "CONSOLE_PORT": ""}, tmp_path / ".env")
    assert around.ports["SERVING_PORT"].number == 3333
    assert around.ports["CONSOLE_PORT"].number == 2222
    assert around.env["SERVING_URL"] == "http://127.0.0.1:3333"
    assert around.env["ACTOR"] == "me"
    assert not around.given


def test_who_is_measured_has_a_port_of_its_own_where_one_is_set(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    every = children(read_surroundings({}, here / ".env", here))
    assert not any("METRICS_PORT" in c.env for c in every)
    every = children(read_surroundings({"METRICS_PORT": "9100"}, here / ".env", here))
    ports = {c.name: c.env["METRICS_PORT"] for c in every if "METRICS_PORT" in c.env}
    own = ("work", "desk", "reconcile", "console", "train")  # as before, and a new one at the end
    assert ports == {name: str(9100 + n) for n, name in enumerate(own)}
    assert {c.name: str(c.ports[-1].number) for c in every if c.name in ports} == ports
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        monkeypatch.setenv("METRICS_PORT", str(number - 1))
        assert main(["--check"]) == 1
    assert f"Port {number} is taken, and desk needs it: set METRICS_PORT" in capsys.readouterr().err
    with pytest.raises(CannotStart, match="METRICS_PORT is '65532'"):
        read_surroundings({"METRICS_PORT": "65532"}, here / ".env", here)


def test_some_can_be_chosen(tmp_path: Path) -> None:
    every = children(read_surroundings({}, tmp_path / ".env", tmp_path))
    assert [c.name for c in chosen(every, only=["queue", "work"])] == ["queue", "work"]
    with pytest.raises(CannotStart, match="Nothing here is called 'serve'; there is queue, "):
        chosen(every, only=["serve"])


@pytest.mark.parametrize("value", ["tcp://1.2.3.4", "0", "70000"])
def test_a_port_that_is_none_is_named(tmp_path: Path, value: str) -> None:
    with pytest.raises(CannotStart, match="SERVING_PORT is "):
        read_surroundings({"SERVING_PORT": value}, tmp_path / ".env", tmp_path)


def test_options_of_the_data_api_are_passed_on(tmp_path: Path) -> None:
    told = {"DATA_API_OPTIONS": "--folder 'a b' --faults"}
    around = read_surroundings(told, tmp_path / ".env", tmp_path)
    api = next(child for child in children(around) if child.name == "data-api")
    assert api.command[-3:] == ("--folder", "a b", "--faults")
    with pytest.raises(CannotStart, match="DATA_API_OPTIONS cannot be read"):
        children(read_surroundings({"DATA_API_OPTIONS": "'"}, tmp_path / ".env", tmp_path))


def test_a_check_starts_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().out.endswith("Nothing prevents the start.\n")
    assert not (here / ".data" / "logs").exists()


def test_two_children_on_one_port_are_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONSOLE_PORT", os.environ["SERVING_PORT"])
    assert main([]) == 1
    assert "serving and console both want port" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_named(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "file").touch()
    assert main(["--data-dir", "file/data"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"Cannot write to {here}/file/data (Not a directory): ")


@pytest.mark.parametrize(
    ("begin", "variable", "url"),
    [
        ("Redis did not answer ", "REDIS_URL", "redis://:secret@127.0.0.1:{}/0"),
        ("MLflow cannot be reached at ", "MLFLOW_TRACKING_URI", "http://127.0.0.1:{}"),
        ("The database cannot be ", "DATABASE_URL", "mysql+pymysql://u:secret@127.0.0.1:{}/d"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_neighbour_that_does_not_answer_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    begin: str,
    variable: str,
    url: str,
) -> None:
    monkeypatch.setenv(variable, url.format(free_port()))
    assert main([]) == 1
    said = capsys.readouterr().err
    assert said.startswith(begin)
    assert variable in said
    assert "secret" not in said


def test_a_data_api_that_does_not_answer_is_only_a_warning(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_API_URL", f"http://127.0.0.1:{free_port()}")
    assert main(["--check"]) == 0
    assert "The data API cannot be reached" in capsys.readouterr().out


def test_a_redis_elsewhere_without_a_password_is_not_even_asked(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://queue.example:6379/0")
    assert main(["--check"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("REDIS_URL names a Redis on another machine and no password")


def test_what_is_no_redis_is_not_taken_for_one(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{listening.getsockname()[1]}")
        answering = threading.Thread(target=_say_hello, args=[listening])
        answering.start()
        assert main(["--check"]) == 1
        answering.join(5)
    assert "and REDIS_URL." in capsys.readouterr().err


def _say_hello(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(100)
        connection.sendall(b"220 hello\n")


@pytest.mark.parametrize("server", ["PATH", "bundled"])
def test_the_queue_survives_a_restart(here: Path, server: str) -> None:
    env = dict(os.environ)
    if server == "bundled":
        env["PATH"] = str(here)
    elif not (shutil.which("redis-server") or shutil.which("valkey-server")):
        pytest.skip("no Redis on PATH")
    ready = here / ".data" / "ready.json"
    for run in ("first", "second"):
        with (here / "out").open("ab") as out:
            whole = subprocess.Popen(
                [sys.executable, "-m", "compose.local", "--only", "queue"],
                env=env | {"PYTHONPATH": str(ROOT)},
                stdout=out,
                stderr=out,
            )
        wait_for("the queue is not up", ready.exists, 10)
        with redis.Redis(port=int(env["REDIS_PORT"])) as client:
            if run == "first":
                client.set("kept", "yes")
            else:
                assert client.get("kept") == b"yes"
        whole.terminate()
        assert whole.wait(10) == 0, (here / "out").read_text()
