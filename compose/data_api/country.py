"""Synthetic geography: real names of states, invented cities and their price levels.

It is the same for every seed, so that another seed gives other houses in the same places. Levels
are offsets of the log price.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# State: share of the listings (rough), level (rough), first three digits of its ZIP codes.
_STATES: dict[str, tuple[float, float, int]] = {
    "Alabama": (1.6, -0.35, 350), "Alaska": (0.3, 0.10, 995), "Arizona": (3.0, 0.20, 850),
    "Arkansas": (1.2, -0.45, 716), "California": (11.0, 0.65, 900), "Colorado": (1.8, 0.40, 800),
    "Connecticut": (1.3, 0.10, 60), "Delaware": (0.5, 0.10, 197),
    "District of Columbia": (0.4, 0.50, 200), "Florida": (10.5, 0.10, 320),
    "Georgia": (3.3, 0.00, 300), "Hawaii": (0.6, 0.75, 967), "Idaho": (0.9, 0.25, 832),
    "Illinois": (4.4, -0.20, 600), "Indiana": (1.7, -0.35, 460), "Iowa": (1.1, -0.45, 500),
    "Kansas": (0.8, -0.40, 660), "Kentucky": (1.0, -0.40, 400), "Louisiana": (1.6, -0.35, 700),
    "Maine": (0.6, 0.00, 39), "Maryland": (2.1, 0.20, 206), "Massachusetts": (1.9, 0.50, 10),
    "Michigan": (2.9, -0.35, 480), "Minnesota": (2.7, -0.05, 550), "Mississippi": (0.7, -0.50, 386),
    "Missouri": (2.2, -0.30, 630), "Montana": (0.4, 0.25, 590), "Nebraska": (0.6, -0.25, 680),
    "Nevada": (1.2, 0.20, 889), "New Hampshire": (0.5, 0.20, 30), "New Jersey": (2.9, 0.30, 70),
    "New Mexico": (0.7, -0.10, 870), "New York": (5.0, 0.25, 100),
    "North Carolina": (3.3, 0.00, 270), "North Dakota": (0.2, -0.15, 580),
    "Ohio": (2.9, -0.40, 430), "Oklahoma": (1.7, -0.45, 730), "Oregon": (1.8, 0.30, 970),
    "Pennsylvania": (3.3, -0.25, 150), "Puerto Rico": (0.3, -0.30, 6),
    "Rhode Island": (0.4, 0.20, 28), "South Carolina": (1.6, -0.05, 290),
    "South Dakota": (0.2, -0.10, 570), "Tennessee": (2.0, -0.05, 370), "Texas": (9.0, -0.05, 750),
    "Utah": (0.9, 0.30, 840), "Vermont": (0.3, 0.05, 50), "Virgin Islands": (0.1, 0.30, 8),
    "Virginia": (3.2, 0.20, 220), "Washington": (3.2, 0.40, 980),
    "West Virginia": (0.5, -0.65, 247), "Wisconsin": (1.8, -0.10, 530), "Wyoming": (0.2, 0.00, 820),
}  # fmt: skip
STATES = tuple(_STATES)

_BEGINNINGS = (
    "Alder", "Ash", "Bell", "Birch", "Bram", "Brook", "Cedar", "Clay", "Copper", "Cran",
    "Dun", "Elm", "Fair", "Fern", "Glen", "Gold", "Green", "Hart", "Hazel", "Holly",
    "Iron", "Kings", "Lark", "Linden", "Maple", "Marl", "Mill", "Oak", "Pine", "Quarry",
    "Raven", "Red", "Rock", "Sand", "Silver", "Stone", "Sum", "Thorn", "West", "Wil",
)  # fmt: skip
_ENDINGS = (
    "borough", "bridge", "bury", "dale", "field", "ford", "gate", "ham", "haven", "hurst",
    "land", "ley", "mere", "mont", "mouth", "port", "stead", "ton", "vale", "view",
    "ville", "wick", "wood", "worth",
)  # fmt: skip
_FRONTS = ("", "", "", "", "East ", "Fort ", "Lake ", "Mount ", "North ", "Saint ")
_WORLD = 20261101


class Country(NamedTuple):
    """All places (one ZIP code of one city each) as parallel arrays.

    Invariants: `state` indexes `STATES`; `share` sums to 1; `rural` is the offset of the log lot
    size from the country's.
    """

    state: IntArray
    city: NDArray[np.str_]
    zip_code: FloatArray
    share: FloatArray
    level: FloatArray
    rural: FloatArray


@cache
def country() -> Country:
    """The country; about 3,000 places in 1,000 cities."""
    rng = np.random.default_rng(_WORLD)
    places = []
    for index, (share, level, prefix) in enumerate(_STATES.values()):
        count = 6 + round(4 * share)
        weights = 1 / (np.arange(count) + 2.0)
        weights *= share / weights.sum()
        next_zip = prefix * 100 + 1.0
        for name, weight in zip(_city_names(rng, count), weights, strict=True):
            city_level = level + rng.normal(0, 0.32)
            city_rural = rng.normal(-0.4 * (city_level - level), 0.4)
            codes = int(rng.integers(1, 6))
            for _ in range(codes):
                zip_level = city_level + rng.normal(0, 0.10)
                places.append((index, name, next_zip, weight / codes, zip_level, city_rural))
                next_zip += 1
    land = Country(*map(np.array, zip(*places, strict=True)))
    return land._replace(share=land.share / land.share.sum())


def _city_names(rng: np.random.Generator, count: int) -> list[str]:
    names: dict[str, None] = {}
    while len(names) < count:
        front, beginning, ending = (
            words[rng.integers(len(words))] for words in (_FRONTS, _BEGINNINGS, _ENDINGS)
        )
        names[f"{front}{beginning}{ending}"] = None
    return list(names)
