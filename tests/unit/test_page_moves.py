"""A switch of the page is completed although a refresh of the old page overtook it."""

from __future__ import annotations

import pytest

from console.web.addresses import Arrival, Move, Place

LEFT, TO = Place("drift", {"batch": "1/3"}), Place("pipeline", {})


@pytest.mark.parametrize(
    ("at", "arrival"),
    [
        (TO, Arrival.THERE),
        (Place("pipeline", LEFT.parameters), Arrival.THERE),
        (LEFT, Arrival.BOUNCED),
        (Place("pipeline", {"job": "7"}), Arrival.ELSEWHERE),
        (Place("drift", {}), Arrival.ELSEWHERE),
        (Place("audit", {}), Arrival.ELSEWHERE),
    ],
)
def test_where_a_tab_is_after_a_switch(at: Place, arrival: Arrival) -> None:
    assert Move(LEFT, TO, 0.0).arrival(at) is arrival
