"""Secrets that are recognised anywhere: real programs use each, fail at each, and never say one."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
import requests
import sqlalchemy as sa
import streamlit as st
from starlette.applications import Starlette

from compose.local.children import queue_server
from console.cli.status import A_SERVICE_IS_DOWN
from console.web.events import PATH, ROUTES
from core.rules.ops.notification import signature
from tests.house import CLI
from tests.receiver import Receiver, receiver
from tests.stacks import ROOT, answers, free_port, process, wait_for
from tests.views.desks import page

PAGES = ["pipeline", "drift", "promotion", "predict", "audit", "services"]


class Secrets:
    """One canary for each secret setting, and every form in which it could show."""

    def __init__(self) -> None:
        self.all = {
            name: f"c4n4ry{secrets.token_hex(8)}{name}"
            for name in (
                "db", "redis", "mlflow", "key", "push", "hookpath", "hooksecret", "events", "aws",
            )
        }  # fmt: skip

    def __getitem__(self, name: str) -> str:
        return self.all[name]

    def found_in(self, text: str) -> list[str]:
        basic = base64.b64encode(f"ana:{self['mlflow']}".encode()).decode()
        forms = {name: {value, quote(value), value[::-1]} for name, value in self.all.items()}
        forms["mlflow"].add(basic)
        return [name for name, looks in forms.items() if any(look in text for look in looks)]


@contextmanager
def queue(folder: Path, password: str, port: int) -> Iterator[None]:
    """A Redis-compatible server that asks for a password, given where `ps` does not show it."""
    folder.mkdir(exist_ok=True)
    (folder / "conf").write_text(
        f'requirepass {password}\nport {port}\nbind 127.0.0.1\nsave ""\ndir {folder}\n'
    )
    with process([queue_server(), str(folder / "conf")], folder / "log"):
        wait_for("the queue was not up", lambda: _listens(port), 20)
        yield


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


class Desk:
    """Real programs on real stores, all of whose secrets are canaries."""

    def __init__(self, folder: Path, server: str, mlflow: Receiver, hook: Receiver) -> None:
        self.secrets = Secrets()
        self.folder = folder
        self.redis = free_port()
        self.serving = free_port()
        parts = urlsplit(server)
        self.root = sa.create_engine(server)
        self.database = f"canary_{secrets.token_hex(4)}"
        with self.root.begin() as connection:
            for statement in (
                f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4",
                f"CREATE USER '{self.database}'@'127.0.0.1' IDENTIFIED BY '{self.secrets['db']}'",
                f"GRANT ALL ON {self.database}.* TO '{self.database}'@'127.0.0.1'",
            ):
                connection.exec_driver_sql(statement)
        where = f"127.0.0.1:{parts.port}/{self.database}"
        self.env = {
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": f"mysql+pymysql://{self.database}:{self.secrets['db']}@{where}",
            "REDIS_URL": f"redis://:{self.secrets['redis']}@127.0.0.1:{self.redis}/0",
            "MLFLOW_TRACKING_URI": mlflow.url.removesuffix("/hook/T0P-S3CRET"),
            "MLFLOW_TRACKING_USERNAME": "ana",
            "MLFLOW_TRACKING_PASSWORD": self.secrets["mlflow"],
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "DATA_API_URL": "http://127.0.0.1:9",
            "SERVING_URL": f"http://127.0.0.1:{self.serving}",
            "SERVING_PORT": str(self.serving),
            "SERVING_KEY": self.secrets["key"],
            "SERVING_PUSH_SECRET": self.secrets["push"],
            "WEBHOOK_URL": f"{hook.url}/{self.secrets['hookpath']}",
            "WEBHOOK_SECRET": self.secrets["hooksecret"],
            "EVENTS_SECRET": self.secrets["events"],
            "AWS_ACCESS_KEY_ID": "canary",
            "AWS_SECRET_ACCESS_KEY": self.secrets["aws"],
            "AWS_REGION": "eu-west-1",
            "ACTOR": "ana",
        }
        self.said: list[str] = []

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | self.env, capture_output=True, text=True,
            timeout=180, check=False,
        )  # fmt: skip
        self.said += [f"{command} {done.returncode}", done.stdout, done.stderr]
        return done

    def cli(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.run(CLI, *command)

    def started(self, *part: str) -> Any:
        return process([sys.executable, "-m", *part], self.folder / "log", self.env)

    def read_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in self.env.items():
            monkeypatch.setenv(name, value)
        st.cache_resource.clear()
        try:
            for name in PAGES:
                app = page(name)
                self.said += _everything(app._tree)
            self.deliver_events()
        finally:
            st.cache_resource.clear()

    def deliver_events(self) -> None:
        """One that is signed, and one whose signature is another's."""
        content = b"{}"
        for uid, signed_as in (("evt_1", "evt_1"), ("evt_2", "evt_1")):
            now = int(time.time())
            made = signature(self.secrets["events"], signed_as, now, content)
            headers = {"webhook-id": uid, "webhook-timestamp": str(now), "webhook-signature": made}
            answer = asyncio.run(_post(content, headers))
            self.said += [answer.text, str(answer.headers)]

    def ask_serving(self) -> None:
        url = self.env["SERVING_URL"]
        for path in ("/model", "/metrics", "/schema", "/openapi.json", "/health/ready", "/nope"):
            answer = requests.get(url + path, timeout=10)
            self.said += [answer.text, str(answer.headers)]
        for path in ("/predict", "/predict/batch", "/feedback", "/model/look"):
            self.said.append(requests.post(url + path, json={"x": 1}, timeout=10).text)

    def read_database(self) -> None:
        with self.root.begin() as connection:
            connection.exec_driver_sql(f"USE {self.database}")
            for (table,) in connection.exec_driver_sql("SHOW TABLES").all():
                self.said.append(str(connection.exec_driver_sql(f"SELECT * FROM {table}").all()))

    def read_processes(self) -> None:
        shown = subprocess.run(
            ["ps", "ax", "-ww", "-o", "args"], capture_output=True, text=True, check=True
        )
        assert "-m serving" in shown.stdout
        self.said.append(shown.stdout)

    def read_files(self) -> None:
        for file in (self.folder / "data").rglob("*"):
            if file.is_file():
                self.said.append(file.read_text(encoding="utf-8", errors="replace"))
        self.said.append((self.folder / "log").read_text(encoding="utf-8", errors="replace"))


