"""Levels of places: what they add at equal size, and how little a place of few rows says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.contract import METADATA_KEY
from core.dataset import Dataset, parse
from core.runtime import Runtime
from tests.build import contract
from workers import export, training
from workers.features import Beginning
from workers.levels import SHRINK, FirstStage, crossfitted, learn_levels

Rows = dict[str, Any]

COUNT = 400


def exported(model: training.Fitted, dataset: Dataset) -> Runtime:
    return Runtime(export.to_onnx(model, dataset, {METADATA_KEY: contract(dataset).to_json()}))


def homes(**changes: Any) -> Dataset:
    columns = [
        {"name": "area", "type": "number", "role": "feature"},
        {"name": "post", "type": "code", "role": "feature", "width": 5},
        {"name": "rent", "type": "number", "role": "target"},
    ]
    document: dict[str, Any] = {"name": "homes", "fit_on": "log", "columns": columns}
    return parse(document | changes, "homes.toml")


def lets(seed: int = 1) -> Rows:
    """Rent follows area and the first three of five digits; dear regions have small homes."""
    random = np.random.default_rng(seed)
    region = random.integers(100, 120, COUNT)
    area = np.exp(random.normal(6 - 0.05 * (region - 100), 0.3))
    post = region * 100 + random.integers(0, 100, COUNT)
    rent = np.exp(np.log(area) + 0.1 * (region - 100) + 0.05 * random.normal(size=COUNT))
    return {"area": area, "post": np.array([str(p) for p in post], dtype=object), "rent": rent}


def test_a_place_of_few_rows_keeps_little_of_its_own() -> None:
    group = np.array([0] + [1] * int(SHRINK))
    (table,) = learn_levels([group], np.ones(len(group)), np.ones(len(group), dtype=np.bool_))
    assert table == pytest.approx([1 / (1 + SHRINK), 0.5])


def test_a_finer_grouping_gets_what_the_coarser_leaves() -> None:
    region = np.zeros(1000, dtype=np.int64)
    street = np.repeat([0, 1], 500)
    left = 2.0 + np.where(street == 0, -0.5, 0.5)
    tables = learn_levels([region, street], left, np.ones(1000, dtype=np.bool_))
    assert tables[0] == pytest.approx([2.0], rel=0.02)
    assert tables[1] == pytest.approx([-0.5, 0.5], abs=0.05)


def test_no_row_sees_its_own_target() -> None:
    group, fold = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
    left = np.random.default_rng(2).normal(size=200)
    before = crossfitted([group], left, fold)
    left[7] = 1e6
    after = crossfitted([group], left, fold)
    assert after[7, 0] == before[7, 0]
    assert after[6, 0] != before[6, 0]


def test_the_first_stage_learns_sizes_and_takes_nulls_and_what_is_always_null() -> None:
    random = np.random.default_rng(3)
    area = random.uniform(10, 1000, 500).astype(np.float32)
    nothing = np.full(500, np.nan, dtype=np.float32)
    flags = np.zeros((500, 0), dtype=np.float32)
    target = 2 * np.log1p(area.astype(np.float64))
    first = FirstStage.fit({"area": area, "nothing": nothing}, flags, target)
    assert first.numbers == ["area"]
    estimate = first.predict({"area": area, "nothing": area}, flags)
    assert estimate == pytest.approx(target, abs=0.5)
    odd = np.array([np.nan, -5, 0, np.inf, 1e38], dtype=np.float32)
    assert np.isfinite(first.predict({"area": odd}, flags[:5])).all()


def test_a_code_begins_with_half_its_digits() -> None:
    codes = np.array([601, 99999, 100000, np.nan, np.inf, 0], dtype=np.float32)
    assert Beginning("post", 5).of(codes).tolist() == [6, 999, -1, -1, -1, 0]


def test_an_unseen_code_is_placed_by_how_it_begins() -> None:
    model = training.fit(lets(), homes())
    seen = set(lets()["post"])
    dear = next(f"{n}" for n in range(11900, 12000) if f"{n}" not in seen)
    cheap = next(f"{n}" for n in range(10000, 10100) if f"{n}" not in seen)
    posts = np.array([dear, cheap], dtype=object)
    high, low = model.predict({"area": np.array([300.0, 300.0]), "post": posts})
    assert high > 2 * low


@pytest.mark.parametrize("post", ["", "10000", "00000", "9" * 60, "999999", "12a", "-1"])
def test_the_export_says_the_same_of_odd_codes(post: str) -> None:
    model = training.fit(lets(), homes())
    live = exported(model, homes())
    rows = lets(4) | {"post": np.full(COUNT, post, dtype=object)}
    assert export.check_parity(live, model, rows) < export.TOLERANCE


def test_a_dataset_of_places_alone_is_learned_and_exported() -> None:
    places = homes(
        columns=[
            {"name": "post", "type": "code", "role": "feature", "width": 5},
            {"name": "rent", "type": "number", "role": "target"},
        ]
    )
    model = training.fit(lets(), places)
    assert export.check_parity(exported(model, places), model, lets(4)) < export.TOLERANCE
