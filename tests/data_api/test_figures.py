"""The generated batches against the figures measured on the real service."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from compose.data_api.batches import COLUMNS, Batch, Value
from compose.data_api.generator import NULL_SHARES, Generator
from compose.data_api.options import Options
from compose.data_api.plan import MIDDLE_SIZE, PLANS

Frame = dict[str, list[Value]]

# rows, statuses, states, lowest price, highest price, mean price
TABLE = (
    (73_784, {"for_sale"}, 50, 1, 300_000, 219_186),
    (94_551, {"for_sale"}, 51, 1, 300_000, 179_512),
    (230_366, {"sold"}, 50, 1, 300_000, 196_747),
    (4_055, {"for_sale", "sold"}, 1, 10_000, 300_000, 236_810),
    (320_696, {"for_sale", "sold"}, 53, 300_023, 500_000, 397_339),
    (361_457, {"for_sale", "sold"}, 53, 500_007, 515_000_000, 1_134_678),
)


def frame(batch: Batch) -> Frame:
    columns: Frame = {name: [] for name in batch.names}
    for block in batch.blocks():
        for name, values in zip(batch.names, block, strict=True):
            columns[name] += values
    return columns


def numbers(columns: Frame, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([value for value in columns[name] if value is not None], dtype=np.float64)


def check(number: int, options: Options) -> Frame:
    rows, statuses, states, lowest, highest, mean = TABLE[number]
    columns = frame(Generator(options).batch(number))
    expected = max(60, round(rows * options.scale))
    assert tuple(columns) == COLUMNS
    assert {len(values) for values in columns.values()} == {expected}
    assert set(columns["status"]) == statuses
    assert len(set(columns["state"])) == states
    price = numbers(columns, "price")
    assert lowest <= price.min()
    assert price.max() <= highest
    assert abs(price.mean() / mean - 1) < 0.02
    return columns


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("seed", [0, 1, 12345])
@pytest.mark.parametrize("scale", [1e-6, 0.002, 0.05])
def test_the_table(number: int, seed: int, scale: float) -> None:
    columns = check(number, Options(seed=seed, scale=scale))
    size = numbers(columns, "house_size")
    if number == 0:
        assert size.min() > MIDDLE_SIZE
    if number == 1:
        assert size.max() <= MIDDLE_SIZE
    assert ("Massachusetts" in columns["state"]) == (number >= 3)
    assert numbers(columns, "acre_lot").min() > 0


@pytest.mark.parametrize("number", [0, 3])
def test_the_real_size(number: int) -> None:
    assert len(check(number, Options(scale=1))["price"]) == TABLE[number][0]


def test_all_rows_of_a_cycle() -> None:
    assert sum(plan.rows_at(1) for plan in PLANS) == 1_084_909


@pytest.mark.parametrize("seed", [0, 7])
def test_nulls(seed: int) -> None:
    plain = frame(Generator(Options(seed=seed)).batch(2))
    holed = frame(Generator(Options(seed=seed, nulls=True)).batch(2))
    for name in COLUMNS:
        share = holed[name].count(None) / len(holed[name])
        assert share == pytest.approx(NULL_SHARES.get(name, 0), abs=0.02), name
        both = zip(plain[name], holed[name], strict=True)
        assert all(after in (before, None) for before, after in both), name


def test_without_the_option_there_is_no_null() -> None:
    assert not any(None in values for values in frame(Generator(Options()).batch(2)).values())


def test_one_batch_needs_no_other_and_comes_again() -> None:
    whole = [frame(Generator(Options(scale=0.01)).batch(number)) for number in range(6)]
    assert frame(Generator(Options(scale=0.01)).batch(5)) == whole[5]
    generator = Generator(Options(scale=0.01))
    assert [frame(generator.batch(number)) for number in range(6)] == whole


def test_other_seed_and_other_content_give_other_rows() -> None:
    first = frame(Generator(Options(scale=0.002)).batch(1))
    seeded = frame(Generator(Options(scale=0.002, seed=1)).batch(1))
    other = frame(Generator(Options(scale=0.002)).batch(1, other=True))
    for one, two in pairwise([first, seeded, other, first]):
        assert one["price"] != two["price"]
        assert one["street"] != two["street"]


@pytest.mark.parametrize("seed", [0, 3])
def test_a_price_can_be_learned_but_not_read_off(seed: int) -> None:
    """Least squares on size, rooms, lot and the mean of each ZIP code, over all six batches."""
    columns: Frame = {name: [] for name in COLUMNS}
    generator = Generator(Options(seed=seed))
    for number in range(6):
        for name, values in frame(generator.batch(number)).items():
            columns[name] += values
    price = np.log(numbers(columns, "price"))
    # A third tells what a place costs, a third is fitted on, a third is held out.
    third = np.random.default_rng(seed).integers(3, size=len(price))
    _, place = np.unique(numbers(columns, "zip_code"), return_inverse=True)
    known = third == 0
    houses = np.bincount(place[known], minlength=place.max() + 1)
    sums = np.bincount(place[known], price[known], minlength=place.max() + 1)
    level = (sums + 5 * price[known].mean()) / (houses + 5)
    sized = [np.log(numbers(columns, name)) for name in ("house_size", "acre_lot")]
    rooms = [numbers(columns, name) for name in ("bed", "bath")]
    features = np.stack([np.ones(len(price)), level[place], *sized, *rooms], axis=1)
    weights = np.linalg.lstsq(features[third == 1], price[third == 1])[0]
    held_out = third == 2
    residual = price[held_out] - features[held_out] @ weights
    r2 = 1 - residual.var() / price[held_out].var()
    assert 0.5 < r2 < 0.9
