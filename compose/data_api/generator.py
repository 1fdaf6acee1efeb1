"""Synthetic listings that follow the plan of the six batches.

A row starts from its price. Its place is sampled given the price by Bayes' rule, and the residual
of the price determines the house size, the rooms and the lot. Conversely, a price depends on place,
size, rooms and lot, plus irreducible noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from compose.data_api.batches import BLOCK_ROWS, COLUMNS, Batch, Block
from compose.data_api.country import STATES, FloatArray, IntArray, country
from compose.data_api.plan import PLANS, Plan, normal_quantile, normal_share, prices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compose.data_api.options import Options

NULL_SHARES = {
    "brokered_by": 0.001, "bed": 0.24, "bath": 0.24, "acre_lot": 0.14, "street": 0.005,
    "city": 0.0007, "zip_code": 0.0008, "house_size": 0.25, "prev_sold_date": 0.52,
}  # fmt: skip
"""Share of nulls by column in the wider data set; bed and bath are null together."""

_BROKERS = 110_000
_STREETS = 2_000_000
_MIDDLE_PRICE = np.log(330_000.0)
_PLACE_SPREAD = 0.58  # of the log price around its place's level
_PRICE_BINS = np.linspace(np.log(40_000.0), np.log(3_000_000.0), 48)
_LAST_DAY = np.datetime64("2023-03-14")
_SMALLEST_HOUSE, _LARGEST_HOUSE = 300.0, 40_000.0  # square feet


@dataclass(frozen=True, slots=True)
class Generator:
    """The six batches, generated from a seed, independently of each other."""

    options: Options

    def __len__(self) -> int:
        """How many batches a cycle has."""
        return len(PLANS)

    def batch(self, number: int, *, other: bool = False) -> Batch:
        """The batch of that number; `other` gives other rows of the same plan.

        Raises:
            IndexError: there is no such batch.
        """
        key = (self.options.seed, number, int(other))
        rows = PLANS[number].rows_at(self.options.scale)
        return Batch(COLUMNS, partial(_blocks, PLANS[number], rows, key, self.options.nulls))


def _blocks(plan: Plan, rows: int, key: tuple[int, ...], with_nulls: bool) -> Iterator[Block]:  # noqa: FBT001 - bound by partial
    # Independent streams, so that an option does not change other columns.
    setup, rng, nulls = (np.random.default_rng([*key, stream]) for stream in range(3))
    price = prices(plan, rows, setup)
    states = [STATES.index(name) for name in plan.states]
    places = _Places.of(states)
    # At least one row of every state, at a random position.
    fixed = dict(zip(setup.choice(rows, len(states), replace=False), states, strict=True))
    for start in range(0, rows, BLOCK_ROWS):
        part = price[start : start + BLOCK_ROWS]
        place = places.draw(part, rng)
        for position, state in fixed.items():
            if 0 <= (row := position - start) < len(part):
                place[row] = places.draw_in(state, part[row], rng)
        block = _columns(plan, part, place, rng)
        if with_nulls:
            _remove_values(block, nulls)
        yield block


@dataclass(frozen=True, slots=True)
class _Places:
    """The distribution of places for each price bin, as cumulative shares: one row per bin."""

    index: IntArray
    running: FloatArray

    @classmethod
    def of(cls, states: list[int]) -> _Places:
        land = country()
        index = np.flatnonzero(np.isin(land.state, states))
        away = (_PRICE_BINS[:, None] - _MIDDLE_PRICE - land.level[index]) / _PLACE_SPREAD
        running = np.cumsum(land.share[index] * np.exp(-(away**2) / 2), axis=1)
        return cls(index, running / running[:, -1:])

    def draw(self, price: FloatArray, rng: np.random.Generator) -> IntArray:
        bins = _bins(price)
        # Shift row k of the cumulative shares to (k, k + 1], so that one search serves all rows.
        ladder = (self.running + np.arange(len(self.running))[:, None]).ravel()
        positions = np.searchsorted(ladder, bins + rng.random(len(price)), side="right")
        width = len(self.index)
        place: IntArray = self.index[np.clip(positions - bins * width, 0, width - 1)]
        return place

    def draw_in(self, state: int, price: float, rng: np.random.Generator) -> int:
        running = self.running[_bins(np.array([price]))[0]]
        inside = country().state[self.index] == state
        # Keep places possible whose share is 0 at this price.
        share = (np.diff(running, prepend=0.0) + 1e-12) * inside
        return int(self.index[rng.choice(len(share), p=share / share.sum())])


def _bins(price: FloatArray) -> IntArray:
    step = _PRICE_BINS[1] - _PRICE_BINS[0]
    bins: IntArray = np.round((np.log(price) - _PRICE_BINS[0]) / step).astype(np.int64)
    return bins.clip(0, len(_PRICE_BINS) - 1)


def _columns(plan: Plan, price: FloatArray, place: IntArray, rng: np.random.Generator) -> Block:
    """The rows at these prices and places, in the order of `COLUMNS`."""
    land, rows = country(), len(price)
    # Residual of the log price, clipped to plausible houses.
    rest = np.clip(np.log(price) - _MIDDLE_PRICE - land.level[place], -1.3, 2.8)
    size = _sizes(plan, rest, rng)
    bed = np.clip(np.round(0.9 + 0.057 * np.sqrt(size) + rng.normal(0, 0.8, rows)), 1, 14)
    bath = 0.35 + 0.046 * np.sqrt(size) + 0.40 * rest + rng.normal(0, 0.55, rows)
    lot = np.exp(-1.35 + 0.35 * rest + land.rural[place] + rng.normal(0, 0.9, rows))
    for_sale = rng.random(rows) < plan.for_sale
    if 0 < plan.for_sale < 1:
        for_sale[:2] = [True, False][:rows]  # a mixed batch has both, however small
    days = np.where(
        for_sale,
        np.minimum(60 + rng.exponential(3200.0, rows), 40_000),
        700 * rng.random(rows) ** 1.3,
    )
    broker = rng.integers(1, _BROKERS + 1, rows)
    street = rng.integers(1, _STREETS + 1, rows)
    return [
        broker.astype(np.float64).tolist(),
        np.where(for_sale, "for_sale", "sold").tolist(),
        price.tolist(),
        bed.tolist(),
        np.clip(np.round(bath), 1, 16).tolist(),
        np.clip(np.round(lot, 2), 0.01, 1000.0).tolist(),
        street.astype(np.float64).tolist(),
        land.city[place].tolist(),
        [STATES[index] for index in land.state[place]],
        land.zip_code[place].tolist(),
        size.tolist(),
        np.datetime_as_string(_LAST_DAY - days.astype("timedelta64[D]"), unit="D").tolist(),
    ]


def _sizes(plan: Plan, rest: FloatArray, rng: np.random.Generator) -> FloatArray:
    """House sizes in square feet: log-normal given the residual, truncated to the plan's range."""
    middle, spread = 7.47 + 0.56 * rest, 0.34
    largest = min(plan.largest, _LARGEST_HOUSE)
    low = normal_share((np.log(max(plan.smallest, _SMALLEST_HOUSE)) - middle) / spread)
    high = normal_share((np.log(largest) - middle) / spread)
    drawn = normal_quantile(low + (high - low) * rng.random(len(rest)))
    size = np.round(np.exp(middle + spread * drawn))
    return np.clip(size, max(plan.smallest + 1, _SMALLEST_HOUSE), largest)


def _remove_values(block: Block, rng: np.random.Generator) -> None:
    chances = {name: rng.random(len(block[0])) for name in NULL_SHARES}
    chances["bath"] = chances["bed"]
    for name, chance in chances.items():
        for row in np.flatnonzero(chance < NULL_SHARES[name]).tolist():
            block[COLUMNS.index(name)][row] = None
