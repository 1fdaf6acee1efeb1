"""The Dockerfile: what every image promises."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from core import VERSION
from tests.compose.images import DOCKERFILE, TARGETS, image, stages
from tests.stacks import ROOT

TEXT = DOCKERFILE.read_text(encoding="utf-8")
HADOLINT = str(Path(sys.executable).parent / "hadolint")


def hadolint(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HADOLINT, "-"], input=text, capture_output=True, text=True, check=False
    )  # fmt: skip


def test_hadolint_has_nothing_to_say() -> None:
    done = hadolint(TEXT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("was", "planted"),
    [
        ("uv==0.13.9", "uv"),
        ("WORKDIR /app\nCOPY pyproject", "WORKDIR app\nCOPY pyproject"),
        ('CMD ["python", "-m", "serving"]', "CMD python -m serving"),
    ],
)
def test_hadolint_finds_a_planted_error(was: str, planted: str) -> None:
    assert was in TEXT
    assert hadolint(TEXT.replace(was, planted, 1)).returncode != 0


def test_there_is_one_target_for_each_program() -> None:
    assert set(TARGETS) <= set(stages(TEXT))


def test_the_base_is_pinned_by_digest() -> None:
    assert re.search(r"^ARG PYTHON=python:3\.11-slim-\w+@sha256:[0-9a-f]{64}$", TEXT, re.MULTILINE)
    bases = {stage.base for stage in stages(TEXT).values()}
    assert bases <= {"${PYTHON}", "build", "runtime"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_has_its_own_group_and_runs_as_nobody(target: str) -> None:
    made = image(target)
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    program = "workers" if target == "worker" else target
    assert program in made.groups
    assert set(made.groups) <= {program, "tracing", "s3"} & set(groups)
    assert made.user == "10001:10001"
    assert made.command
    assert made.health
    sources = {source.split("/")[0] for copy, _ in made.copies for source in copy}
    programs = {"console", "workers", "serving", "compose"}
    own = {"data-api": "compose", "mlflow": "compose", "worker": "workers"}.get(target, target)
    foreign = sources & programs - {own}
    assert foreign == ({"compose"} if target == "console" else set())


@pytest.mark.parametrize("target", TARGETS)
def test_what_talks_to_mysql_can_log_in_there(target: str) -> None:
    """PyMySQL sends MySQL 8's passwords encrypted by a package that it does not ask for itself."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]

    def packages(group: str) -> set[str]:
        found: set[str] = set()
        for line in groups[group]:
            if isinstance(line, dict):
                found |= packages(line["include-group"])
            else:
                found.add(re.split(r"[^\w-]", line)[0])
        return found

    inside = set().union(*map(packages, image(target).groups))
    assert ("pymysql" in inside) == ("cryptography" in inside) == (target != "data-api")


def test_images_and_the_programs_in_them_name_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version == VERSION
    assert f"ARG VERSION={version}\n" in TEXT


def test_uv_installs_what_the_lock_says_and_is_left_behind() -> None:
    for name, stage in stages(TEXT).items():
        for step in stage.all("RUN"):
            if "uv sync" in step:
                assert "--frozen" in step
                assert "--no-default-groups" in step
            assert "apt" not in step
        assert name == "build" or "uv==" not in str(stage.steps)
    pinned = re.search(r"uv==([\d.]+)", TEXT)
    made = re.search(r"UV_VERSION := ([\d.]+)", (ROOT / "Makefile").read_text())
    assert pinned
    assert made
    assert pinned[1] == made[1]


def test_the_context_holds_what_is_copied_and_no_secret() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore, "everything is left out unless it is named"
    let_in = {line[1:].rstrip("/") for line in ignore if line.startswith("!")}
    for target in TARGETS:
        for sources, _ in image(target).copies:
            for source in sources:
                assert any(
                    source == name or Path(source).match(name) or source.startswith(f"{name}/")
                    or name.startswith(f"{source}/")
                    for name in let_in
                ), source  # fmt: skip
    assert not any("secrets" in name or ".env" in name for name in let_in)
