"""The client names a value that JSON cannot carry, before it sends anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
import pytest

from core.adapters.serving.client import Answer, Client
from core.domain.errors import BadRow

NOWHERE = "http://127.0.0.1:9"  # nothing is to be sent there

CYCLE: list[Any] = []
CYCLE.append(CYCLE)

DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]

UNSAYABLE = [
    (math.nan, "must be finite"),
    (math.inf, "must be finite"),
    (-math.inf, "must be finite"),
    (np.float64("nan"), "must be finite"),
    ([math.nan], "is too long or too deep"),
    (10**5_000, "is too long or too deep"),
    (CYCLE, "is too long or too deep"),
    (DEEP, "is too long or too deep"),
    (np.int64(3), "not int64"),
    (date(2026, 1, 1), "not date"),
    ({1, 2}, "not set"),
    (b"x", "not bytes"),
    (object, "not type"),
]


@pytest.mark.parametrize(("value", "rule"), UNSAYABLE, ids=[str(n) for n in range(len(UNSAYABLE))])
def test_a_value_that_json_cannot_carry_is_named_with_its_field(value: Any, rule: str) -> None:
    client = Client(NOWHERE, retries=0)
    with pytest.raises(BadRow) as caught:
        client.predict({"bath": 2, "bed": value})
    assert list(caught.value.problems) == ["bed"]
    assert rule in caught.value.problems["bed"]
    for many in (client.predict_batch, client.check):
        with pytest.raises(BadRow) as caught:
            many([{"bath": 2}, {"bed": value}])
        assert list(caught.value.problems) == ["rows[1].bed"]


def test_a_field_is_named_by_text() -> None:
    with pytest.raises(BadRow, match="must be text"):
        Client(NOWHERE, retries=0).predict({("bed",): 1})  # type: ignore[dict-item]


def test_feedback_is_finite() -> None:
    with pytest.raises(BadRow, match="actual: must be finite"):
        Client(NOWHERE, retries=0).feedback("an id", math.nan)


class Echo(Client):
    """Answers each line that was sent with how many bytes it has."""

    def _stream(self, lot: Sequence[bytes], **_: object) -> Iterator[Answer | BadRow]:
        assert lot
        yield from (Answer(str(n), float(len(line)), 1) for n, line in enumerate(lot))


def test_among_many_rows_only_the_one_that_cannot_be_sent_is_refused() -> None:
    rows = [{"bed": value} for value in (1, math.nan, 2, 10**5_000, 3)]
    found = list(Echo(NOWHERE).predict_many(rows))
    assert [type(answer) for answer in found] == [Answer, BadRow, Answer, BadRow, Answer]
    (refused,) = Echo(NOWHERE).predict_many([{"bed": math.inf}])
    assert isinstance(refused, BadRow)
    assert refused.problems == {"bed": "must be finite; send None where there is no value"}
    assert list(Echo(NOWHERE).predict_many([])) == []


def test_a_client_of_a_dataset_asks_below_its_name() -> None:
    client = Client("http://127.0.0.1:9/", dataset="home prices")
    assert client._base == "http://127.0.0.1:9/datasets/home%20prices"
    assert Client("http://127.0.0.1:9/")._base == "http://127.0.0.1:9"