async def _post(content: bytes, headers: dict[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app=Starlette(routes=list(ROUTES)))
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
        return await client.post(PATH, content=content, headers=headers)


def _everything(node: Any) -> list[str]:
    """All that a page sends to the browser."""
    children = getattr(node, "children", {})
    own = [str(node.proto)] if getattr(node, "proto", None) is not None else []
    return own + [text for child in children.values() for text in _everything(child)]


def test_no_secret_is_ever_said(
    tmp_path: Path, mariadb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        mlflow, hook, bucket = (stack.enter_context(receiver()) for _ in range(3))
        mlflow.answers = [401] * 10_000
        hook.answers = [500] * 10_000
        desk = Desk(tmp_path, mariadb, mlflow, hook)
        with ExitStack() as programs:
            programs.enter_context(queue(tmp_path / "queue", desk.secrets["redis"], desk.redis))
            assert desk.run(sys.executable, "-m", "workers", "migrate").returncode == 0
            for part in (
                ("workers", "run", "--queue", "work"),
                ("workers", "run", "--queue", "train"),
                ("workers", "run", "--queue", "desk"),
                ("workers", "reconcile"),
                ("serving",),
            ):
                programs.enter_context(desk.started(*part))
            wait_for("serving was not up", answers(f"{desk.env['SERVING_URL']}/health/live"))
            ingest = desk.cli("ingest", "--wait")
            assert "cannot be reached" in ingest.stdout  # it went through the queue and failed
            assert desk.cli("status", "--json").returncode == A_SERVICE_IS_DOWN  # no data API
            desk.cli("approve", "1", "--reason", "why not")
            desk.cli("notify-test", "--seconds", "5")
            wait_for("nothing was posted", lambda: bool(hook.got), 30)
            wait_for("the log has no refusal", lambda: "not delivered" in _log(tmp_path), 30)
            desk.ask_serving()
            desk.read_pages(monkeypatch)
            desk.read_processes()
            # Now everything refuses us: another password at each.
            right = dict(desk.env)
            for name, canary in (("DATABASE_URL", "db"), ("REDIS_URL", "redis")):
                desk.env[name] = right[name].replace(
                    desk.secrets[canary], f"{desk.secrets[canary]}x"
                )
            refused = desk.cli("status")
            assert "Access denied" in refused.stderr
            desk.read_pages(monkeypatch)
            for part in (("migrate",), ("run", "--queue", "work")):
                assert desk.run(sys.executable, "-m", "workers", *part).returncode != 0
            desk.env |= {"DATABASE_URL": right["DATABASE_URL"]}
            assert "Redis" in desk.cli("status").stdout
            desk.read_pages(monkeypatch)
            # An object store that refuses the key.
            bucket.answers = [403] * 10_000
            desk.env |= right | {
                "SPOOL_URL": "s3://canary/spool", "AWS_ENDPOINT_URL": bucket.url.split("/hook")[0],
            }  # fmt: skip
            assert "The spool at s3://canary/spool" in desk.cli("doctor").stdout
            desk.read_pages(monkeypatch)
            assert bucket.got
            # And settings that cannot be: each is refused with a sentence.
            for name, value in {
                "REDIS_URL": f"http://:{desk.secrets['redis']}@queue",
                "DATABASE_URL": f"postgresql://me:{desk.secrets['db']}@x/y",
                "MLFLOW_TRACKING_URI": f"http://ana:{desk.secrets['mlflow']}@127.0.0.1:9",
                "WEBHOOK_URL": f"ftp://hooks.example/{desk.secrets['hookpath']}",
                "WEBHOOK_SECRET": f"whsec_{desk.secrets['hooksecret']}!",
                "EVENTS_SECRET": f"whsec_{desk.secrets['events']}!",
                "MLFLOW_TRACKING_PASSWORD": f"{desk.secrets['mlflow']}é",
            }.items():
                desk.env = right | {name: value}
                assert name in desk.cli("status").stderr
            assert desk.run(sys.executable, "-m", "serving").returncode == 1
            desk.env = right
        # The programs have ended; now nobody is there at all.
        desk.cli("status")
        desk.read_database()
        desk.read_files()
        sent = [headers.get("authorization", "") for headers, _ in mlflow.got]
    basic = base64.b64encode(f"ana:{desk.secrets['mlflow']}".encode()).decode()
    assert f"Basic {basic}" in sent  # or the canary would not be one
    said = "\n".join(desk.said)
    assert len(said) > 50_000
    assert {name: _around(said, desk.secrets[name]) for name in desk.secrets.found_in(said)} == {}


def _log(folder: Path) -> str:
    return (folder / "log").read_text(encoding="utf-8", errors="replace")


def _around(text: str, secret: str) -> str:
    found = re.search(re.escape(secret), text)
    return text[max(found.start() - 300, 0) : found.end() + 50] if found else "(encoded)"
