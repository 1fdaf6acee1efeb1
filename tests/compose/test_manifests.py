"""What would be applied to a cluster holds together, and a planted error is found."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from compose.kubernetes_secret import KEYS, manifest
from compose.prepare import prepare
from core.adapters.rq_queue import WORK, Queue
from core.domain.jobs import JobKind
from core.platform.settings import Settings
from tests.compose.clusters import (
    INSTALLATIONS,
    KUBERNETES,
    VERSION,
    manifests,
    rendered,
)
from tests.deployment import links, pods, tools
from tests.deployment.cluster import Workload, named, secret_files, workloads
from tests.stacks import ROOT


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the secret holds when `compose.prepare` made everything."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder / "secrets", folder / ".env", ROOT / "compose" / ".env.example")
    said = manifest(folder / "secrets")["stringData"]
    assert isinstance(said, dict)
    return said


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_an_installation_holds_together(name: str) -> None:
    made = manifests(name)
    assert tools.schema_problems(rendered(name)) == []
    assert links.problems(made) == []
    assert pods.problems(made, VERSION) == []


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_what_is_uploaded_lands_where_the_workers_look(name: str) -> None:
    """Console and workers share a disk, or a bucket and no disk."""
    made = manifests(name)
    maps = named(made, "ConfigMap")
    for workload in workloads(made):
        if workload.program in {"console", "work", "reconcile"}:
            (data,) = [v for v in workload.pod["volumes"] if v["name"] == "data"]
            claim = data.get("persistentVolumeClaim", {}).get("claimName")
            has_bucket = bool(variables(workload, maps).get("SPOOL_URL"))
            assert claim == (None if has_bucket else "work"), workload.title


@pytest.mark.parametrize(
    ("was", "planted"),
    [("replicas: 1", "replica: 1"), ("replicas: 1", "replicas: one"), ("apps/v1", "apps/v1beta1")],
)
def test_what_kubernetes_would_refuse_is_found(was: str, planted: str) -> None:
    text = rendered("microk8s")
    assert was in text
    assert tools.schema_problems(text.replace(was, planted, 1))


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_every_secret_that_is_mounted_can_be_made(name: str) -> None:
    mounted = {key for w in workloads(manifests(name)) for _, key, _, _ in secret_files(w.pod)}
    assert mounted <= set(KEYS)


def test_the_secret_holds_what_the_pods_mount_and_nothing_else(secret: dict[str, str]) -> None:
    needed = {
        key
        for name in INSTALLATIONS
        for w in workloads(manifests(name))
        for _, key, _, optional in secret_files(w.pod)
        if not optional
    }
    assert needed - {"redis_password"} <= secret.keys() <= set(KEYS)
    assert not any(value.endswith("\n") for value in secret.values())


@pytest.mark.parametrize("program", ["console", "work", "train", "desk", "reconcile", "serving"])
@pytest.mark.parametrize("name", ["microk8s", "cloud"])
def test_a_program_starts_on_what_its_pod_is_given(
    name: str,
    program: str,
    secret: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = manifests(name)
    workload = next(w for w in workloads(made) if w.program == program)
    for _, key, file, optional in secret_files(workload.pod):
        if key in secret or not optional:
            (tmp_path / file).write_text(secret[key], encoding="utf-8")
    for variable, value in variables(workload, named(made, "ConfigMap")).items():
        monkeypatch.setenv(variable, value)
    settings = Settings(_env_file=None, _secrets_dir=tmp_path)
    user = "serving" if program == "serving" else "desk"
    assert settings.database_url.startswith(f"mysql+pymysql://{user}:")
    if program == "serving":
        assert settings.serving_push_secret.get_secret_value()
        assert settings.serving_advertise == "http://$(POD_IP):8000"
        assert settings.serving_keys == ("/run/secrets/serving_keys" if name == "cloud" else "")
    else:
        assert settings.redis_url.startswith("redis://desk:")


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_a_training_command_is_stopped_before_its_pod_is(name: str) -> None:
    made = manifests(name)
    (work,) = [w for w in workloads(made) if w.program == "work"]
    told = variables(work, named(made, "ConfigMap"))
    limit = work.containers[0]["resources"]["limits"]["memory"]
    assert int(told["TRAINING_MEMORY_MB"]) * 1_000_000 < 0.6 * int(limit.removesuffix("Gi")) * 2**30


def variables(workload: Workload, maps: dict[str, Any]) -> dict[str, str]:
    """The variables of a pod whose values stand in the manifests."""
    found: dict[str, str] = {}
    for source in workload.containers[0]["envFrom"]:
        if "configMapRef" in source:
            found |= maps[source["configMapRef"]["name"]]["data"]
    for given in workload.containers[0].get("env", ()):
        if "value" in given:
            found[given["name"]] = given["value"]
    return found


@pytest.mark.parametrize("program", ["work", "train", "desk", "reconcile"])
@pytest.mark.parametrize(("age", "alive"), [(0, True), (200, True), (400, False), (None, False)])
def test_a_worker_that_stopped_turning_is_noticed(
    program: str, age: int | None, *, alive: bool, tmp_path: Path
) -> None:
    """The probe of the manifest, on a file that was touched so many seconds ago, or never."""
    workload = next(w for w in workloads(manifests("microk8s")) if w.program == program)
    command = workload.containers[0]["livenessProbe"]["exec"]["command"]
    file = tmp_path / "live"
    if age is not None:
        file.touch()
        os.utime(file, (time.time() - age, time.time() - age))
    probe = [sys.executable, *(word.replace("/tmp/live", str(file)) for word in command[1:])]
    assert (subprocess.run(probe, capture_output=True, check=False).returncode == 0) is alive


def test_the_stores_are_those_of_compose() -> None:
    composed = yaml.safe_load((ROOT / "compose" / "compose.yaml").read_text(encoding="utf-8"))
    there = {w.program: w.containers[0]["image"] for w in workloads(manifests("microk8s"))}
    for store in ("mysql", "redis"):
        assert there[store] == composed["services"][store]["image"]


def test_the_queue_that_is_measured_is_the_one_that_is_filled(redis_url: str) -> None:
    """KEDA's scaler asks for the length of a list by its name; RQ owns that name."""
    import redis

    scaled = named(manifests("microk8s with every option"), "ScaledObject")["work"]
    listed = scaled["spec"]["triggers"][0]["metadata"]["listName"]
    queue = Queue(redis_url)
    queue.submit(JobKind.DRIFT, 4711, 1)
    try:
        with redis.Redis.from_url(redis_url) as connection:
            assert connection.llen(listed) == queue.lengths()[WORK] > 0
    finally:
        queue.drop(JobKind.DRIFT, 4711, 1)


def test_every_component_is_part_of_an_installation() -> None:
    """None is left unchecked because no overlay names it."""
    text = "".join(rendered(name) for name in INSTALLATIONS)
    for component in (KUBERNETES / "components").iterdir():
        for file in component.glob("*.yaml"):
            for made in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                if made["kind"] != "Component":
                    assert f"name: {made['metadata']['name']}" in text
