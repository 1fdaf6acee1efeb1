"""A spool of training rows gives what `ordered` gives, though it never holds them all."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.dataset import Dataset
from core.domain.errors import DiskRefused
from core.rules.data.holdout import row_hash
from core.rules.model.classes import classes_of, labels_in
from tests.build import class_dataset
from tests.unit.test_recipes import of, sales
from workers.recipes.command import row_spool
from workers.recipes.port import Rows, ordered


def part(rows: Rows, where: slice) -> Rows:
    return {name: values[where] for name, values in rows.items()}


def require_same(rows: Rows, dataset: Dataset, sizes: list[int], most: int) -> None:
    """Spool the rows in chunks of these sizes, and compare the tables with the ordered rows."""
    count = len(rows[dataset.target.name])
    classes: tuple[str, ...] = ()
    if dataset.task.is_classifier:
        classes = classes_of(labels_in(rows[dataset.target.name], dataset), dataset)
    with pytest.MonkeyPatch.context() as patch, row_spool.row_spool(dataset) as spool:
        patch.setattr(row_spool, "PART_ROWS", most)
        start = 0
        for size in [*sizes, count]:
            chunk = part(rows, slice(start, start + size))
            spool.add(chunk, row_hash(chunk, dataset))
            start += size
        tables = list(spool.tables(classes))
        first = spool.first(7, classes)
    assert [t.num_rows for t in tables[:-1]] == [most] * (len(tables) - 1)
    wanted, _ = ordered(rows, dataset)
    table = pa.concat_tables(tables)
    names = [*(c.name for c in dataset.features), dataset.target.name]
    assert table.column_names == names
    for name in names:
        np.testing.assert_array_equal(table[name].to_numpy(), wanted[name])
        assert table[name].null_count == 0
        np.testing.assert_array_equal(first[name], wanted[name][: min(7, most)])
        assert first[name].dtype == wanted[name].dtype


@given(
    sizes=st.lists(st.integers(0, 90), max_size=5),
    seed=st.integers(0, 2**32 - 1),
    most=st.integers(20, 400),
    twice=st.booleans(),
)
def test_its_tables_are_the_rows_in_the_order_of_their_content(
    sizes: list[int], seed: int, most: int, *, twice: bool
) -> None:
    rows = sales(150, seed)
    if twice:  # equal rows
        rows = {name: np.concatenate([values, values[::-1]]) for name, values in rows.items()}
    require_same(rows, of({}), sizes, most)


@given(seed=st.integers(0, 2**32 - 1), sizes=st.lists(st.integers(0, 50), max_size=3))
def test_rows_of_equal_features_are_ordered_by_their_class(seed: int, sizes: list[int]) -> None:
    random = np.random.default_rng(seed)
    labels = np.array(["a", "b", "c"] * 2, dtype=object)
    rows = {
        "kind": np.concatenate([labels, labels[random.integers(0, 3, 90)]]),
        "temperature": random.integers(0, 3, 96).astype(float),
        "weather": np.array(["sun", ""], dtype=object)[random.integers(0, 2, 96)],
    }
    require_same(rows, class_dataset("a", "b", "c"), sizes, most=40)


def test_nothing_is_left_of_it_not_even_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows, dataset = sales(300), of({})
    with pytest.raises(KeyError), row_spool.row_spool(dataset) as spool:
        spool.add(rows, row_hash(rows, dataset))
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    rows, dataset = sales(30), of({})
    monkeypatch.setattr(pa, "OSFile", full)
    with (
        pytest.raises(DiskRefused, match=r"disk is full .* training rows were not kept"),
        row_spool.row_spool(dataset) as spool,
    ):
        spool.add(rows, row_hash(rows, dataset))
