"""The dataset file: read once, checked whole, and named in every complaint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.dataset import Dataset, load
from core.errors import DatasetError
from tests.build import small_dataset


def test_the_real_estate_file_compares_twenty_statistics(dataset: Dataset) -> None:
    assert [c.name for c in dataset.compared] == ["price", "bed", "bath", "acre_lot", "house_size"]
    assert dataset.target.above == 1000
    assert {c.name for c in dataset.columns if not c.drift} >= {"street", "zip_code", "brokered_by"}


NUMBER = {"name": "y", "type": "number", "role": "target"}
FEATURE = {"name": "x", "type": "number", "role": "feature"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"columns": [FEATURE]}, "exactly one column"),
        ({"columns": [NUMBER]}, "no column has the role feature"),
        ({"columns": [NUMBER, FEATURE, FEATURE]}, "twice"),
        ({"columns": [NUMBER, {**FEATURE, "name": "x; drop table"}]}, "no name"),
        ({"columns": [NUMBER, {**FEATURE, "name": "epoch"}]}, "reserved"),
        ({"columns": [NUMBER, {**FEATURE, "typ": "x"}]}, "unknown keys typ"),
        ({"columns": [NUMBER, {"name": "x", "role": "feature"}]}, "type is missing"),
        ({"limits": {"mean": -1}}, "above 0"),
        ({"limits": {"median": 1}}, "median"),
        ({"primary_metric": "accuracy"}, "primary_metric"),
        ({"nmae": "x"}, "unknown keys"),
    ],
)
def test_a_contradiction_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DatasetError, match=complaint):
        small_dataset(**change)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("name = ")
    with pytest.raises(DatasetError, match=r"mine\.toml"):
        load(tmp_path / "mine.toml")
