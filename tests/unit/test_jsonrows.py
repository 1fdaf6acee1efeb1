"""An answer cut into rows: as the whole document says it, and within bounds whatever is sent."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.readers import json_rows
from core.adapters.readers.json_rows import batch_number, texts
from core.adapters.readers.json_text import Decode
from core.adapters.readers.json_values import RowValues
from core.adapters.readers.port import Wanted
from core.domain.batches import Unreadable
from core.domain.errors import BatchUnreadable

NAMES = ("a", "b")


def rows(body: bytes, folder: Path) -> list[Any]:
    """The values of every row, or the rule that it breaks; the quick way gives the same."""
    path = folder / "answer.json"
    path.write_bytes(body)
    reader = RowValues(Wanted(NAMES))
    slowly, quickly = (_read(path, reader, decode) for decode in (None, reader.objects))
    assert repr(quickly) == repr(slowly)
    if isinstance(quickly, BatchUnreadable):
        raise quickly
    return quickly


def _read(path: Path, reader: RowValues, decode: Decode | None) -> list[Any] | BatchUnreadable:
    try:
        found = [text for some, _ in texts(path, decode=decode) for text in some]
    except BatchUnreadable as error:
        return error
    assert all(text.row(n) for text in found if text.rows for n in range(len(text.rows)))
    read = [row for text in found for row in reader.read(text)]
    return [row.rule if isinstance(row, Unreadable) else list(row) for row in read]


def answer(*items: bytes, number: bytes = b"3") -> bytes:
    return b'{"batch_number": ' + number + b', "data": [' + b", ".join(items) + b"]}"


@pytest.fixture(params=[1, 2, 7, 64, 1 << 20])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many bytes are read at a time: each place is the end of a block some time."""
    monkeypatch.setattr(json_rows, "BLOCK", request.param)
    return int(request.param)


GOOD = b'{"a": 1, "b": "x"}'


def test_rows_come_decoded_and_each_with_its_own_bytes(tmp_path: Path, block: int) -> None:
    path = tmp_path / "answer.json"
    listed = [b'{"a": %d, "b": "%s"}' % (n, b"x" * (n % 5)) for n in range(200)]
    path.write_bytes(answer(*listed))
    found = [
        text for some, _ in texts(path, decode=RowValues(Wanted(NAMES)).objects) for text in some
    ]
    assert [text.row(n) for text in found for n in range(len(text.ends))] == listed
    assert any(text.rows for text in found) == (block <= 64)  # else the document ends in it, too


@pytest.mark.parametrize("end", [b",]}", b",,]}", b"]", b'], "data": []}', b"}}"])
def test_what_follows_rows_that_were_decoded_is_read_all_the_same(
    tmp_path: Path, block: int, end: bytes
) -> None:
    whole = answer(*[GOOD] * 40).removesuffix(b"]}") + end
    try:
        assert rows(whole, tmp_path)[:40] == [[1, "x"]] * 40
    except BatchUnreadable:
        assert not end.startswith(b",")


