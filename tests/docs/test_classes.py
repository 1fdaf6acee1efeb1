"""The page on classes: its dataset file trains, and its metrics are those that there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.adapters.onnx_runtime import Runtime
from core.domain.metrics import METRICS, METRICS_OF
from core.domain.task import Task
from core.platform.dataset_file import load
from core.rules.model.contract import METADATA_KEY
from tests.build import contract
from tests.pages import DOCS, titled
from workers.recipes import export
from workers.recipes.choose import recipe_of

PAGE = "how-to/classes.md"


def test_the_dataset_file_of_the_page_trains(tmp_path: Path) -> None:
    (tmp_path / "churn.toml").write_text(titled(PAGE, "churn.toml"), encoding="utf-8")
    dataset = load(tmp_path / "churn.toml")
    dice = np.random.default_rng(1)
    calls = dice.poisson(3, 200).astype(float)
    rows = {
        "plan": dice.choice(np.array(["basic", "pro"], dtype=object), 200),
        "calls": calls,
        "outcome": np.where(calls + dice.normal(size=200) > 4, "left", "stayed").astype(object),
    }
    fitted = recipe_of(dataset)(rows, dataset)
    described = contract(dataset, ("stayed", "left"))
    runtime = Runtime(fitted.to_onnx({METADATA_KEY: described.to_json()}))
    assert export.check_parity(runtime, fitted, rows) < export.TOLERANCE


def test_the_page_names_every_metric_and_which_way_is_better() -> None:
    page = (DOCS / PAGE).read_text(encoding="utf-8")
    table = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    named = {cells[0].strip("`"): cells[-1] for cells in table}
    assert named == {
        name: "higher" if METRICS[name].higher_is_better else "lower"
        for name in METRICS_OF[Task.BINARY]
    }
