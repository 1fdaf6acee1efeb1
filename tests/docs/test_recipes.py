"""The how-to page of each recipe: its files train, and the model that they make answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import Dataset
from core.domain.training import Training
from core.platform.dataset_file import load
from core.rules.model.contract import METADATA_KEY
from tests.build import contract
from tests.pages import DOCS, titled
from workers.recipes import export
from workers.recipes.choose import recipe_of
from workers.recipes.place_boosting import group_effects
from workers.recipes.port import JobContext

pytestmark = pytest.mark.filterwarnings(  # LightGBM warns of every pipeline: it saw no names
    "ignore:X does not have valid feature names:UserWarning"
)


def rides(folder: Path, section: str) -> Dataset:
    """The dataset of how-to/own-dataset.md with this section."""
    text = titled("how-to/own-dataset.md", "rides.toml")
    (folder / "rides.toml").write_text(text.replace("[limits]", f"{section}\n[limits]", 1))
    return load(folder / "rides.toml")


def rows_of(dataset: Dataset, count: int = 90) -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {
        c.name: np.array(["a", "b", ""], dtype=object)[random.integers(0, 3, count)]
        if c.is_text
        else random.normal(20, 5, count)
        for c in dataset.columns
    }


def trains(dataset: Dataset, context: JobContext | None = None) -> None:
    rows = rows_of(dataset)
    fitted = recipe_of(dataset, context)(rows, dataset)
    runtime = Runtime(fitted.to_onnx({METADATA_KEY: contract(dataset).to_json()}))
    assert export.check_parity(runtime, fitted, rows) < export.TOLERANCE


@pytest.mark.parametrize(
    ("page", "file", "recipe"),
    [
        ("recipe-boosting", "rides.toml", "boosting"),
        ("recipe-place-boosting", "homes.toml", "place_boosting"),
    ],
)
def test_the_dataset_of_a_built_in_recipe_trains(
    page: str, file: str, recipe: str, tmp_path: Path
) -> None:
    (tmp_path / file).write_text(titled(f"how-to/{page}.md", file))
    dataset = load(tmp_path / file)
    assert dataset.training == Training(recipe)
    trains(dataset)


@pytest.mark.parametrize("module", ["rides_recipes", "boosted_recipes"])
def test_the_estimators_of_the_page_train(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "how-to/recipe-estimator.md"
    (tmp_path / f"{module}.py").write_text(titled(page, f"{module}.py"))
    section = '[training]\nestimator = "rides_recipes:make"\n'
    assert section in (DOCS / page).read_text(encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    trains(rides(tmp_path, section.replace("rides_recipes", module)))


def test_the_program_of_the_page_trains(tmp_path: Path) -> None:
    page = "how-to/recipe-command.md"
    section = '[training]\ncommand = ["python", "train.py"]\nfolder = "/srv/rides"'
    assert section in (DOCS / page).read_text(encoding="utf-8")
    (tmp_path / "train.py").write_text(titled(page, "train.py"))
    here = section.replace("/srv/rides", str(tmp_path)).replace("python", sys.executable)
    lines: list[str] = []
    trains(rides(tmp_path, here + "\n"), JobContext(say=lines.append))
    assert lines[-1] == "learned from 90 rows"


def test_the_page_of_places_names_the_width_of_the_products() -> None:
    text = (DOCS / "how-to/recipe-place-boosting.md").read_text(encoding="utf-8")
    assert f"products of up to {group_effects._MOST_PAIRED}\n   inputs" in text
