"""The whole system as `make run` starts it, for tests: on free ports, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from console.cli.status import A_SERVICE_IS_DOWN
from core.adapters.store import Store
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from tests.stacks import ROOT, free_port, wait_for

CLI = str(Path(sys.executable).parent / "driftdesk")


class House:
    """A running system, and its command line."""

    def __init__(self, folder: Path, data_api: str, **settings: str) -> None:
        self.folder = folder
        ports = {
            name: str(free_port())
            for name in ("REDIS_PORT", "MLFLOW_PORT", "DATA_API_PORT", "SERVING_PORT",
                         "CONSOLE_PORT")
        }  # fmt: skip
        own = {"REDIS_URL", "MLFLOW_TRACKING_URI", "DATA_API_URL", "SERVING_URL", "DATABASE_URL"}
        self.env = {k: v for k, v in os.environ.items() if k not in own}
        self.env |= ports | {"DATA_DIR": str(folder), "DATA_API_OPTIONS": data_api, "ACTOR": "ana"}
        self.env |= settings
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

    def status(self) -> Any:
        """Where everything stands, whatever service is down."""
        done = subprocess.run(
            [CLI, "status", "--json"], cwd=ROOT, env=self.cli_env, capture_output=True, text=True,
            timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode in (0, A_SERVICE_IS_DOWN), done.stdout + done.stderr
        return json.loads(done.stdout)

    def proposed(self) -> list[int]:
        """The versions on record, newest first, read here: a wait for them starts no program."""
        url = f"sqlite:///{self.folder / 'driftdesk.db'}"
        opened = closing(Store.open(url, load(SHIPPED_DATASETS / "real_estate.toml")))
        with opened as store, store.read() as work:
            return [p.version for p in work.promotions.latest()]

    def json(self, *arguments: str) -> Any:
        return json.loads(self.cli(*arguments, "--json"))
