"""Means of texts are compared alike in double and in single precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from workers.recipes.mean_encoders import ClassShare, MeanEncoder, rounded

ROWS, VALUES, SEED = 4_000, 1_500, 20261129


@pytest.mark.parametrize("encoder", [MeanEncoder(KFold(5)), ClassShare(1, KFold(5))])
def test_every_mean_is_exact_in_single_precision(encoder: MeanEncoder) -> None:
    rng = np.random.default_rng(SEED)
    texts = rng.integers(0, VALUES, (ROWS, 1)).astype(str).astype(object)
    target = rng.integers(0, 3, ROWS) if isinstance(encoder, ClassShare) else rng.normal(size=ROWS)
    learned = encoder.fit_transform(texts, target)
    asked = encoder.transform(np.vstack([texts, [["never seen"]]]))
    for values in (learned, asked):
        assert (values == rounded(values)).all()
        assert (values.astype(np.float32) == values).all()
    again = type(encoder)(**encoder.get_params()).fit(texts, target)
    assert (again.transform(texts) == asked[:-1]).all()


@given(st.floats(1.0, 2.0, exclude_max=True), st.integers(-30, 30), st.integers(1, 1_000))
def test_half_way_between_neighbours_is_exact(value: float, exponent: int, steps: int) -> None:
    low = rounded(np.array([value * 2.0**exponent]))
    high = rounded(low * (1 + steps * 2.0**-19))
    middle = (low + high) / 2
    assert middle.astype(np.float32) == middle