@pytest.mark.parametrize(
    ("row", "read"),
    [
        (b'{"b": "x", "a": 1.5}', [1.5, "x"]),
        (b"[1, null]", [1, None]),
        (b'{" a": 1, "b ": 2}', [1, 2]),
        (b'{"a": "},{\\"[", "b": "\\\\"}', ['},{"[', "\\"]),
        (b'{"a": 1, "b": 2, "c": 18446744073709551616}', [1, 2]),
        (b'{"a": 1, "b": 2, "c": 1e400}', [1, 2]),
        (b'{"a": 1, "b": 2, "c": NaN, "d": -Infinity}', [1, 2]),
        (b'{"a": 1, "b": 2, "c": ' + b"9" * 5_000 + b"}", [1, 2]),
        (b'{"a": 1, "b": 2, "c": ' + b"[" * 2_000 + b"]" * 2_000 + b"}", [1, 2]),
        (b'{"a": 1, "b": 2, "c": "\\ud800"}', [1, 2]),
        (b'{"a": 1, "b": 2, "c": "\xff"}', [1, 2]),
        (b'{"a": 18446744073709551616, "b": 2}', [2**64, 2]),
        (b'{"a": 1e400, "b": 2}', [float("inf"), 2]),
        (b'{"a": -Infinity, "b": 2}', [float("-inf"), 2]),
        (b'{"a": 1, "b": "\\ud800"}', [1, "\ud800"]),
        (b'{"a": 1}', "b: not in the row"),
        (b"[1]", "a row of 2 values was expected"),
        (b"7", "a row of 2 values was expected"),
        (b'"x, {"', "a row of 2 values was expected"),
        (b"", "the row is not JSON"),
        (b'{"a": 1 "b": 2}', "the row is not JSON"),
        (b'{"a": 1}{"b": 2}', "the row is not JSON"),
        (b"[" * 3_000 + b"]" * 3_000, "a row of 2 values was expected"),
    ],
)
def test_one_row_costs_itself_and_no_other(
    tmp_path: Path, block: int, row: bytes, read: Any
) -> None:
    assert rows(answer(GOOD, row, GOOD), tmp_path) == [[1, "x"], read, [1, "x"]]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (b'{"a": ' + b"9" * 5_000 + b', "b": 2}', "has 5,000 digits, which is no usable number"),
        (b'{"a": ' + b"[" * 2_000 + b"]" * 2_000 + b', "b": 2}', "is nested too deeply"),
        (b'{"a": "M\xfc", "b": 2}', "is not UTF-8"),
        (b'{"a": 0x10, "b": 2}', "is not JSON"),
        (b"[True, 2]", "is not JSON"),
    ],
)
def test_a_value_that_nothing_can_read_is_named_in_its_column(
    tmp_path: Path, block: int, row: bytes, rule: str
) -> None:
    (found,) = rows(answer(row), tmp_path)
    assert found == [Unreadable(rule), 2]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "it is empty"),
        (b"[1]", "it is no object"),
        (b"<html lang='en'>, {}", "it is no object"),
        (b'{"batch_number": 1, "data": {}}', '"data" is no list'),
        (b'{"batch_number": 1, "data": null}', '"data" is no list'),
        (b'{"batch_number": 1}', 'has no list "data"'),
        (b"{}", 'has no list "data"'),
        (b'{"batch_number": 1, "data": [' + GOOD, "it breaks off after 47 bytes"),
        (b'{"batch_number": 1, "data": [' + GOOD + b"]", "it breaks off after 48 bytes"),
        (b'{"batch_number": 1, "data": [' + GOOD + b"}", "closed by a brace"),
        (answer(GOOD) + b" x", "something follows"),
        (answer(GOOD) + b"{}", "something follows"),
        (answer(GOOD)[:-1] + b' "x": 1}', "a comma is missing"),
        (answer(GOOD)[:-1] + b', "data": []}', '"data" stands there twice'),
        (answer(GOOD)[:-1] + b', "x": maybe}', "the value of 'x' is not JSON"),
        (answer(GOOD)[:-1] + b', "x" []}', "a key with a colon is missing"),
        (answer(GOOD)[:-1] + b', "x": {}' * 1_001 + b"}", "more than 1,000 keys"),
    ],
)
def test_a_document_that_is_none_is_refused_with_what_is_wrong(
    tmp_path: Path, block: int, body: bytes, says: str
) -> None:
    with pytest.raises(BatchUnreadable, match=says):
        rows(body, tmp_path)


@pytest.mark.parametrize(
    ("body", "number"),
    [
        (b'{"batch_number": 0, "data": []}', 0),
        (b'{"data": [{"batch_number": 9}], "x": {"batch_number": 8}, "batch_number": 7}', 7),
        (b'\xef\xbb\xbf {"batch\\u005fnumber" : 2147483647, "data": []} \n', 2**31 - 1),
        (b'{"x": NaN, "batch_number": 5, "data": [', 5),
    ],
)
def test_the_number_stands_before_or_after_the_rows(
    tmp_path: Path, block: int, body: bytes, number: int
) -> None:
    path = tmp_path / "answer.json"
    path.write_bytes(body)
    assert batch_number(path) == number


