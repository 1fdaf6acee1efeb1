"""What follows when the alias and the record differ."""

from __future__ import annotations

import pytest

from core.rules.model.alias_repair import Remedy, difference, remedy


@pytest.mark.parametrize(
    ("alias", "live", "is_ours", "expected"),
    [
        (1, 1, True, Remedy.NOTHING),
        (None, None, True, Remedy.NOTHING),
        (2, 1, True, Remedy.PUT_BACK),
        (9, 1, False, Remedy.PUT_BACK),  # somebody registered it by hand and moved the alias
        (None, 1, True, Remedy.PUT_BACK),
        (2, None, True, Remedy.PUT_BACK),  # judged here, and never decided
        (9, None, False, Remedy.TELL),  # served before the desk came
    ],
)
def test_the_record_wins_where_it_says_anything(
    alias: int | None,
    live: int | None,
    is_ours: bool,  # noqa: FBT001 - a parameter of the test
    expected: Remedy,
) -> None:
    assert remedy(alias, live, is_ours=is_ours) is expected


def test_what_differs_has_the_remedy_for_what_happened() -> None:
    assert difference("orders", 1, 1, [1, 2]) is None
    assert difference("orders", None, None, []) is None
    moved = difference("orders", 2, 1, [1, 2])
    assert moved
    assert moved.can_put_back
    assert "reconciler puts it back" in moved.todo
    unset = difference("orders", 2, None, [1, 2])
    assert unset
    assert not unset.can_put_back
    assert "Force version 2" in unset.todo


@pytest.mark.parametrize(("alias", "registered"), [(None, []), (None, [2]), (2, [2]), (1, [])])
def test_a_live_version_that_mlflow_lost_is_restored_and_not_forced(
    alias: int | None, registered: list[int]
) -> None:
    lost = difference("orders", alias, 1, registered)
    assert lost
    assert "MLflow has no version 1 of orders" in lost.says
    assert "renamed" in lost.says
    assert lost.todo.startswith("Give the registered model its old name back, or restore")
    assert not lost.can_put_back
