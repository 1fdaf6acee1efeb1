"""The services of compose.yaml as plain processes: each image's own group in a venv of its own.

What a container would get, a process gets: the image's files in a folder for /app, its variables
and those of the service, the service's secrets as files, its command. Only addresses differ: every
service has a loopback address of its own, so that ports stay as they are written, and MySQL and
Redis are private servers.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests import stacks
from tests.compose import composed
from tests.compose.images import TARGETS, Image, image, lay_out
from tests.stacks import ROOT, wait_for

UV = os.environ.get("UV") or str(ROOT / ".uv" / "bin" / "uv")
ADDRESSES = {"mlflow": 10, "data-api": 11, "serving-1": 12, "serving-2": 13, "console": 14,
             "proxy": 15, "worker-desk": 16, "reconcile": 17, "worker-train": 18, "worker": 20,
             "operate": 30}  # fmt: skip


def install(target: str, folder: Path) -> Image:
    """The image's files and its venv, from uv.lock, as the Dockerfile has it."""
    made = image(target)
    app = folder / target
    app.mkdir(parents=True)
    lay_out(made, app)
    build = folder / f"{target}-build"
    build.mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copyfile(ROOT / name, build / name)
    groups = [word for group in made.groups for word in ("--group", group)]
    uv = UV if Path(UV).exists() else shutil.which("uv") or stacks.lacking("uv")
    done = subprocess.run(
        [str(uv), "sync", "--frozen", "--no-install-project", "--no-default-groups", *groups,
         "--quiet", "--no-python-downloads", "--python", sys.executable],
        cwd=build, env=os.environ | {"UV_PROJECT_ENVIRONMENT": str(app / ".venv")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _share_bytecode(app / ".venv")
    return made


def _share_bytecode(venv: Path) -> None:
    """Link what this environment has compiled of the same files: an image comes compiled, too.

    Where uv copied instead of linking, or another disk is in between, the first start compiles.
    """
    (site,) = (venv / "lib").glob("python*/site-packages")
    own = Path(sysconfig.get_path("purelib"))
    for package in site.iterdir():
        for compiled in (own / package.name).rglob("__pycache__/*.pyc"):
            there = site / compiled.relative_to(own)
            if not there.parent.parent.is_dir():
                continue
            there.parent.mkdir(exist_ok=True)
            try:
                there.hardlink_to(compiled)
            except FileExistsError:
                continue
            except OSError:
                return


@dataclass
class Standing:
    """A stack that runs; services are started and stopped by name."""

    folder: Path
    services: Mapping[str, Any]
    images: Mapping[str, Image]
    addresses: Mapping[str, str]
    secrets: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def placed(self, text: str, service: str, target: str) -> str:
        """A value as the container has it, with the places and addresses of this machine."""
        here = self.folder / "state" / service
        places = {
            "/run/secrets": str(here / "secrets"),
            "/app": str(self.folder / "images" / target),
            "/data": str(here / "data"),
            "/backups": str(here / "backups"),
            "/tmp": str(here / "tmp"),
        }
        inside = "|".join(map(re.escape, places))
        text = re.sub(rf"(?<![\w/])({inside})(?=/|$|[:'])", lambda found: places[found[1]], text)
        own = self.addresses.get(service, "127.0.0.1")
        text = re.sub(r"(?<!\d)0\.0\.0\.0(?![\d/])", own, text).replace("127.0.0.1:", f"{own}:")
        # A host is what a port follows, and not the user before a password of digits.
        for name, address in self.addresses.items():
            port = r":\d{4,5}(?![\w-])"
            host = re.escape(name) + (port if ":" in address else f"(?={port})")
            text = re.sub(rf"(?<![\w.-]){host}", address, text)
        return text

    def env(self, service: str) -> dict[str, str]:
        target = self.target(service)
        told = self.images[target].env | {
            k: v for k, v in self.services[service].get("environment", {}).items() if v is not None
        }
        env = {k: self.placed(v, service, target) for k, v in told.items() if k != "PATH"}
        env.pop(
            "PYTHONDONTWRITEBYTECODE"
        )  # an image comes compiled; here the first start does the rest
        venv = self.folder / "images" / target / ".venv" / "bin"
        return env | {"PATH": f"{venv}:/usr/bin:/bin", "LANG": "C.UTF-8"}

    def target(self, service: str) -> str:
        return str(self.services[service]["build"]["target"])

    def lay_secrets(self, service: str) -> None:
        folder = self.folder / "state" / service
        for name in ("secrets", "data", "tmp", "backups"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for secret in self.services[service].get("secrets", []):
            laid = folder / "secrets" / secret["target"].rsplit("/", 1)[-1]
            if laid.exists():  # a program may be reading it at this moment
                continue
            text = (self.secrets / secret["source"]).read_text(encoding="utf-8")
            laid.write_text(self.placed(text, service, self.target(service)), encoding="utf-8")

    def command(self, service: str, command: tuple[str, ...] = ()) -> list[str]:
        target = self.target(service)
        words = command or tuple(
            self.services[service].get("command") or self.images[target].command
        )
        placed = [self.placed(word, service, target) for word in words]
        program = shutil.which(placed[0], path=self.env(service)["PATH"])
        assert program, f"{target} has no {placed[0]}"
        return [program, *placed[1:]]

    def run(
        self, service: str, *command: str, seconds: float = 180, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run something in a service's image to its end."""
        self.lay_secrets(service)
        return subprocess.run(
            self.command(service, command), cwd=self.folder / "images" / self.target(service),
            env=self.env(service) | env, capture_output=True, text=True, check=False,
            timeout=seconds, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def healthy(self, service: str) -> bool:
        """What the image's HEALTHCHECK says."""
        return self.run(service, *self.images[self.target(service)].health).returncode == 0

    def start(self, service: str, replica: int = 0) -> None:
        self.lay_secrets(service)
        name = f"{service}.{replica}" if replica else service
        log = (self.folder / f"{name}.log").open("ab")
        env = self.env(service)
        if replica:  # each container has an address of its own
            own = self.addresses[service]
            env = {k: v.replace(own, f"{own}{replica}") for k, v in env.items()}
        self.running[name] = subprocess.Popen(
            self.command(service), cwd=self.folder / "images" / self.target(service),
            env=env, stdout=log, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        log.close()

    def wait(self, service: str, seconds: float = 300) -> None:
        child = self.running[service]

        def well() -> bool:
            assert child.poll() is None, self.log(service)
            return self.healthy(service)

        try:
            wait_for(f"{service} was not healthy", well, seconds)
        except TimeoutError as error:
            raise AssertionError(self.log(service)) from error

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self, name: str) -> int:
        child = self.running.pop(name)
        child.terminate()
        try:
            return child.wait(70)
        except subprocess.TimeoutExpired:
            child.kill()
            raise


@contextmanager
def standing(folder: Path) -> Iterator[Standing]:
    """Every image installed, MySQL and Redis up as the compose file sets them up; nothing else."""
    file = composed.checkout(folder / "checkout")
    services = composed.config(file, ("demo", "operate"), COMPOSE_PROFILES="demo")["services"]
    secrets = file.parent / "secrets"
    images = {target: install(target, folder / "images") for target in TARGETS}
    net = f"127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}"
    with ExitStack() as stack:
        mysql = stack.enter_context(stacks.mariadb(folder / "mysql"))
        redis = stack.enter_context(_redis(folder / "redis", services["redis"]["command"], secrets))
        engine = sa.create_engine(mysql)
        with engine.begin() as connection:
            for line in (secrets / "mysql_users.sql").read_text(encoding="utf-8").splitlines():
                connection.exec_driver_sql(line.replace("%", "%%"))
        engine.dispose()
        made = Standing(
            folder,
            services,
            images,
            {name: f"{net}.{end}" for name, end in ADDRESSES.items()}
            | {"mysql": mysql.rpartition("@")[2], "redis": redis},
            secrets,
        )
        try:
            yield made
        finally:
            for name in list(made.running)[::-1]:
                child = made.running.pop(name)
                with suppress(ProcessLookupError):  # it ended by itself
                    os.killpg(child.pid, signal.SIGKILL)  # MLflow's server is a child of a child
                child.wait(20)


@contextmanager
def _redis(folder: Path, command: list[str], secrets: Path) -> Iterator[str]:
    """Redis with the command and the users of the compose file; yields its host and port."""
    from compose.local.children import queue_server

    folder.mkdir()
    port = stacks.free_port()
    placed = [
        word.replace("/run/secrets", str(secrets)).replace("/data", str(folder))
        for word in command[1:]
    ]
    with stacks.process(
        [queue_server(), "--port", str(port), "--bind", "127.0.0.1", *placed], folder / "log"
    ) as child:
        import socket

        def up() -> bool:
            assert child.poll() is None, (folder / "log").read_text()
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        wait_for("Redis was not up", up)
        yield f"127.0.0.1:{port}"
