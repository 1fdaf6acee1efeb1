"""A dataset file's own gates: each has a sentence, and an open one speaks against a candidate."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.dossier import Difference, Gate, GateName, Score, Slice
from core.domain.errors import DatasetError
from core.rules.model.judgement import judge
from tests.build import score, small_dataset


def gates(*wanted: dict[str, Any], champion: Score | None = None, **metrics: float) -> list[Gate]:
    dataset = small_dataset(evaluation={"gates": list(wanted)})
    verdict = judge(score(2, 100, **metrics), champion, dataset, slices=SEGMENTS)
    own = (GateName.METRIC_LIMIT, GateName.SEGMENT_LIMIT)
    assert verdict.promote is all(gate.passed for gate in verdict.gates)
    return [gate for gate in verdict.gates if gate.name in own]


SEGMENTS = [
    Slice("weather", "sun", 50, 10.0, 11.0, Difference(-1.0, -2.0, -0.5)),
    Slice("weather", "rain", 60, 12.0, 10.5, Difference(1.5, 1.0, 2.0)),
]


def test_a_metric_within_its_bound_passes_and_beyond_it_does_not() -> None:
    asked = [{"metric": "mdape", "at_most": 0.25}, {"metric": "r2", "at_least": 0.5}]
    assert [g.passed for g in gates(*asked, mdape=0.25, r2=0.5)] == [True, True]
    missed = gates(*asked, mdape=0.3, r2=0.4)
    assert [g.says for g in missed] == [
        "The median absolute percentage error is 30.0 %; the dataset file requires at most 25.0 %.",
        "The R² is 0.400; the dataset file requires at least 0.500.",
    ]
    assert not any(g.passed or g.compares or g.blocks for g in missed)


def test_a_metric_that_is_not_a_number_does_not_pass() -> None:
    (gate,) = gates({"metric": "mae", "at_most": 5}, mae=float("nan"))
    assert not gate.passed


def test_a_segment_may_be_worse_by_as_much_as_the_file_says() -> None:
    live = score(1, mae=11.0)
    (strict,) = gates({"slice": "weather", "worse_by_at_most": 0.1}, champion=live)
    assert strict.says == (
        "Significantly worse than version 1 on weather rain (14.3 % worse on 60 rows); the dataset "
        "file allows 10 %."
    )
    assert strict.compares
    (lax,) = gates({"slice": "weather", "worse_by_at_most": 0.15}, champion=live)
    assert lax.passed
    assert lax.says == "No segment of weather is more than 15 % worse (2 compared)."


def test_without_a_champion_segments_are_not_asked_for() -> None:
    assert gates({"slice": "weather", "worse_by_at_most": 0.1}) == []


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({}, "either metric or slice"),
        ({"metric": "mae", "slice": "weather", "at_most": 1}, "either metric or slice"),
        ({"metric": "speed", "at_most": 1}, "metric must be one of mae"),
        ({"metric": "mae"}, "at_most or at_least"),
        ({"metric": "mae", "at_most": 1, "at_least": 0}, "at_most or at_least"),
        ({"metric": "mae", "at_least": 1}, "write at_most in place of at_least"),
        ({"metric": "r2", "at_most": 1}, "write at_least in place of at_most"),
        ({"metric": "mae", "at_most": "5"}, "at_most is '5', and must be a finite number"),
        ({"slice": "station", "worse_by_at_most": 0.1}, "slice must be one of target, weather"),
        ({"slice": "weather"}, "worse_by_at_most is missing"),
        ({"slice": "weather", "worse_by_at_most": 10}, "worse_by_at_most is 10"),
        ({"slice": "weather", "at_most": 0.1}, "worse_by_at_most alone"),
        ({"metric": "mae", "atmost": 1}, "did you mean at_most"),
    ],
)
def test_a_gate_that_is_wrong_is_refused_with_its_place(entry: dict[str, Any], says: str) -> None:
    fine = {"metric": "mae", "at_most": 5}
    with pytest.raises(DatasetError, match=r"evaluation\.gates, gate 2: ") as refused:
        small_dataset(evaluation={"gates": [fine, entry]})
    assert says in str(refused.value)


def test_too_many_gates_or_the_same_twice_are_refused() -> None:
    fine = {"metric": "mae", "at_most": 5}
    with pytest.raises(DatasetError, match="gate 2 is listed twice"):
        small_dataset(evaluation={"gates": [fine, fine]})
    with pytest.raises(DatasetError, match="has 21 gates, and may have 20"):
        small_dataset(evaluation={"gates": [fine] * 21})
