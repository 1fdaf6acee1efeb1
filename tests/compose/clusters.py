"""Installations as kustomize renders them, and ways to spoil them."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.deployment import tools
from tests.deployment.__main__ import ROOT
from tests.deployment.cluster import Manifest, parse
from tests.stacks import lacking

KUBERNETES = ROOT / "compose" / "kubernetes"
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "version"
]
INSTALLATIONS = {name: (folder, more) for name, folder, more in tools.overlays(KUBERNETES)}

Change = Callable[[dict[str, Any]], object]


@cache
def rendered(name: str) -> str:
    """What would be applied; skips where there is no kubectl."""
    folder, components = INSTALLATIONS[name]
    try:
        return tools.render(folder, components)
    except tools.ToolMissing as missing:
        lacking(str(missing))
        raise


@cache
def manifests(name: str) -> list[Manifest]:
    return parse(rendered(name))


def spoiled(name: str, kind: str, called: str, change: Change) -> list[Manifest]:
    """An installation with one manifest changed."""
    made = copy.deepcopy(manifests(name))
    # What kustomize generates ends with a hash.
    name_ = re.compile(rf"{called}(-[a-z0-9]{{10}})?")
    found = [m for m in made if m["kind"] == kind and name_.fullmatch(m["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of {kind}/{called}"
    change(dict(found[0]))
    return made


def pod(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return found


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod(manifest)["containers"][0]
    return found


def drop(keys: str) -> Change:
    """Take away what stands at a path into the only container."""

    def change(made: dict[str, Any]) -> None:
        *way, last = keys.split(".")
        at: Any = container(made)
        for key in way:
            at = at[key]
        del at[last]

    return change


def set_(keys: str, value: object) -> Change:
    """Put something at a path into a manifest."""

    def change(made: dict[str, Any]) -> None:
        *way, last = keys.split(".")
        at: Any = made
        for key in way:
            at = at[int(key)] if isinstance(at, list) else at[key]
        at[int(last) if isinstance(at, list) else last] = value

    return change


def without_variable(name: str) -> Change:
    return lambda made: container(made).update(
        env=[given for given in container(made)["env"] if given["name"] != name]
    )


def without_setting(name: str) -> Change:
    return lambda made: made["data"].pop(name)


def without_secret(file: str) -> Change:
    def change(made: dict[str, Any]) -> None:
        for volume in pod(made)["volumes"]:
            for source in volume.get("projected", {}).get("sources", ()):
                items = source["secret"]["items"]
                items[:] = [item for item in items if item["path"] != file]

    return change


SPEC, POD, FIRST = "spec", "spec.template.spec", "spec.template.spec.containers.0"
