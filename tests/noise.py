"""Noise bands for tests of what goes on around them: drawn once for the same profiles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.domain.profiles import ColumnProfile
from core.rules.drift import noise_band

_DRAWN: dict[str, dict[str, float]] = {}
_draw = noise_band.bands


def _drawn(
    reference: ColumnProfile, current: ColumnProfile, false_alarms: float
) -> dict[str, float]:
    key = repr((reference, current, false_alarms))
    if key not in _DRAWN:
        _DRAWN[key] = _draw(reference, current, false_alarms)
    return _DRAWN[key]


@pytest.fixture(autouse=True)
def noise_drawn_once() -> Iterator[None]:
    """Keep the bands of profiles that were compared before: the same ones have the same bands.

    Thousands of divisions are drawn for each column; many tests compare the same few batches, and
    on each database. That bands are the same every time is tested in unit/test_noise.py.
    """
    noise_band.bands = _drawn
    yield
    noise_band.bands = _draw
