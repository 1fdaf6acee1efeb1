"""The dice of a campaign: a seed picks the same things in the same order, whatever they find."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pick:
    """One pick: how many seconds to wait before it, its name, and dice of its own."""

    pause: float
    name: str
    dice: random.Random


def picks(seed: int, weights: Mapping[str, int], longest: float) -> Iterator[Pick]:
    """Picks by weight without end, each after `longest` seconds at most.

    How many numbers a fault or an act draws depends on what it finds, so each has dice of its own:
    those after it do not change.
    """
    dice = random.Random(seed)
    while True:
        pause = dice.uniform(0.2, longest)
        (name,) = dice.choices(list(weights), list(weights.values()))
        yield Pick(pause, name, random.Random(dice.getrandbits(64)))
