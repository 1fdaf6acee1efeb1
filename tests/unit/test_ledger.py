"""The ledger as people read it: what never came has a line of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.ledger import MISSING, gaps, lines, summary
from core.records import Batch, BatchState
from tests.build import NOON


def batch(row: int, number: int | None, state: BatchState = BatchState.STORED) -> Batch:
    return Batch(row, 1, state, number, "h", "s", 10, NOON, rows=7, stored=5, quarantined=2)


def test_a_gap_is_one_line_below_the_batch_that_showed_it() -> None:
    newest_first = [batch(4, 7), batch(3, 3), batch(2, None, BatchState.UNREADABLE), batch(1, 0)]
    said = [(line.numbers, line.state) for line in lines(newest_first)]
    assert said == [
        ("7", "STORED"), ("4 to 6", MISSING), ("3", "STORED"), ("1 to 2", MISSING),
        ("", "UNREADABLE"), ("0", "STORED"),
    ]  # fmt: skip


def test_a_number_that_came_late_after_all_is_not_missing() -> None:
    assert gaps([batch(3, 1), batch(2, 2), batch(1, 0)]) == []


def test_a_first_batch_that_never_came_is_missing() -> None:
    (stored, missing) = lines([batch(1, 1)])
    assert (stored.numbers, missing.numbers) == ("1", "0")
    assert missing.batch is None
    assert "after a restart" in missing.note


def test_an_epoch_in_figures() -> None:
    made = summary(
        [
            batch(6, 5), batch(5, 2, BatchState.CONFLICT), batch(4, 1, BatchState.REPEATED),
            batch(3, None, BatchState.UNREADABLE), batch(2, 1), batch(1, 0),
        ]
    )  # fmt: skip
    assert (made.stored, made.rows, made.quarantined) == (3, 15, 6)
    assert (made.missing, made.repeated, made.conflicts, made.lost) == (3, 1, 1, 1)


@given(st.sets(st.integers(0, 60), min_size=1))
def test_stored_and_missing_numbers_make_up_the_whole(numbers: set[int]) -> None:
    batches = [batch(n, number) for n, number in enumerate(sorted(numbers, reverse=True))]
    assert summary(batches).missing + len(numbers) == max(numbers) + 1
    assert len(lines(batches)) == len(batches) + len(gaps(batches))
