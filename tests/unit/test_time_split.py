"""Holding out the last rows by time: where the split date is, and what the file may ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.dataset import Column, ColumnType, Role
from core.domain.errors import DatasetError, NothingToTrainOn
from core.rules.data.time_split import at_their_time, later, split_date
from core.rules.data.training_set import revision
from tests.build import small_dataset

DAY = Column("day", "Day", ColumnType.DATE, Role.FEATURE)


@given(
    days=st.lists(st.one_of(st.just(np.nan), st.integers(-400, 30_000).map(float)), min_size=2),
    share=st.floats(0.05, 0.5),
)
def test_what_is_held_out_is_later_than_everything_learned(days: list[float], share: float) -> None:
    times = np.array(days)
    known = times[~np.isnan(times)]
    if len(set(known.tolist())) < 2:
        with pytest.raises(NothingToTrainOn, match="day"):
            split_date(times, share, DAY)
        return
    split = split_date(times, share, DAY)
    held = later(times, split)
    assert held.any()
    assert not held[np.isnan(times)].any()
    assert times[held].min() > split.up_to == known[known <= split.up_to].max()
    if len(set(known.tolist())) == len(known):  # no ties: the share is met to the row
        assert held.sum() <= max(np.ceil(share * len(known)) + 1, 1)


def test_the_split_date_is_told_as_a_request_would_give_it() -> None:
    split = split_date(np.arange(20_000.0, 20_100.0), 0.2, DAY)
    assert (split.column, split.up_to, split.text) == ("day", 20_079.0, "2024-12-22")


def test_times_that_tell_nothing_are_refused_with_the_remedy() -> None:
    with pytest.raises(NothingToTrainOn, match=r"No row has a day.* split = \"hash\""):
        split_date(np.full(5, np.nan), 0.2, DAY)
    with pytest.raises(NothingToTrainOn, match=r"the same day \(2024-10-04\).* Ingest rows of"):
        split_date(np.full(5, 20_000.0), 0.2, DAY)


def test_the_same_content_at_another_time_is_another_row() -> None:
    hashes = np.array([7, 7, 7], dtype=np.uint64)
    first, second, again = at_their_time(hashes, np.array([1.0, 2.0, 1.0]))
    assert first == again != second


COLUMNS: list[dict[str, Any]] = [
    {"name": "rides", "type": "number", "role": "target", "nullable": False},
    {"name": "weather", "type": "category", "role": "feature"},
    {"name": "day", "type": "date", "role": "feature"},
]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"split": "random"}, "evaluation.split must be one of hash, time, and is 'random'"),
        ({"split": "time"}, "evaluation.time_column is missing; write one of day"),
        ({"split": "time", "time_column": "weather"}, "evaluation.time_column must be one of day"),
        ({"time_column": "day"}, 'evaluation.time_column goes with split = "time"'),
        ({"share": 0.2}, 'evaluation.share goes with split = "time"'),
        ({"split": "time", "time_column": "day", "share": 0}, "evaluation.share is 0, and must be"),
        ({"split": "time", "time_column": "day", "share": 0.9}, "must be from 0.05 to 0.5"),
        ({"spilt": "time"}, "did you mean split"),
        ([], "evaluation is [], and must be a table"),
        ({"gates": {"metric": "mae"}}, "must be a list of tables"),
    ],
)
def test_a_wrong_key_is_named_with_the_remedy(wanted: object, says: str) -> None:
    with pytest.raises(DatasetError) as refused:
        small_dataset(columns=COLUMNS, evaluation=wanted)
    assert says in str(refused.value)


def test_a_dataset_without_times_cannot_be_split_by_time() -> None:
    with pytest.raises(DatasetError, match="no column is of type date or timestamp"):
        small_dataset(evaluation={"split": "time", "time_column": "day"})


def test_the_split_is_part_of_what_a_model_is_made_of() -> None:
    by_hash = small_dataset(columns=COLUMNS)
    by_time = small_dataset(columns=COLUMNS, evaluation={"split": "time", "time_column": "day"})
    gates = {"gates": [{"metric": "mae", "at_most": 5}]}
    assert revision(by_hash) != revision(by_time)
    assert revision(small_dataset(columns=COLUMNS, evaluation=gates)) == revision(by_hash)
