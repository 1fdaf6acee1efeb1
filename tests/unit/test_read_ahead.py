"""Reading ahead changes nothing but when something is read."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.steps.read_ahead import read_ahead


class Broken(Exception):
    """What was read is damaged."""


def source(count: int, read: list[int], *, broken: bool = False) -> Iterator[int]:
    for n in range(count):
        read.append(n)
        yield n
    if broken:
        raise Broken


@given(st.integers(0, 20), st.booleans())
def test_items_come_in_order_and_an_error_after_those_before_it(
    count: int,
    broken: bool,  # noqa: FBT001
) -> None:
    taken: list[int] = []
    interval = sys.getswitchinterval()
    try:
        with read_ahead(source(count, [], broken=broken)) as items:
            taken.extend(items)
    except Broken:
        assert broken
    else:
        assert not broken
    assert taken == list(range(count))
    assert sys.getswitchinterval() == interval


@given(st.integers(0, 8))
def test_a_block_that_ends_early_ends_the_reading(taken: int) -> None:
    read: list[int] = []
    with pytest.raises(Broken), read_ahead(source(1_000, read)) as items:
        for _ in range(taken):
            next(items)
        raise Broken
    assert len(read) <= taken + 4  # one waits, one is being read; twice at the end
    assert not [t for t in threading.enumerate() if t.name == "reader"]
