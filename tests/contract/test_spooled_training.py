"""A program gets the rows that a recipe in this process would get, and no held-out row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.store import Store, column_scan
from core.domain.errors import TooMuchToTrainOn
from core.domain.evaluation import Evaluation, SplitBy
from core.domain.training import Training
from core.rules.data.holdout import row_hash
from core.rules.model import known_texts, typical_row
from core.rules.model.contract import describe, read_row
from tests.contract.test_pipeline import folder, ready, rides, store
from workers.evidence import contract, training_data
from workers.evidence.split_rows import Gathered, Side
from workers.evidence.training_data import TrainingData, read
from workers.recipes.command import row_spool
from workers.recipes.port import ordered

__all__ = ["folder", "rides", "store"]  # fixtures

BY_TIME = Evaluation(SplitBy.TIME, "day", 0.3)


@pytest.mark.parametrize("how", [Evaluation(), BY_TIME], ids=["hash", "time"])
@pytest.mark.parametrize("most", [1_000_000, 30])
def test_the_rows_of_a_spool_are_those_that_would_be_in_memory(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    how: Evaluation, most: int,
) -> None:  # fmt: skip
    ready(store, folder, tmp_path, batches=3)
    monkeypatch.setattr(column_scan, "_VALUES", 300)  # so that there are many chunks
    monkeypatch.setattr(row_spool, "PART_ROWS", 64)
    dataset = replace(store.dataset, evaluation=how)
    desk = Store(store.engine, dataset)
    whole = read(desk, most_evaluated=most)
    with row_spool.row_spool(dataset) as spool:
        data = read(desk, most_evaluated=most, spool=spool)
        tables = list(spool.tables())
    require_same(data, whole)
    wanted, _ = ordered(whole.training, dataset)
    rows = pa.concat_tables(tables)
    for name in rows.column_names:
        np.testing.assert_array_equal(rows[name].to_numpy(), wanted[name])
    if not how.by_time:
        hashes = row_hash({n: rows[n].to_numpy() for n in rows.column_names}, dataset)
        assert not np.isin(hashes, whole.held_out_hashes).any()
    print([t.num_rows for t in tables], whole.held_out_rows)
    assert len(tables) > 3


def test_the_typical_row_is_a_training_row_and_the_same_from_memory_and_from_a_spool(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(store, folder, tmp_path, batches=3)
    monkeypatch.setattr(row_spool, "PART_ROWS", 64)
    for most in (10_000, 100, 40):
        monkeypatch.setattr(contract, "SAMPLED", most)
        monkeypatch.setattr(typical_row, "SAMPLED", most)
        whole = read(store)
        made = contract.contract_of(whole, whole.actual, None)
        with row_spool.row_spool(store.dataset) as spool:
            data = read(store, spool=spool)
            spooled = contract.contract_of(data, data.actual, None)
        assert spooled.fields == made.fields
        row = read_row(made, {f.name: f.default for f in made.fields})
        same = [_is(whole.training[name], value) for name, value in row.items()]
        assert np.logical_and.reduce(same).any(), row
    off = replace(store.dataset, training=Training(typical_row=False))
    without = contract.contract_of(read(Store(store.engine, off)), whole.actual, None)
    common = describe(store.dataset, whole.profiles)
    assert [f.default for f in without.fields] == [f.default for f in common.fields]


def test_more_texts_than_a_contract_lists_are_known_from_memory_and_from_a_spool(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(store, folder, tmp_path, batches=3)
    monkeypatch.setattr(row_spool, "PART_ROWS", 64)
    monkeypatch.setattr(contract, "OFFERED_CATEGORIES", 2)
    whole = read(store)
    made = contract.contract_of(whole, whole.actual, None)
    with row_spool.row_spool(store.dataset) as spool:
        data = read(store, spool=spool)
        spooled = contract.contract_of(data, data.actual, None)
    assert spooled.fields == made.fields
    field = next(f for f in made.fields if f.known)
    assert all(known_texts.is_known(field.known, text) for text in whole.training[field.name])
    assert not known_texts.is_known(field.known, "Atlantis")
    monkeypatch.setattr(known_texts, "MOST_TEXTS", 1)
    assert not any(f.known for f in contract.contract_of(whole, whole.actual, None).fields)


def _is(values: Any, value: float | str) -> Any:
    """Which values are this one; null is null."""
    return values == value if value == value else np.isnan(values)  # noqa: PLR0124 - NaN


def require_same(one: TrainingData, other: TrainingData) -> None:
    """Both have the same facts, and the same rows to be judged by."""
    assert one.facts == other.facts
    assert (one.profiles, one.overlap) == (other.profiles, other.overlap)
    np.testing.assert_array_equal(one.target, other.target)
    np.testing.assert_array_equal(one.held_out_hashes, other.held_out_hashes)
    for name, values in other.held_out.items():
        np.testing.assert_array_equal(one.held_out[name], values)


def test_rows_that_do_not_fit_into_memory_fit_into_a_spool(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(store, folder, tmp_path, batches=1)
    monkeypatch.setattr(training_data, "MOST_VALUES", 500)
    with pytest.raises(TooMuchToTrainOn):
        read(store)
    with row_spool.row_spool(store.dataset) as spool:
        assert read(store, spool=spool).training_rows > 100


@pytest.mark.parametrize("how", [Evaluation(), BY_TIME], ids=["hash", "time"])
def test_a_reevaluation_holds_no_feature_of_a_training_row(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Evaluation
) -> None:
    ready(store, folder, tmp_path, batches=3)
    desk = Store(store.engine, replace(store.dataset, evaluation=how))
    whole = read(desk)
    rows = sum(batch.stored for batch in whole.batches)
    monkeypatch.setattr(training_data, "MOST_VALUES", 2 * rows)  # the features do not fit
    with pytest.raises(TooMuchToTrainOn):
        read(desk)
    data = read(desk, features=False)
    require_same(replace(data, profiles=whole.profiles), whole)
    assert list(data.training) == [store.dataset.target.name]
    np.testing.assert_array_equal(data.learned.batch_ids, whole.learned.batch_ids)


def side(hashes: Sequence[int]) -> Side:
    values: Any = np.array(hashes, dtype=np.uint64)
    return Side({"x": np.arange(len(values)) + 0.5}, values.astype(np.int64), values)


@given(
    chunks=st.lists(st.lists(st.integers(0, 30), max_size=6), min_size=1, max_size=8),
    most=st.integers(1, 20),
)
def test_a_sample_taken_chunk_by_chunk_is_the_sample_of_the_whole(
    chunks: list[list[int]], most: int
) -> None:
    gathered, every = Gathered(most), Gathered()
    for chunk in chunks:
        gathered.add(side(chunk))
        every.add(side(chunk))
    count = sum(map(len, chunks))
    assert gathered.rows == count
    whole, sample = every.whole(), gathered.whole()
    kept = np.sort(np.argsort(whole.hashes, kind="stable")[:most])
    np.testing.assert_array_equal(sample.hashes, whole.hashes[kept])
    assert len(sample.hashes) == min(most, count)
