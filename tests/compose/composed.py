"""The compose file as the real docker-compose reads it, on secrets made for the test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from compose.prepare import prepare
from tests.stacks import ROOT

COMPOSE = str(Path(sys.executable).parent / "docker-compose")
PROFILES = ("demo", "auth", "s3", "tools", "operate")


def checkout(folder: Path) -> Path:
    """A copy of the compose files with secrets of its own; returns the compose file."""
    here = folder / "compose"
    here.mkdir(parents=True)
    for path in (ROOT / "compose").iterdir():
        if path.is_dir() and path.name == "monitoring":
            shutil.copytree(path, here / path.name)
        elif (
            path.is_file()
            and path.suffix in {".yaml", ".example", ".cfg", ""}
            and path.name != ".env"
        ):
            shutil.copyfile(path, here / path.name)
    prepare(here / "secrets", here / ".env", here / ".env.example")
    return here / "compose.yaml"


def run(file: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE", "MLFLOW"))}
    return subprocess.run(
        [COMPOSE, "--file", str(file), *arguments],
        capture_output=True, text=True, check=False, env=own | env,
    )  # fmt: skip


def config(file: Path, profiles: tuple[str, ...] = PROFILES, **env: str) -> dict[str, Any]:
    """What docker-compose makes of it; fails with its own words."""
    chosen = [word for profile in profiles for word in ("--profile", profile)]
    done = run(file, *chosen, "config", "--format", "json", **env)
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made
