"""The main job across the images: each on its own dependencies, two workers, two servings.

No container runs here. What each container would run, runs as a process on the same files, venv,
variables and secrets (`tests.compose.standing`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import requests

from tests.browser import chromium
from tests.compose.standing import Standing, standing
from tests.stacks import lacking, process, wait_for

ROW = {"bed": 3, "bath": 2, "acre_lot": 0.3, "house_size": 1500, "state": "Connecticut",
       "status": "for_sale"}  # fmt: skip
HEAVY = {"pandas", "sklearn", "sqlalchemy", "mlflow", "streamlit", "scipy", "pyarrow", "rq"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing(tmp_path_factory.mktemp("stack")) as made:
        yield made


def cli(stack: Standing, *words: str, code: int = 0) -> Any:
    """The command line of the console's image."""
    done = stack.run("console", "python", ".bin/driftdesk", *words, "--json", ACTOR="admin")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout) if not code else done.stdout + done.stderr


def operate(stack: Standing, *words: str) -> Any:
    """An admin's command line, with that service's own settings and login at MLflow."""
    done = stack.run("operate", "python", ".bin/driftdesk", *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def installed(stack: Standing, target: str) -> set[str]:
    (site,) = (stack.folder / "images" / target / ".venv" / "lib").glob("python*/site-packages")
    return {path.name for path in site.iterdir() if path.is_dir()}


def test_each_image_has_what_it_needs_and_no_more(stack: Standing) -> None:
    assert not installed(stack, "serving") & HEAVY
    assert not installed(stack, "data-api") & (HEAVY | {"onnxruntime"})
    assert not installed(stack, "console") & {"sklearn", "onnx", "onnxruntime", "mlflow"}
    assert not installed(stack, "worker") & {"streamlit", "plotly", "typer"}
    assert "boto3" in installed(stack, "mlflow")
    for target in stack.images:
        assert not installed(stack, target) & {"pytest", "mypy", "playwright", "pip"}, target
        size = subprocess.run(
            ["du", "-sm", str(stack.folder / "images" / target)], capture_output=True, text=True,
            check=True,
        ).stdout.split()[0]  # fmt: skip
        print(f"{target}: {size} MB of files besides the base")


def test_redis_lets_nobody_in_without_the_password_and_nobody_administer(stack: Standing) -> None:
    host, port = stack.addresses["redis"].split(":")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host, int(port)).ping()
    password = (stack.secrets / "redis_password").read_text().strip()
    desk = redis.Redis(host, int(port), username="desk", password=password)
    assert desk.ping()
    for words in (["FLUSHALL"], ["CONFIG", "GET", "*"], ["KEYS", "*"], ["SHUTDOWN"],
                  ["SET", "elsewhere", "1"]):  # fmt: skip
        with pytest.raises(redis.exceptions.NoPermissionError):
            desk.execute_command(*words)


