"""What a trail says after restores of one dataset: which of its events are history."""

from __future__ import annotations

import pytest

from core.rules.ops.restored_trail import history


@pytest.mark.parametrize(
    ("restores", "past"),
    [
        ([], set()),
        ([("a", 3, 7)], {4, 5, 6}),
        ([("a", 0, 7)], {1, 2, 3, 4, 5, 6}),  # of another desk
        ([("b", 3, 7)], set()),
        ([("a", 6, 7)], set()),
        ([("a", 3, 7), ("a", 8, 11)], {4, 5, 6, 9, 10}),
        # Of a time before the first restore: what that one took back holds again.
        ([("a", 3, 7), ("a", 5, 11)], {6, 7, 8, 9, 10}),
        ([("a", 3, 7), ("a", 2, 11)], {3, 4, 5, 6, 7, 8, 9, 10}),
    ],
)
def test_what_came_after_the_backup_and_before_its_restore_is_history(
    restores: list[tuple[str, int, int]], past: set[int]
) -> None:
    for order in (restores, restores[::-1]):
        spans = history(order)
        found = {number for number in range(1, 15) if any(s.has("a", number) for s in spans)}
        assert found == past
