"""The ledger as people read it: what never came has a line of its own."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from console.text import batch_ledger
from console.text.batch_ledger import MISSING, Line, Summary, decidable
from core.domain.batches import Batch, BatchState
from core.rules.data.batch_ledger import ARRIVED, gaps, settle
from tests.build import NOON


def batch(row: int, number: int | None, state: BatchState = BatchState.STORED) -> Batch:
    return Batch(row, 1, state, number, "h", "s", 10, NOON, rows=7, stored=5, quarantined=2)


def missing(batches: list[Batch]) -> list[range]:
    return gaps(b.number for b in batches if b.state in ARRIVED and b.number is not None)


def lines(batches: list[Batch]) -> list[Line]:
    return batch_ledger.lines(batches, missing(batches))


def summary(batches: list[Batch]) -> Summary:
    return batch_ledger.summary(batches, missing(batches))


def test_a_gap_is_one_line_below_the_batch_that_showed_it() -> None:
    newest_first = [batch(4, 7), batch(3, 3), batch(2, None, BatchState.UNREADABLE), batch(1, 0)]
    said = [(line.numbers, line.state) for line in lines(newest_first)]
    assert said == [
        ("7", "STORED"), ("4 to 6", MISSING), ("3", "STORED"), ("1 to 2", MISSING),
        ("", "UNREADABLE"), ("0", "STORED"),
    ]  # fmt: skip


def test_a_number_that_came_late_after_all_is_not_missing() -> None:
    assert gaps([1, 2, 0, 2]) == []


def test_a_first_batch_that_never_came_is_missing() -> None:
    (stored, gap) = lines([batch(1, 1)])
    assert (stored.numbers, gap.numbers) == ("1", "0")
    assert gap.batch is None
    assert "after a restart" in gap.note


def test_a_batch_that_came_and_was_closed_is_not_missing() -> None:
    closed = batch(2, 1, BatchState.CLOSED)
    assert missing([batch(3, 2), closed, batch(1, 0)]) == []
    assert [line.state for line in lines([closed])] == ["CLOSED", MISSING]


def test_what_can_be_read_again_is_offered_and_what_just_waits_is_not() -> None:
    states = list(BatchState)
    offered = decidable([batch(n, n, state) for n, state in enumerate(states)])
    assert {b.state for b in offered} == {
        BatchState.UNREADABLE, BatchState.CLOSED, BatchState.SKIPPED,
    }  # fmt: skip
    assert decidable([replace(batch(1, None, BatchState.RECEIVED), tries=1)])


def test_as_many_interrupted_answers_are_lost_as_numbers_are_missing() -> None:
    waiting = [batch(n, None, BatchState.INTERRUPTED) for n in range(3)]
    for gap in range(5):
        found = [state for _, state in settle(waiting, gap)]
        assert found.count(BatchState.LOST) == min(gap, 3)
    assert settle([], 2) == []


def test_an_epoch_in_figures() -> None:
    made = summary(
        [
            batch(6, 5), batch(5, 2, BatchState.CONFLICT), batch(4, 1, BatchState.REPEATED),
            batch(3, None, BatchState.UNREADABLE), batch(2, 1), batch(1, 0),
        ]
    )  # fmt: skip
    assert (made.stored, made.rows, made.quarantined) == (3, 15, 6)
    assert (made.missing, made.repeated, made.conflicts, made.lost) == (3, 1, 1, 1)
    odd = [BatchState.CLOSED, BatchState.SKIPPED, BatchState.LOST, BatchState.INTERRUPTED]
    made = summary([batch(n, None, state) for n, state in enumerate(odd)])
    assert (made.closed, made.lost, made.open) == (2, 1, 1)


@given(st.sets(st.integers(0, 60), min_size=1))
def test_stored_and_missing_numbers_make_up_the_whole(numbers: set[int]) -> None:
    batches = [batch(n, number) for n, number in enumerate(sorted(numbers, reverse=True))]
    assert summary(batches).missing + len(numbers) == max(numbers) + 1
    assert len(lines(batches)) == len(batches) + len(missing(batches))
