"""Serving with several datasets, as its tests use it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from core.domain.dataset import Dataset
from core.platform.settings import SHIPPED_DATASETS, Settings
from serving.http.app import create_app
from tests.build import contract
from tests.models import tiny_model
from tests.serving.test_api import Champions
from tests.stacks import free_port, serve

SHIPPED = (SHIPPED_DATASETS / "real_estate.toml").read_text()


def write(folder: Path, name: str, text: str = SHIPPED) -> Path:
    """A dataset file: the shipped one under this name."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    part = folder / f".{name}.part"
    part.write_text(text.replace('name = "real_estate"', f'name = "{name}"'))
    part.replace(path)
    return path


class Registries(dict[str, Champions]):
    """A registry in memory for each registered model."""

    def __missing__(self, name: str) -> Champions:
        self[name] = Champions()
        return self[name]

    def put(self, dataset: Dataset, name: str, version: int, factor: float) -> None:
        """A model of that dataset that answers `factor` times the sum."""
        made = contract(replace(dataset, name=name))
        self[name].put(version, tiny_model(made, factor))


@contextmanager
def fleet(
    registries: Registries, folder: Path, names: Sequence[str] = ("homes", "rides"), **more: Any
) -> Iterator[str]:
    """A serving process with a dataset file for each name."""
    for name in names:
        write(folder / "datasets", name)
    port = more.pop("port", 0) or free_port()
    chosen: dict[str, Any] = {
        "datasets": str(folder / "datasets"),
        "serving_advertise": f"http://127.0.0.1:{port}",
        "data_dir": folder,
        "database_url": f"sqlite:///{folder / 'none.db'}",
        "serving_poll": 0.02,
    }
    settings = Settings(_env_file=None, **chosen | more)
    with serve(create_app(settings, source_of=registries.__getitem__), port) as url:
        yield url


def versions(url: str, headers: dict[str, str] | None = None) -> dict[str, int | None]:
    """The live version of each dataset that is listed."""
    listed = requests.get(f"{url}/datasets", headers=headers, timeout=5).json()["datasets"]
    return {entry["name"]: entry["model_version"] for entry in listed}
