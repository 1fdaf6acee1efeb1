"""Feature contributions to a prediction: Shapley values against a typical row. Pure.

The players are the input fields. A field inside a coalition takes the row's value, one outside
takes its typical value, and the coalition's value is the model's prediction for that row: baseline
Shapley (Sundararajan and Najmi, "The many Shapley values for model explanation", ICML 2020; after
Shapley, "A Value for n-Person Games", 1953). It is model-agnostic, and the contributions add up to
the prediction exactly.
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
"""With more players than this, orders are sampled instead of evaluating all coalitions."""

ORDERS = 64
"""How many orders are sampled beyond `MOST_EXACT` players, each with its reverse."""

_SEED = 20261124

Floats = NDArray[np.float64]
Coalitions = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A prediction's contributions, on the scale that the model was fitted on.

    `baseline` is the prediction for a typical row; `baseline` + the sum of `effects` is the one for
    this row. If `on_log`, both are log(1 + target). If `of` names a class, both are log odds of
    that class against the rest, and the prediction is its probability.
    """

    on_log: bool
    baseline: float
    effects: dict[str, float]
    of: str | None = None

    @property
    def learned(self) -> float:
        """The prediction on the fitted scale."""
        return self.baseline + math.fsum(self.effects.values())

    @property
    def prediction(self) -> float:
        """The prediction in the target's unit, or the probability of the class."""
        return self._answer(self.learned)

    @property
    def scale(self) -> str:
        """The scale of the effects: "value", "log" or "log_odds"."""
        return "log_odds" if self.of is not None else "log" if self.on_log else "value"

    def _answer(self, learned: float) -> float:
        if self.of is not None:
            return 0.5 * (1.0 + math.tanh(learned / 2))  # the logistic function, without overflow
        return math.expm1(learned) if self.on_log else learned

    def to_document(self) -> dict[str, Any]:
        """Serving's JSON: the baseline in the unit of `prediction`, the largest effects first.

        For a classifier, `of` names the class.
        """
        ordered = sorted(self.effects.items(), key=lambda item: -abs(item[1]))
        return {
            "scale": self.scale,
            **({} if self.of is None else {"of": self.of}),
            "baseline": self._answer(self.baseline),
            "fields": [{"field": field, "effect": effect} for field, effect in ordered],
        }


def shapley(value: Callable[[Coalitions], Floats], players: int) -> tuple[float, Floats]:
    """The value of the empty coalition, and the Shapley values.

    `value` takes coalitions as a boolean [n, players] array and returns [n] values; it is called
    once. Up to `MOST_EXACT` players the result is exact, beyond that estimated from `ORDERS`
    orders, sampled with a fixed seed, and their reverses. Both add up exactly.
    """
    if players > MOST_EXACT:
        return _sampled(value, players)
    numbers = np.arange(2**players)
    inside = (numbers[:, None] >> np.arange(players)) & 1 == 1
    values = value(inside)
    size = inside.sum(axis=1)
    # The probability of a coalition of size n just before a given player, over all orders.
    chance = [1 / (players * math.comb(players - 1, n)) for n in range(players)]
    shares = np.zeros(players)
    for player in range(players):
        without = numbers[~inside[:, player]]
        gains = values[without | (1 << player)] - values[without]
        shares[player] = np.sum(gains * np.array(chance)[size[without]])
    return float(values[0]), shares


def _sampled(value: Callable[[Coalitions], Floats], players: int) -> tuple[float, Floats]:
    """Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value", 2009."""
    rng = np.random.default_rng(_SEED)
    orders = [rng.permutation(players) for _ in range(ORDERS)]
    orders += [order[::-1] for order in orders]
    steps = np.zeros((len(orders), players + 1, players), dtype=np.bool_)
    for n, order in enumerate(orders):
        for place, player in enumerate(order):
            steps[n, place + 1 :, player] = True
    values = value(steps.reshape(-1, players)).reshape(len(orders), players + 1)
    shares = np.zeros(players)
    for order, along in zip(orders, values, strict=True):
        for player, (before, after) in zip(order, pairwise(along), strict=True):
            shares[player] += (after - before) / len(orders)
    return float(values[0, 0]), shares
