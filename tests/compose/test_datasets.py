"""Dataset files in Kubernetes: every program that reads them has them, and they can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings
from tests.compose.clusters import container, manifests, pod

PROGRAMS = {"console", "work", "train", "desk", "reconcile", "serving", "migrate"}
NAME = "microk8s with every option"


def test_every_program_that_reads_dataset_files_has_them() -> None:
    having = set()
    for manifest in manifests(NAME):
        if manifest["kind"] in {"Deployment", "StatefulSet", "Job"}:
            mounts = {m["name"]: m for m in container(dict(manifest)).get("volumeMounts", ())}
            if "datasets" in mounts:
                assert mounts["datasets"] == {
                    "name": "datasets", "mountPath": "/datasets", "readOnly": True,
                }  # fmt: skip
                assert {"name": "datasets"} in [
                    v.get("configMap") for v in pod(dict(manifest))["volumes"]
                ]
                having.add(manifest["metadata"]["labels"].get("app.kubernetes.io/name") or "")
                having.add(manifest["metadata"]["name"].split("-")[0])
    assert having - {""} >= PROGRAMS
    settings = [
        m for m in manifests(NAME)
        if m["kind"] == "ConfigMap" and m["metadata"]["name"].startswith("settings")
    ]  # fmt: skip
    assert all(m["data"]["DATASETS"] == "/datasets" for m in settings)


def test_the_dataset_files_can_be_used(tmp_path: Path) -> None:
    (made,) = (m for m in manifests(NAME) if m["metadata"]["name"] == "datasets")
    for name, text in made["data"].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    read = DatasetFolder(Settings(_env_file=None, datasets=str(tmp_path))).read()
    assert read.usable
    assert dict(read.problems) == {}


@pytest.mark.parametrize("installation", ["microk8s", "cloud"])
def test_without_the_component_there_is_one_dataset(installation: str) -> None:
    assert not any("DATASETS" in m.get("data", {}) for m in manifests(installation))
