"""The main job from end to end: real processes, started as `make run` starts them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.stacks import REAL_ROWS, ROOT, free_port, lacking, wait_for

CLI = str(Path(sys.executable).parent / "driftdesk")


class House:
    """A running system, and its command line."""

    def __init__(self, folder: Path, data_api: str) -> None:
        self.folder = folder
        ports = {
            name: str(free_port())
            for name in ("REDIS_PORT", "MLFLOW_PORT", "DATA_API_PORT", "SERVING_PORT",
                         "CONSOLE_PORT")
        }  # fmt: skip
        own = {"REDIS_URL", "MLFLOW_TRACKING_URI", "DATA_API_URL", "SERVING_URL", "DATABASE_URL"}
        self.env = {k: v for k, v in os.environ.items() if k not in own}
        self.env |= ports | {"DATA_DIR": str(folder), "DATA_API_OPTIONS": data_api, "ACTOR": "ana"}
        self.cli_env = self.env | {
            "REDIS_URL": f"redis://127.0.0.1:{ports['REDIS_PORT']}/0",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{ports['MLFLOW_PORT']}",
            "DATA_API_URL": f"http://127.0.0.1:{ports['DATA_API_PORT']}",
            "SERVING_URL": f"http://127.0.0.1:{ports['SERVING_PORT']}",
        }
        self.console = f"http://127.0.0.1:{ports['CONSOLE_PORT']}"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Start it, wait for the table of links, and stop it as Ctrl-C does."""
        self.folder.mkdir(exist_ok=True)
        out = (self.folder / "run.log").open("w+", encoding="utf-8")
        (self.folder / "ready.json").unlink(missing_ok=True)
        run = subprocess.Popen(
            [sys.executable, "-m", "compose.local"],
            cwd=ROOT, env=self.env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

        def said() -> str:
            return Path(out.name).read_text(encoding="utf-8")

        try:
            wait_for(
                "no table of links",
                lambda: (self.folder / "ready.json").exists() or run.poll() is not None,
                120,
            )
            assert run.poll() is None, said()
            wait_for("the table was not printed", lambda: "Ready in" in said(), 10)
            yield said()
        finally:
            run.send_signal(signal.SIGINT)
            code = run.wait(60)
            out.close()
        assert code in (0, 130), said()
        left = subprocess.run(
            ["pgrep", "-fa", str(self.folder)], capture_output=True, text=True, check=False
        ).stdout
        assert left == "", f"left behind: {left}"

    def cli(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [CLI, *arguments], cwd=ROOT, env=self.cli_env, capture_output=True, text=True,
            timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout + (done.stderr if code else "")

    def json(self, *arguments: str) -> Any:
        return json.loads(self.cli(*arguments, "--json"))


ROW = ["bed=3", "bath=2", "acre_lot=0.3", "house_size=1500", "state=Connecticut", "status=for_sale"]


def whole_job(house: House) -> None:
    first = house.json("ingest", "--wait")
    assert first["result"]["batch"] == 0
    assert house.json("drift", "--show")[0]["report"]["retrain"] is True
    trained = house.json("train", "--wait")
    assert trained["result"]["version"] == 1
    house.json("approve", "1", "--wait")
    assert house.json("predict", *ROW)["model_version"] == 1

    assert house.json("ingest", "--wait", "--train")["result"]["batch"] == 1
    wait_for(
        "no second candidate",
        lambda: [c["version"] for c in house.json("candidates")] == [2, 1],
        90,
    )
    assert "Say why" in house.cli("reject", "2", code=1)
    house.cli("reject", "2", "--reason", "only two batches")
    assert "Say why" in house.cli("force", "2", code=1)
    house.json("force", "2", "--reason", "to try it", "--wait")
    assert house.json("predict", *ROW)["model_version"] == 2
    house.json("rollback", "--reason", "tried it", "--wait")
    answer = house.json("predict", *ROW)
    assert answer["model_version"] == 1
    assert "price: this model takes no such field" in house.cli("predict", "price=1", code=1)

    actions = [event["action"] for event in house.json("audit")]
    assert actions.count("live") == 3
    assert {"approve", "reject", "force", "rollback", "propose", "request ingest"} <= set(actions)


@pytest.mark.parametrize("source", ["stand-in", "real rows"])
def test_the_whole_job_by_command_line(tmp_path: Path, source: str) -> None:
    options = "--scale 0.02"
    if source == "real rows":
        if not REAL_ROWS.exists():
            lacking("the folder of real rows")
        options = f"--folder {REAL_ROWS / 'api'}"
    house = House(tmp_path / "data", options)
    with house.running() as said:
        for name in ("Console", "Serving", "MLflow", "Data API"):
            assert name in said
        whole_job(house)
        before = house.json("status")["status"]
    if source == "real rows":
        return
    with house.running():  # a second start goes on where the first one ended
        after = house.json("status")["status"]
        assert after["live"] == before["live"]
        assert after["last_batch"] == before["last_batch"]
        assert house.json("predict", *ROW)["model_version"] == 1
        assert house.json("ingest", "--wait")["result"]["batch"] == 2
        in_browser(house)


def in_browser(house: House) -> None:
    """Every page in Chromium, and a job from click to its end."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        lacking("Chromium")
    from playwright.sync_api import expect, sync_playwright

    arguments = [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(30_000)
        page.goto(house.console)
        page.get_by_role("button", name="Ingest next batch").click()
        expect(page.get_by_text("Batch 3 of epoch 1", exact=False).first).to_be_visible(
            timeout=60_000
        )
        for path, sign in {
            "drift": "Recommendation",
            "promotion": "Version 1 is live, and serving answers with it.",
            "services": "MLflow",
        }.items():
            page.goto(f"{house.console}/{path}")
            expect(page.get_by_text(sign).first).to_be_visible()
            expect(page.locator("[data-testid=stException]")).to_have_count(0)
        page.goto(f"{house.console}/predict")
        page.get_by_role("button", name="Predict", exact=True).click()
        expect(page.get_by_text("Version 1 · prediction")).to_be_visible()
        browser.close()


def test_a_wiped_queue_loses_no_job(tmp_path: Path) -> None:
    house = House(tmp_path / "data", "--scale 0.02")
    with house.running():
        house.cli("ingest", "--wait")
        port = house.env["REDIS_PORT"]
        import redis

        client = redis.Redis(port=int(port))
        job = house.json("train", "--reason", "to be lost")
        client.flushall()
        wait_for("the job was lost", lambda: house.json("candidates") != [], 90)
        assert house.json("log", str(job["id"]))
