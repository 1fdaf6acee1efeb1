"""A desk with several datasets in a folder, for the tests of commands and verbs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.platform.dataset_file import parse_text
from tests.databases import migrated
from tests.stacks import ROOT

NOWHERE = "http://127.0.0.1:1"
RIDES = (ROOT / "tests" / "datasets" / "rides.toml").read_text(encoding="utf-8")


def named(name: str, title: str = "") -> str:
    """The text of a dataset file with this name."""
    text = RIDES.replace('name = "rides"', f'name = "{name}"', 1)
    return text.replace("Bike rides a day", title or name.capitalize(), 1)


@dataclass(frozen=True)
class Folder:
    """A folder of dataset files over one migrated database, with the environment that names it."""

    root: Path
    url: str

    @property
    def files(self) -> Path:
        return self.root / "datasets"

    def add(self, name: str, text: str = "") -> None:
        (self.files / f"{name}.toml").write_text(text or named(name), encoding="utf-8")

    def dataset(self, name: str) -> Dataset:
        return parse_text((self.files / f"{name}.toml").read_text(encoding="utf-8"), name)

    def store(self, name: str) -> Store:
        """The store of one dataset; close it."""
        return Store.open(self.url, self.dataset(name))


def folder_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *names: str, roles: str = ""
) -> Folder:
    """A folder of these datasets; with `roles` as the roles file, people log in."""
    folder = Folder(tmp_path, f"sqlite:///{tmp_path / 'desk.db'}")
    folder.files.mkdir()
    for name in names:
        folder.add(name)
    migrated(folder.url, [folder.dataset(name) for name in names])
    told = {
        "DATASETS": str(folder.files), "DATABASE_URL": folder.url, "DATA_DIR": str(tmp_path),
        "ACTOR": "eve", "REDIS_URL": "redis://127.0.0.1:1/0", "MLFLOW_TRACKING_URI": NOWHERE,
        "SERVING_URL": NOWHERE, "DATA_API_URL": NOWHERE, "WEBHOOK_URL": f"{NOWHERE}/",
        "SERVING_KEYS": str(tmp_path / "keys"), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "AUTH_CONTACT": "Olga",
    }  # fmt: skip
    if roles:
        path = tmp_path / "roles.toml"
        path.write_text(roles, encoding="utf-8")
        told |= {"AUTH": "oidc", "AUTH_ROLES_FILE": str(path)}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    structlog.reset_defaults()
    return folder
