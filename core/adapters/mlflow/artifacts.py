"""MLflow's artifact store: a write test, a listing, and the content of a file."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow.artifacts import download_artifacts
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository


def try_store(tracking_uri: str) -> None:
    """Store a small file and delete it again."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.txt"
        probe.write_text("driftdesk doctor", encoding="utf-8")
        where = f"mlflow-artifacts:/driftdesk-doctor-{uuid.uuid4().hex[:12]}"
        store = _store(where, tracking_uri)
        store.log_artifact(str(probe))
        store.delete_artifacts()


def log_files(files: Mapping[str, bytes]) -> None:
    """Store these files with the active run, by their names in the folder `training`."""
    if not files:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        mlflow.log_artifacts(folder, "training")


def names(uri: str, tracking_uri: str) -> list[str]:
    """The names of files and folders at a URI of the store, not recursive."""
    return [Path(file.path).name for file in _store(uri, tracking_uri).list_artifacts()]


def read(uri: str, tracking_uri: str) -> bytes:
    """The content of the file at a URI of the store."""
    with tempfile.TemporaryDirectory() as folder:
        path = download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=tracking_uri)
        return Path(path).read_bytes()


def _store(uri: str, tracking_uri: str) -> Any:
    return get_artifact_repository(uri, tracking_uri=tracking_uri, registry_uri=tracking_uri)
