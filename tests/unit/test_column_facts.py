"""The striking fact about a column: the largest share of rows counts, and small ones do not."""

from __future__ import annotations

import numpy as np
import pytest

from core.domain.profiles import ColumnProfile
from core.rules.data.column_facts import striking
from core.rules.data.profile import Profiler
from tests import build

CALM = np.linspace(10, 20, 400)
GAPS = np.full(100, np.nan)


def numbers(values: np.ndarray) -> ColumnProfile:
    profiler = Profiler(build.small_dataset())
    profiler.add("temperature", values)
    return {p.column: p for p in profiler.finish()}["temperature"]


def texts(values: list[str]) -> ColumnProfile:
    profiler = Profiler(build.small_dataset())
    profiler.add("weather", values)
    return {p.column: p for p in profiler.finish()}["weather"]


@pytest.mark.parametrize(
    ("now", "fact"),
    [
        (CALM, ""),
        (CALM - 100, "100.0 % of the values lie below the former range."),
        (CALM + 100, "100.0 % of the values lie above the former range."),
        (np.r_[CALM, GAPS], "20.0 % are missing, 0.0 % before."),
        (np.r_[CALM, 99.0], ""),  # under 1 % of the rows
    ],
)
def test_numbers(now: np.ndarray, fact: str) -> None:
    assert striking(numbers(CALM), numbers(now)) == fact


def test_texts() -> None:
    then = texts(["sun"] * 300 + ["rain"] * 100)
    assert striking(then, then) == ""
    now = texts(["sun"] * 100 + ["fog"] * 200 + ["hail"] * 100)
    assert striking(then, now) == "75.0 % of the values are new."


def test_nothing_is_said_of_an_empty_side() -> None:
    empty = build.profile("temperature", count=0, nulls=0, mean=None, std=None, q50=None, q75=None)
    assert striking(empty, numbers(CALM)) == ""
    assert striking(numbers(CALM), empty) == ""