def test_the_whole_job_across_the_images(stack: Standing) -> None:
    done = stack.run("migrate", *stack.services["migrate"]["command"])
    assert done.returncode == 0, done.stderr
    workers = ("worker-desk", "worker-train", "reconcile")
    for service in ("mlflow", "data-api", "serving-1", "serving-2", *workers):
        stack.start(service)
    for replica in (1, 2):
        stack.start("worker", replica)
    stack.start("console")
    for service in ("mlflow", "data-api", "serving-1", "serving-2", "console"):
        stack.wait(service)
    wait_for("the worker was not healthy", lambda: stack.healthy("worker"), 60)

    uri = stack.env("worker")["MLFLOW_TRACKING_URI"]
    asked = f"{uri}/api/2.0/mlflow/experiments/search?max_results=1"
    assert requests.get(asked, timeout=20).status_code == 401

    assert cli(stack, "ingest", "--wait")["result"]["batch"] == 0
    assert cli(stack, "train", "--wait")["result"]["version"] == 1
    cli(stack, "force", "1", "--reason", "the first", "--wait")
    with proxied(stack) as (serving, console):
        key = (stack.secrets / "serving_key").read_text().strip()
        allowed = {"Authorization": f"Bearer {key}"}

        def predict() -> requests.Response:
            return requests.post(f"{serving}/predict", json=ROW, headers=allowed, timeout=20)

        assert requests.post(f"{serving}/predict", json=ROW, timeout=20).status_code == 401
        assert {predict().json()["model_version"] for _ in range(8)} == {1}
        with chromium() as browser:  # by the proxy, WebSocket and all: the login, and nothing else
            page = browser.new_page()
            page.goto(console)
            page.get_by_role("button", name="Log in").wait_for(timeout=60_000)
            assert page.get_by_text("Promotion").count() == 0

        # What keeps the house works in there, too.
        # A service that was slow to answer once is asked again.
        wait_for("the doctor found something bad", lambda: not _bad(stack), 120)
        assert operate(stack, "backup", "/backups/one.tar.gz")["versions"] == 1
        assert operate(stack, "restore", "/backups/one.tar.gz", "--force")["added_versions"] == 0

        cli(stack, "ingest", "--wait", "--train")
        wait_for("no second candidate", lambda: len(cli(stack, "candidates")) == 2, 240)
        # One replica goes: answers go on, and its end is a clean one.
        assert stack.stop("serving-1") == 0
        assert {predict().status_code for _ in range(8)} == {200}
        stack.start("serving-1")
        stack.wait("serving-1")
        cli(stack, "force", "2", "--reason", "to see both replicas follow", "--wait")
        for name in ("serving-1", "serving-2"):
            at = stack.env(name)["SERVING_ADVERTISE"]
            answer = requests.post(f"{at}/predict", json=ROW, headers=allowed, timeout=20)
            assert answer.json()["model_version"] == 2, name

        # A worker goes with -9 in the middle of a job: the one that follows ends it.
        job = cli(stack, "train", "--reason", "to be killed in")
        wait_for("nobody took the job", lambda: _holder(stack, job["id"]) != "", 60)
        victim = "worker-train"
        stack.running[victim].send_signal(signal.SIGKILL)
        stack.running.pop(victim).wait(10)
        stack.start(victim)
        wait_for("the job did not end", lambda: len(cli(stack, "candidates")) >= 2, 300)

    for name in list(stack.running)[::-1]:
        assert stack.stop(name) in (0, -signal.SIGTERM), stack.log(name)
    for name in ("serving-1", "serving-2", "worker.1", "worker.2", "reconcile", "console"):
        said = stack.log(name)
        assert "Traceback" not in said, said[-3000:]
        for secret in ("serving_key", "redis_password", "mlflow_worker_password"):
            assert (stack.secrets / secret).read_text().strip() not in said


def _bad(stack: Standing) -> list[dict[str, str]]:
    """What the doctor calls bad, printed for whoever reads a failure."""
    done = stack.run("console", "python", ".bin/driftdesk", "doctor", "--json", ACTOR="admin")
    bad = [check for check in json.loads(done.stdout) if check["state"] == "bad"]
    print(*bad, done.stderr, sep="\n")
    return bad


def _holder(stack: Standing, job: int) -> str:
    lines = stack.run("console", "python", ".bin/driftdesk", "log", str(job), ACTOR="admin")
    return lines.stdout.strip()


class proxied:  # noqa: N801 - used as a context manager alone
    """HAProxy on the compose file's own configuration and variables, on an address of its own."""

    def __init__(self, stack: Standing) -> None:
        self._stack = stack

    def __enter__(self) -> tuple[str, str]:
        haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
        if not haproxy:
            lacking("haproxy")
        stack = self._stack
        own = stack.addresses["proxy"]
        told = stack.services["proxy"]["environment"]
        config = stack.folder / "checkout" / "compose" / "haproxy.cfg"
        self._process = process(
            [str(haproxy), "-db", "-f", str(config)],
            stack.folder / "proxy.log",
            {name: stack.placed(value, "proxy", "none") for name, value in told.items()},
        )
        child = self._process.__enter__()

        def up() -> bool:
            assert child.poll() is None, (stack.folder / "proxy.log").read_text()
            try:
                return requests.get(f"http://{own}:8000/health/live", timeout=2).ok
            except requests.RequestException:
                return False

        wait_for("the proxy was not up", up, 30)
        return f"http://{own}:8000", f"http://{own}:8501"

    def __exit__(self, *details: object) -> None:
        self._process.__exit__(None, None, None)
