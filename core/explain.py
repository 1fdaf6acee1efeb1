"""What pushed an answer up or down: Shapley values against a typical row, by field. Pure.

The players are the fields that a person fills in. A field that is in takes the row's value, one
that is out takes its typical value, so a coalition's worth is what the model itself answers to
such a row (Sundararajan and Najmi, "The many Shapley values for model explanation", ICML 2020:
baseline Shapley; the value is Shapley's, "A Value for n-Person Games", 1953). It needs nothing of
the model but its answers, holds for any recipe, and adds up to the answer exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_EXACT = 10
"""Up to so many fields that differ from typical every coalition is asked; beyond, a sample."""

ORDERS = 64
"""How many orders are sampled where there are too many fields, each with its reverse."""

_SEED = 20261124

Floats = NDArray[np.float64]
Coalitions = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a prediction comes from, on the scale that was learned.

    `baseline` is what the model says of a typical row, and `baseline` + the sum of `effects` is
    what it says of this one; where `on_log` both are logarithms of 1 + the target.
    """

    on_log: bool
    baseline: float
    effects: dict[str, float]

    @property
    def learned(self) -> float:
        """What the effects add up to, on the learned scale."""
        return self.baseline + math.fsum(self.effects.values())

    @property
    def prediction(self) -> float:
        """What they add up to, in the target's unit."""
        return math.expm1(self.learned) if self.on_log else self.learned

    def to_document(self) -> dict[str, Any]:
        """As serving answers it: the baseline in the target's unit, the largest effects first."""
        ordered = sorted(self.effects.items(), key=lambda item: -abs(item[1]))
        return {
            "scale": "log" if self.on_log else "value",
            "baseline": math.expm1(self.baseline) if self.on_log else self.baseline,
            "fields": [{"field": field, "effect": effect} for field, effect in ordered],
        }


def shapley(worth: Callable[[Coalitions], Floats], players: int) -> tuple[float, Floats]:
    """The worth of nobody, and each player's share of what all of them add to it.

    `worth` gives the value of each row of an [n, players] array that says who is in; it is called
    once. Up to `MOST_EXACT` players the shares are exact, beyond that an estimate from `ORDERS`
    sampled orders and their reverses, the same for every call; they add up either way.
    """
    if players > MOST_EXACT:
        return _sampled(worth, players)
    numbers = np.arange(2**players)
    inside = (numbers[:, None] >> np.arange(players)) & 1 == 1
    values = worth(inside)
    size = inside.sum(axis=1)
    # How likely it is that just these are in when a player comes, all orders being equal.
    chance = [1 / (players * math.comb(players - 1, n)) for n in range(players)]
    shares = np.zeros(players)
    for player in range(players):
        without = numbers[~inside[:, player]]
        gains = values[without | (1 << player)] - values[without]
        shares[player] = np.sum(gains * np.array(chance)[size[without]])
    return float(values[0]), shares


def _sampled(worth: Callable[[Coalitions], Floats], players: int) -> tuple[float, Floats]:
    """Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value", 2009."""
    rng = np.random.default_rng(_SEED)
    orders = [rng.permutation(players) for _ in range(ORDERS)]
    orders += [order[::-1] for order in orders]
    steps = np.zeros((len(orders), players + 1, players), dtype=np.bool_)
    for n, order in enumerate(orders):
        for place, player in enumerate(order):
            steps[n, place + 1 :, player] = True
    values = worth(steps.reshape(-1, players)).reshape(len(orders), players + 1)
    shares = np.zeros(players)
    for order, along in zip(orders, values, strict=True):
        for player, (before, after) in zip(order, pairwise(along), strict=True):
            shares[player] += (after - before) / len(orders)
    return float(values[0, 0]), shares
