"""A seed repeats a campaign's faults and acts, whatever each of them finds."""

from __future__ import annotations

from tests.campaign.dice import picks
from tests.campaign.people import Operator

SEED = 20261129


def test_a_seed_picks_the_same_in_the_same_order_however_much_each_pick_draws() -> None:
    print(f"seed {SEED}")
    one, other = (picks(SEED, {"kill": 1, "stop": 3, "cut": 2}, 3.0) for _ in range(2))
    names = set()
    for n in range(200):
        mine, again = next(one), next(other)
        assert (mine.pause, mine.name) == (again.pause, again.name)
        assert mine.dice.random() == again.dice.random()
        names.add(mine.name)
        for _ in range(n % 7):  # as a fault does that looks for a victim for a while
            mine.dice.random()
    assert names == {"kill", "stop", "cut"}
    assert next(picks(SEED, {"kill": 1}, 3.0)).pause != next(picks(7, {"kill": 1}, 3.0)).pause


def test_every_act_is_one_of_the_operators() -> None:
    assert all(callable(getattr(Operator, name)) for name in Operator.WEIGHTS)
