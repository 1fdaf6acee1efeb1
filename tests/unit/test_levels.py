"""Levels of places: what they add at equal size, and how little a place of few rows says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import Dataset
from core.platform.dataset_file import parse
from core.rules.model.contract import METADATA_KEY
from tests.build import contract
from workers.recipes import export
from workers.recipes.place_boosting import fit
from workers.recipes.place_boosting.features import Features
from workers.recipes.place_boosting.group_effects import (
    SHRINK,
    FirstStage,
    crossfitted,
    learn_levels,
)
from workers.recipes.place_boosting.group_lookup import CodePrefix
from workers.recipes.place_boosting.stacking import Blend

Rows = dict[str, Any]

COUNT = 400


def exported(model: fit.Fitted, dataset: Dataset) -> Runtime:
    return Runtime(model.to_onnx({METADATA_KEY: contract(dataset).to_json()}))


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
    rows = np.ones(200, dtype=np.bool_)
    before = crossfitted([group], left, rows, fold)
    left[7] = 1e6
    after = crossfitted([group], left, rows, fold)
    assert after[7, 0] == before[7, 0]
    assert after[6, 0] != before[6, 0]


def test_rows_that_are_not_known_get_the_level_of_those_that_are() -> None:
    group, fold = np.zeros(200, dtype=np.int64), np.tile(np.arange(5), 40)
    known = np.arange(200) % 2 == 0
    left = np.where(known, 3.0, 1e6)
    assert crossfitted([group], left, known, fold) == pytest.approx(np.full((200, 1), 3.0), rel=0.2)


def test_what_a_home_comes_to_is_its_size_at_the_rate_of_its_place() -> None:
    steps, matrix = Features.fit(lets(), np.log1p(lets()["rent"]), homes())
    assert steps.units == ["area"]
    unseen = lets(seed=9)
    rent = np.log1p(unseen["rent"])
    comes_to, usual, blend = steps.transform(unseen)[:, -3:].T
    assert np.abs(blend - rent).mean() < 1.1 * np.abs(comes_to - rent).mean()
    assert np.abs(comes_to - rent).mean() < 0.2
    numbers = {"area": unseen["area"].astype(np.float32)}
    estimate = steps.first.predict(numbers, np.zeros((COUNT, 0), dtype=np.float32))
    assert np.abs(comes_to - rent).mean() < 0.6 * np.abs(estimate - rent).mean()
    assert np.corrcoef(usual, [6 - 0.05 * (int(p[:3]) - 100) for p in unseen["post"]])[0, 1] > 0.8
    assert np.abs(matrix[:, -1] - np.log1p(lets()["rent"])).mean() < 0.2
    unseen["area"][:] = np.nan
    blind = steps.transform(unseen)[:, -3:]
    assert np.isnan(blind[:, 0]).all()
    assert blind[:, 1] == pytest.approx(usual)
    assert np.isfinite(blind[:, 2]).all()


def test_a_blend_weighs_what_says_most_and_leaves_out_what_never_varies() -> None:
    random = np.random.default_rng(5)
    target = random.normal(9, 1, 500)
    good, poor = target + random.normal(0, 0.1, 500), target + random.normal(0, 1, 500)
    blend = Blend.fit(np.column_stack([good, poor, np.full(500, 7.0)]), target)
    assert blend.weights[0] > 10 * abs(blend.weights[1])
    assert blend.weights[2] == 0
    odd = np.array([[9.0, 9.0, -1e9]])
    assert blend.predict(odd) == pytest.approx([9.0], abs=0.1)


def test_where_the_value_itself_is_learned_nothing_is_per_unit() -> None:
    steps, matrix = Features.fit(lets(), lets()["rent"], homes(fit_on="value"))
    assert len(steps.rates) == 0
    assert steps.transform(lets(4)).shape == matrix.shape
    model = fit.fit(lets(), homes(fit_on="value"))
    live = exported(model, homes(fit_on="value"))
    assert export.check_parity(live, model, lets(4)) < export.TOLERANCE


def test_a_place_says_how_many_rows_it_had_and_an_unseen_one_none() -> None:
    steps, _ = Features.fit(lets(), np.log1p(lets()["rent"]), homes())
    begins = steps.lookups[0]
    assert begins.key == "post.prefix"
    counts = np.bincount([int(p[:3]) - 100 for p in lets()["post"]])
    assert begins.table[:, 1] == pytest.approx(np.log1p([*counts, 0]))


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
    assert CodePrefix("post", 5).of(codes).tolist() == [6, 999, -1, -1, -1, 0]


def test_an_unseen_code_is_placed_by_how_it_begins() -> None:
    model = fit.fit(lets(), homes())
    seen = set(lets()["post"])
    dear = next(f"{n}" for n in range(11900, 12000) if f"{n}" not in seen)
    cheap = next(f"{n}" for n in range(10000, 10100) if f"{n}" not in seen)
    posts = np.array([dear, cheap], dtype=object)
    high, low = model.predict({"area": np.array([300.0, 300.0]), "post": posts})
    assert high > 2 * low


@pytest.mark.parametrize("post", ["", "10000", "00000", "9" * 60, "999999", "12a", "-1"])
def test_the_export_says_the_same_of_odd_codes(post: str) -> None:
    model = fit.fit(lets(), homes())
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
    model = fit.fit(lets(), places)
    assert export.check_parity(exported(model, places), model, lets(4)) < export.TOLERANCE