@pytest.mark.parametrize(
    "number",
    [b"-1", b"1.0", b"true", b'"3"', b"[3]", b"null", b"2147483648", b"9" * 5_000, b"NaN"],
)
def test_a_batch_number_that_is_none_is_refused(tmp_path: Path, block: int, number: bytes) -> None:
    path = tmp_path / "answer.json"
    path.write_bytes(answer(number=number))
    with pytest.raises(BatchUnreadable, match="must be a whole number from 0 to 2,147,483,647"):
        batch_number(path)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(
        st.fixed_dictionaries({"a": json_values, "b": json_values, "extra": json_values})
        | st.lists(json_values, min_size=2, max_size=2),
        max_size=6,
    ),
    extra=json_values,
    first=st.booleans(),
    ascii_only=st.booleans(),
    size=st.sampled_from([1, 3, 16, 1 << 20]),
)
def test_any_document_gives_the_rows_that_json_loads_gives(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    data: list[Any],
    extra: Any,
    first: bool,
    ascii_only: bool,
    size: int,
) -> None:
    monkeypatch.setattr(json_rows, "BLOCK", size)
    head: dict[str, Any] = {"batch_number": 4, "extra": extra}
    document = {**head, "data": data} if first else {"data": data, **head}
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    expected = [row if isinstance(row, list) else [row["a"], row["b"]] for row in data]
    assert rows(body, tmp_path) == expected
    assert batch_number(tmp_path / "answer.json") == 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(at=st.integers(0, 400), what=st.binary(max_size=4), taken=st.integers(0, 30))
def test_damaged_bytes_end_in_rows_or_in_one_sentence(
    tmp_path: Path, at: int, what: bytes, taken: int
) -> None:
    whole = answer(*[b'{"a": %d, "b": "x\\n\\\\y"}' % n for n in range(12)])
    try:
        found = rows(whole[:at] + what + whole[at + taken :], tmp_path)
    except BatchUnreadable as error:
        assert str(error).endswith(".")  # noqa: PT017 - either outcome is right
    else:
        assert all(isinstance(row, list | str) for row in found)


def pieces(*parts: tuple[bytes, int]) -> Iterator[bytes]:
    for part, times in parts:
        for start in range(0, times, 100_000):
            yield part * min(times - start, 100_000)


@pytest.mark.parametrize(
    "parts",
    [
        [(b"[", 8_000_000), (b"]", 8_000_000)],
        [(b'{"a":', 3_000_000)],
        [(b'{"a": "', 1), (b"x", 16_000_000), (b'", "b": 1}', 1)],
        [(b'{"a": ', 1), (b"9", 16_000_000), (b', "b": 1}', 1)],
        [(b'{"a": "', 1), (b"\\", 16_000_000), (b'", "b": 1}', 1)],
    ],
    ids=["brackets", "objects", "text", "digits", "backslashes"],
)
def test_a_row_of_16_mb_takes_no_more_memory_than_one_of_4_mb(
    tmp_path: Path, parts: list[tuple[bytes, int]]
) -> None:
    quarter = [(part, times // 4 if times > 1 else 1) for part, times in parts]
    assert peak(tmp_path, parts) < peak(tmp_path, quarter) + 6_000_000


def peak(folder: Path, parts: list[tuple[bytes, int]]) -> int:
    """The most bytes that are in use while a row made of these parts is read, and one after it."""
    path = folder / "answer.json"
    with path.open("wb") as file:
        file.write(b'{"batch_number": 3, "data": [')
        file.writelines(pieces(*parts))
        file.write(b", [1, 2]]}")
    reader = RowValues(Wanted(NAMES))
    found: list[Any] = []
    tracemalloc.start()
    try:
        for part, _ in texts(path):
            found += [row for text in part for row in reader.read(text)]
    except BatchUnreadable as error:
        assert "breaks off" in str(error)  # noqa: PT017 - where the braces are not closed
    else:
        assert "bytes, and at most 1,048,576 are read" in found[0].rule
        assert found[1] == [1, 2]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most
