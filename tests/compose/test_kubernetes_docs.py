"""docs/kubernetes.md names what is there."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from tests.compose.clusters import INSTALLATIONS, VERSION, manifests
from tests.compose.images import TARGETS
from tests.deployment.__main__ import ROOT

TEXT = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
KINDS = {"deployment": "Deployment", "service": "Service", "job": "Job"}


def test_every_file_and_folder_is_there() -> None:
    paths = set(re.findall(r"compose/kubernetes/[\w./-]*\w|compose/Dockerfile", TEXT))
    paths |= {f"compose/kubernetes/{c}" for c in re.findall(r"components/[\w-]+", TEXT)}
    assert len(paths) >= 10
    for path in paths:
        assert (ROOT / path).exists(), path


def test_every_thing_that_commands_name_is_there() -> None:
    there = {(m["kind"], m["metadata"]["name"]) for m in manifests("microk8s")}
    told = set(re.findall(r"(deployment|service|job)/(\w[\w-]*)", TEXT))
    assert {("job", "migrate"), ("service", "serving"), ("deployment", "console")} <= told
    for kind, name in told:
        assert (KINDS[kind], name) in there


def test_the_ports_of_the_forwards_are_open() -> None:
    services = {
        m["metadata"]["name"]: {str(p["port"]) for p in m["spec"]["ports"]}
        for m in manifests("microk8s")
        if m["kind"] == "Service"
    }
    forwards = re.findall(r"port-forward \w+/(\w+) \d+:(\d+)", TEXT)
    assert len(forwards) == 3
    for name, port in forwards:
        assert port in services[name]


def test_the_images_that_are_built_are_those_that_run() -> None:
    (listed,) = re.findall(r"for target in ([^;]+); do", TEXT)
    assert set(listed.split()) == set(TARGETS)
    (tag,) = set(re.findall(r"driftdesk-\$target:([\w.]+)", TEXT))
    assert tag == VERSION


def test_every_program_is_in_the_table() -> None:
    table = TEXT.split("## MicroK8s")[0]
    for made in manifests("microk8s"):
        name = made["metadata"]["name"]
        if made["kind"] in {"Deployment", "StatefulSet", "Job"} and name != "data-api":
            assert re.search(rf"^\| .*\b{name}\b.* \| {made['kind']}", table, re.MULTILINE), name


@pytest.mark.parametrize("command", re.findall(r"^\$desk (\w+)", TEXT, re.MULTILINE))
def test_every_command_of_the_desk_is_there(command: str) -> None:
    from console.cli.main import app

    registered = [c for c in app.registered_commands if c.callback]
    assert command in {c.name or c.callback.__name__.replace("_", "-") for c in registered}


def test_every_shell_block_is_shell() -> None:
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL):
        subprocess.run(["sh", "-n"], input=block, text=True, check=True)


def test_optional_components_are_named_where_they_are_left_out() -> None:
    for name in INSTALLATIONS:
        folder, _ = INSTALLATIONS[name]
        text = (folder / "kustomization.yaml").read_text(encoding="utf-8")
        assert yaml.safe_load(text)["kind"] == "Kustomization"
        for option in ("queue-scaling", "monitoring", "object-spool"):
            assert option in text
