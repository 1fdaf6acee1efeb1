"""The error over time: every answer counts once, in the order in which they were given."""

from __future__ import annotations

import itertools
import math
import random
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.model.evaluation import score
from core.rules.model.feedback_error import (
    FEWEST_IN_BUCKET,
    MOST_BUCKETS,
    Outcome,
    buckets,
    of_version,
)
from tests import build

floats = st.floats(allow_nan=False, allow_infinity=False)
answers = st.builds(
    Outcome,
    st.integers(0, 10_000).map(lambda n: build.NOON + timedelta(seconds=n)),
    st.integers(1, 3),
    floats,
    floats,
)


@given(st.lists(answers, max_size=120), st.integers(1, MOST_BUCKETS))
def test_every_answer_with_a_finite_error_is_in_one_bucket(told: list[Outcome], most: int) -> None:
    found = buckets(told, most)
    known = [t for t in told if math.isfinite(t.error)]
    sizes = [b.count for b in found]
    assert sum(sizes) == len(known)
    assert len(found) <= most
    if sizes:
        assert max(sizes) - min(sizes) <= 1
    if len(found) > 1:
        assert min(sizes) >= FEWEST_IN_BUCKET
    assert all(a.until <= b.since for a, b in itertools.pairwise(found))
    for b in found:
        assert b.since <= b.until
        assert math.isfinite(b.error)
        assert b.mdape is None or math.isfinite(b.mdape)
    assert {v for b in found for v in b.versions} == {t.version for t in known}


@given(st.lists(answers, max_size=60), st.randoms(use_true_random=False))
def test_the_order_in_which_answers_come_does_not_matter(
    told: list[Outcome], dice: random.Random
) -> None:
    mixed = list(told)
    dice.shuffle(mixed)
    assert buckets(mixed) == buckets(told)


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)), min_size=1, max_size=50))
def test_the_error_is_the_one_that_versions_are_judged_by(pairs: list[tuple[float, float]]) -> None:
    told = [Outcome(build.NOON, 1, p, a) for p, a in pairs]
    judged = score(np.array([a for _, a in pairs]), np.array([p for p, _ in pairs]))
    found = of_version(told, 1)
    assert found
    assert found.error == pytest.approx(judged["mae"], abs=1e-9)
    assert found.mdape == pytest.approx(judged["mdape"], abs=1e-9)


def test_a_few_answers_are_one_point_and_none_are_none() -> None:
    assert buckets([]) == []
    assert of_version([Outcome(build.NOON, 1, 1.0, 2.0)], 2) is None
    few = [Outcome(build.NOON + timedelta(seconds=n), 1, 1.0, 2.0) for n in range(9)]
    assert [b.count for b in buckets(few)] == [9]
    assert len(buckets(few * 1000)) == MOST_BUCKETS


def test_labels_of_one_moment_are_one_point() -> None:
    told = [
        Outcome(build.NOON + timedelta(seconds=second), 1, "yes", "no" if n < 20 else "yes")
        for second in (0, 1)
        for n in range(100)
    ]
    assert [(b.count, b.error) for b in buckets(told)] == [(100, 0.2), (100, 0.2)]


def test_an_actual_of_zero_has_no_relative_error() -> None:
    (bucket,) = buckets([Outcome(build.NOON, 1, 5.0, 0.0)] * 3)
    assert (bucket.error, bucket.mdape) == (5.0, None)


def test_what_is_no_number_is_left_out() -> None:
    odd = [Outcome(build.NOON, 1, 1.0, v) for v in (math.nan, math.inf, -math.inf)]
    assert buckets([*odd, Outcome(build.NOON, 1, 1.0, 3.0)])[0].count == 1
