"""API keys: kept as digests, read back whole, refused where they are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInput
from core.rules.access.api_keys import Key, bound, digest_of, named, new_key, read_keys, write_keys

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


DATASETS = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,47}", fullmatch=True), max_size=3).map(tuple)
KEYS = st.builds(Key, NAMES, DATASETS)


@given(st.dictionaries(st.binary(max_size=9).map(lambda b: digest_of(b.hex())), KEYS, max_size=5))
def test_what_is_written_is_read_back(keys: dict[str, Key]) -> None:
    assert read_keys(write_keys(keys)) == keys


def test_a_key_is_long_random_and_not_in_its_file() -> None:
    one, other = new_key(), new_key()
    assert one != other
    assert len(one) > 40
    assert one not in write_keys({digest_of(one): Key("shop")})


@pytest.mark.parametrize(
    "line",
    [
        "shop",
        "shop abc",
        f"a b {'0' * 64}",
        f"-x {'0' * 64}",
        "x" * 99,
        f"a {'0' * 64} B",
        f"a {'0' * 64} b c",
    ],
)
def test_a_line_that_is_no_key_is_named_by_its_place(line: str) -> None:
    with pytest.raises(BadInput, match="Line 2"):
        read_keys(f"# head\n{line}\n")


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, "ä", "a\nb"])
def test_a_name_is_letters_digits_dots_and_dashes(name: str) -> None:
    with pytest.raises(BadInput, match="is no name for a key"):
        named(name)


def test_a_file_of_an_older_version_has_keys_for_all_datasets() -> None:
    (key,) = read_keys(f"shop {'0' * 64}\n").values()
    assert key == Key("shop")
    assert key.reaches("rides")


def test_a_bound_key_reaches_its_datasets_alone() -> None:
    (key,) = read_keys(f"shop {'0' * 64} homes,rides\n").values()
    assert [key.reaches(name) for name in ("homes", "rides", "cars")] == [True, True, False]
    assert bound(("rides", "homes", "rides")) == ("homes", "rides")
    with pytest.raises(BadInput, match="is no name of a dataset"):
        bound(("../x",))
