"""The lines of the approve dialog: what changes, by how much, and what can be undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from console.text.approval_lines import back_lines, lines
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.promotions import Promotion
from tests.build import gate, proposed
from tests.databases import migrated


def version(tmp_path: Path, dataset: Dataset, number: int, **parts: object) -> Promotion:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(url, dataset)
    store = Store.open(url, dataset)
    proposed(store, number, **parts)  # type: ignore[arg-type]
    with store.read() as work:
        made = work.promotions.of_version(number)
    store.close()
    return made


def test_a_first_version_has_nothing_to_roll_back_to(tmp_path: Path, dataset: Dataset) -> None:
    said = lines(version(tmp_path, dataset, 1), None, "mae", "USD")
    assert said[0] == "Serving answers with nothing now, and with version 1 if it is promoted."
    assert said[-1] == "There is nothing to roll back to, because nothing was live before."


def test_a_later_version_is_told_beside_the_champion(tmp_path: Path, dataset: Dataset) -> None:
    failing = gate("better", passed=False, says="It is not.")
    made = version(tmp_path, dataset, 2, champion=1, gates=[failing])
    said = lines(made, 1, "mae", "USD")
    assert any("; the champion has " in line for line in said)
    assert "Not passed: better." in said
    assert said[-1] == "You can roll back to version 1 at any time."
    assert len(said) <= 5


def test_the_newest_batch_is_the_fifth_line_at_most(tmp_path: Path, dataset: Dataset) -> None:
    made = version(tmp_path, dataset, 2, champion=1)
    assert len(lines(made, 1, "mae", "USD")) == 4
    said = lines(made, 1, "mae", "USD", "Batch 1/4 is newer than versions 2 and 1.")
    assert len(said) == 5


def test_a_rollback_tells_both_versions(tmp_path: Path, dataset: Dataset) -> None:
    before = version(tmp_path, dataset, 1)
    now = replace(before, version=2)
    said = back_lines(before, now, "mae", "USD")
    assert said[0] == "Serving answers with version 2 now, and with version 1 after the rollback."
    assert said[1] == (
        "Version 1 had a mean absolute error of 10 USD on 20 held-out rows at its evaluation; "
        "Version 2 had a mean absolute error of 10 USD on 20 held-out rows at its evaluation; "
        "these are not the same rows."
    )
    assert len(said) <= 5
    assert back_lines(before, now, "mae", "USD", compared=["Both."], newest="New.")[1:3] == [
        "Both.", "New.",
    ]  # fmt: skip
