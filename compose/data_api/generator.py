"""Made-up listings that follow the plan of the six batches.

A row starts from its price. The place follows from it by Bayes' rule (a dear house more likely
stands in a dear place), and what the place does not explain shows in the size of the house, its
rooms and its lot. Read the other way round, a price depends on place, size, rooms and lot, with
noise that no model can learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from compose.data_api.batches import COLUMNS, Block, Value
from compose.data_api.country import STATES, FloatArray, IntArray, country
from compose.data_api.plan import MIDDLE_SIZE, PLANS, Plan, normal_quantile, normal_share, prices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compose.data_api.options import Options

BLOCK_ROWS = 4096

NULL_SHARES = {
    "brokered_by": 0.001,
    "bed": 0.24,
    "bath": 0.24,
    "acre_lot": 0.14,
    "street": 0.005,
    "city": 0.0007,
    "zip_code": 0.0008,
    "house_size": 0.25,
    "prev_sold_date": 0.52,
}
"""Share of nulls by column in the wider data set; bed and bath are null together."""

LARGEST_LOT = 100_000.0
LARGEST_HOUSE = 1_450_112.0

_BROKERS = 110_000
_STREETS = 2_000_000
_MIDDLE_PRICE = np.log(330_000.0)
_PLACE_SPREAD = 0.58  # of the log price around its place's level
_PRICE_BINS = np.linspace(np.log(40_000.0), np.log(3_000_000.0), 48)
_LAST_DAY = np.datetime64("2023-03-14")
_EXTREME_SHARE = 1 / 5000


class _Stream(IntEnum):
    """Independent streams of random numbers, so that one option does not change the rest."""

    PRICES = 0
    ROWS = 1
    NULLS = 2
    OUTLIERS = 3


@dataclass(frozen=True, slots=True)
class Generator:
    """The six batches, made from a seed; each can be made without the others."""

    options: Options

    @property
    def size(self) -> int:
        """How many batches a cycle has."""
        return len(PLANS)

    def batch(self, number: int, *, other: bool = False) -> GeneratedBatch:
        """The batch of that number; `other` gives other rows by the same plan.

        Raises:
            IndexError: there is no such batch.
        """
        plan = PLANS[number]
        rows = plan.rows_at(self.options.scale)
        return GeneratedBatch(plan, (self.options.seed, number, int(other)), rows, self.options)


@dataclass(frozen=True, slots=True)
class GeneratedBatch:
    """One made-up batch; the same `key` and options give the same rows, always."""

    plan: Plan
    key: tuple[int, int, int]
    rows: int
    options: Options

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in row order."""
        return COLUMNS

    def blocks(self) -> Iterator[Block]:
        """The rows, `BLOCK_ROWS` at a time."""
        setup = self._rng(_Stream.PRICES)
        price = prices(self.plan, self.rows, setup, outliers=self.options.outliers)
        states = [STATES.index(name) for name in self.plan.states]
        places = _Places.of(states)
        # One row of every state, wherever chance leaves it.
        fixed = dict(zip(setup.choice(self.rows, len(states), replace=False), states, strict=True))
        rng = self._rng(_Stream.ROWS)
        nulls = self._rng(_Stream.NULLS) if self.options.nulls else None
        outliers = self._rng(_Stream.OUTLIERS) if self.options.outliers else None
        for start in range(0, self.rows, BLOCK_ROWS):
            part = price[start : start + BLOCK_ROWS]
            place = places.draw(part, rng)
            for position, state in fixed.items():
                if start <= position < start + len(part):
                    row = position - start
                    place[row] = places.draw_in(state, part[row], rng)
            columns = _columns(self.plan, part, place, rng)
            if outliers:
                _stretch(columns, self.plan, outliers, at_least_one=start == 0)
            yield _told(columns, nulls)

    def _rng(self, stream: _Stream) -> np.random.Generator:
        return np.random.default_rng([*self.key, stream])


@dataclass(frozen=True, slots=True)
class _Places:
    """Where houses of each price stand, as running shares: one row a price bin."""

    index: IntArray
    running: FloatArray

    @classmethod
    def of(cls, states: list[int]) -> _Places:
        land = country()
        index = np.flatnonzero(np.isin(land.state, states))
        away = (_PRICE_BINS[:, None] - _MIDDLE_PRICE - land.level[index]) / _PLACE_SPREAD
        share = land.share[index] * np.exp(-(away**2) / 2)
        running = np.cumsum(share, axis=1)
        return cls(index, running / running[:, -1:])

    def draw(self, price: FloatArray, rng: np.random.Generator) -> IntArray:
        bins = _bins(price)
        # Row k of the running shares lies in (k, k + 1], so that one search serves all rows.
        ladder = (self.running + np.arange(len(self.running))[:, None]).ravel()
        found = np.searchsorted(ladder, bins + rng.random(len(price)), side="right")
        width = len(self.index)
        place: IntArray = self.index[np.clip(found - bins * width, 0, width - 1)]
        return place

    def draw_in(self, state: int, price: float, rng: np.random.Generator) -> int:
        running = self.running[_bins(np.array([price]))[0]]
        inside = country().state[self.index] == state
        # A place that no house of this price would stand in is still possible.
        share = (np.diff(running, prepend=0.0) + 1e-12) * inside
        return int(self.index[rng.choice(len(share), p=share / share.sum())])


def _bins(price: FloatArray) -> IntArray:
    step = _PRICE_BINS[1] - _PRICE_BINS[0]
    bins = np.round((np.log(price) - _PRICE_BINS[0]) / step)
    clipped: IntArray = np.clip(bins, 0, len(_PRICE_BINS) - 1).astype(np.int64)
    return clipped


Columns = dict[str, FloatArray | list[str]]


def _columns(plan: Plan, price: FloatArray, place: IntArray, rng: np.random.Generator) -> Columns:
    land, rows = country(), len(price)
    # What the place leaves unexplained of the price; cut where no house would follow it.
    rest = np.clip(np.log(price) - _MIDDLE_PRICE - land.level[place], -1.3, 2.8)
    size = _sizes(plan, rest, rng)
    bed = np.clip(np.round(0.9 + 0.057 * np.sqrt(size) + rng.normal(0, 0.8, rows)), 1, 14)
    bath = 0.35 + 0.046 * np.sqrt(size) + 0.40 * rest + rng.normal(0, 0.55, rows)
    lot = np.exp(-1.35 + 0.35 * rest + land.rural[place] + rng.normal(0, 0.9, rows))
    for_sale = rng.random(rows) < plan.for_sale
    if 0 < plan.for_sale < 1:
        for_sale[:2] = [True, False][:rows]  # a batch of both shows both, however small
    days = np.where(
        for_sale,
        np.minimum(60 + rng.exponential(3200.0, rows), 40_000),
        700 * rng.random(rows) ** 1.3,
    )
    dates = _LAST_DAY - days.astype("timedelta64[D]")
    return {
        "brokered_by": rng.integers(1, _BROKERS + 1, rows).astype(np.float64),
        "status": np.where(for_sale, "for_sale", "sold").tolist(),
        "price": price,
        "bed": bed,
        "bath": np.clip(np.round(bath), 1, 16),
        "acre_lot": np.clip(np.round(lot, 2), 0.01, 1000.0),
        "street": rng.integers(1, _STREETS + 1, rows).astype(np.float64),
        "city": [land.cities[index] for index in land.city[place]],
        "state": [STATES[index] for index in land.state[place]],
        "zip_code": land.zip_code[place],
        "house_size": size,
        "prev_sold_date": np.datetime_as_string(dates, unit="D").tolist(),
    }


def _sizes(plan: Plan, rest: FloatArray, rng: np.random.Generator) -> FloatArray:
    """House sizes in square feet, log-normal around the price's rest, cut to the plan's range."""
    middle, spread = 7.47 + 0.56 * rest, 0.34
    low = normal_share((np.log(max(plan.smallest, 300.0)) - middle) / spread)
    high = normal_share((np.log(min(plan.largest, 40_000.0)) - middle) / spread)
    drawn = normal_quantile(low + (high - low) * rng.random(len(rest)))
    size = np.round(np.exp(middle + spread * drawn))
    smallest = max(plan.smallest + 1, 300.0)
    return np.clip(size, smallest, min(plan.largest, 40_000.0))


def _stretch(columns: Columns, plan: Plan, rng: np.random.Generator, *, at_least_one: bool) -> None:
    """Put absurd lots and houses into some rows; the largest ever seen into the first block."""
    for name, largest in (("acre_lot", LARGEST_LOT), ("house_size", LARGEST_HOUSE)):
        values = np.array(columns[name], dtype=np.float64)
        rows = np.flatnonzero(rng.random(len(values)) < _EXTREME_SHARE)
        absurd = np.round(largest ** rng.uniform(0.7, 1.0, len(rows)))
        if name == "house_size" and plan.largest <= MIDDLE_SIZE:
            continue
        values[rows] = np.maximum(values[rows], absurd)
        if at_least_one:
            values[rng.integers(len(values))] = largest
        columns[name] = values


def _told(columns: Columns, rng: np.random.Generator | None) -> Block:
    block: Block = []
    chances = {} if rng is None else {name: rng.random(len(columns[name])) for name in NULL_SHARES}
    if chances:
        chances["bath"] = chances["bed"]
    for name in COLUMNS:
        column = columns[name]
        values: list[Value] = [*(column.tolist() if isinstance(column, np.ndarray) else column)]
        if name in chances:
            for row in np.flatnonzero(chances[name] < NULL_SHARES[name]).tolist():
                values[row] = None
        block.append(values)
    return block
