"""The bytes of rows to values in column order.

Whole rows are decoded together by msgspec, which builds nothing for keys that the dataset does not
name. Where that fails, each row is decoded alone; where that fails too, each of its values, so that
what no decoder can read costs one row, and nothing at all where the dataset does not name it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import pairwise
from operator import attrgetter
from typing import Any

import msgspec

from core.adapters.readers.json_rows import KEY
from core.adapters.readers.json_structure import Structure
from core.adapters.readers.json_text import Text
from core.adapters.readers.port import Columns, Values, Wanted, by_column
from core.domain.batches import LONGEST_ROW, Unreadable

_NOT_DECODED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_NOT_JSON = "is not JSON"
_NUMBER = re.compile(rb"-?\d+")


def _default(is_optional: bool) -> dict[str, None]:  # noqa: FBT001
    return {"default": None} if is_optional else {}


class RowValues:
    """Reads rows of one dataset: objects by the names of its columns, lists by their order."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._names = names = wanted.names
        # A list has no names, so only columns at its end can be lacking.
        self._shortest = len(names)
        while self._shortest and names[self._shortest - 1] in wanted.optional:
            self._shortest -= 1
        self._places = {name: n for n, name in enumerate(self._names)}
        fields = [f"f{n}" for n in range(len(names))]
        row = msgspec.defstruct(
            "Row",
            [
                (key, Any, msgspec.field(name=name, **_default(name in wanted.optional)))
                for key, name in zip(fields, self._names, strict=True)
            ],
            gc=False,
            kw_only=True,
        )
        self._row: type[msgspec.Struct] = row
        self._getters = [attrgetter(field) for field in fields]
        rows = list[row | list[Any]]  # type: ignore[valid-type]
        self._decode_many = msgspec.json.Decoder(rows).decode
        one = msgspec.json.Decoder(row | list[Any])
        self._decode_one, self._decode_lines = one.decode, one.decode_lines

    def columns(self, text: Text) -> tuple[Columns, dict[int, str]]:
        """The values of each column, and by index the rows without values, as in `Block`."""
        rows = self._decoded(text)
        if rows is None or list in set(map(type, rows)):
            return by_column(self._ordered(text, rows), len(self._names))
        return [list(map(get, rows)) for get in self._getters], {}

    def read(self, text: Text) -> list[Values | Unreadable]:
        """The values of each row, or what is wrong with it as a whole."""
        return self._ordered(text, self._decoded(text))

    def objects(self, content: bytes) -> list[Any] | None:
        """Rows between commas, decoded together; None if one cannot be, or is a list."""
        try:
            rows = self._decode_many(b"[" + content + b"]")
        except _NOT_DECODED:
            return None
        return None if list in set(map(type, rows)) else rows

    def _decoded(self, text: Text) -> list[Any] | None:
        """All rows decoded together; None if one of them cannot be."""
        if text.rows is not None:
            return text.rows
        longest = max([text.size(0), *(b - a for a, b in pairwise(text.ends))])
        if longest > LONGEST_ROW:
            return None
        content = text.content[: text.ends[-1]]
        try:
            if text.in_lines:
                rows = self._decode_lines(content)
            else:
                rows = self._decode_many(b"[" + content + b"]")
        except _NOT_DECODED:
            return None
        return rows if len(rows) == len(text.ends) else None

    def _ordered(self, text: Text, rows: list[Any] | None) -> list[Values | Unreadable]:
        if rows is None:
            return [self._one(text, n) for n in range(len(text.ends))]
        return [self._shaped(row) for row in rows]

    def _one(self, text: Text, n: int) -> Values | Unreadable:
        if text.size(n) > LONGEST_ROW:
            return Unreadable(
                f"the row has {text.size(n):,} bytes, and at most {LONGEST_ROW:,} are read"
            )
        row = text.row(n)
        try:
            return self._shaped(self._decode_one(row))
        except _NOT_DECODED:
            pass  # also where a name is missing, which only the next decoder can say
        try:
            return self._shaped(json.loads(row.decode()))
        except (ValueError, RecursionError):
            return self._value_by_value(row)

    def _shaped(self, row: Any) -> Values | Unreadable:
        if isinstance(row, self._row):
            return [get(row) for get in self._getters]
        if isinstance(row, dict):
            return self._by_name(row.items())
        if isinstance(row, list) and self._shortest <= len(row) <= len(self._names):
            return row + [None] * (len(self._names) - len(row))
        return Unreadable(f"a row of {len(self._names)} values was expected")

    def _by_name(self, members: Iterable[tuple[Any, Any]]) -> Values | Unreadable:
        """The values of an object; blanks around a name do not count."""
        found = {}
        for key, value in members:
            name = str(key).strip()
            if name in self._places:
                found[name] = value
        missing = self._wanted.lacking(found)
        if missing:
            return Unreadable(f"{', '.join(missing)}: not in the row")
        return [found.get(name) for name in self._names]

    def _value_by_value(self, row: bytes) -> Values | Unreadable:
        """A row that no decoder takes as a whole; what the dataset does not name is not decoded."""
        structure = Structure(deepest=1)
        places, depths = structure.marks(row)
        ends = places.tolist()
        is_whole = len(ends) > 1 and ends[0] == 0 and ends[-1] == len(row) - 1
        if not is_whole or structure.in_string or (depths[:-1] < 1).any() or depths[-1] != 0:
            return Unreadable("the row is not JSON")
        parts = [row[a + 1 : b] for a, b in pairwise(ends)]
        if row.startswith(b"["):
            if not self._shortest <= len(parts) <= len(self._names):
                return Unreadable(f"a row of {len(self._names)} values was expected")
            return [*map(_value, parts), *[None] * (len(self._names) - len(parts))]
        members = []
        for part in parts:
            key = KEY.match(part)
            if key is None:
                return Unreadable("the row is not JSON")
            name = _value(key[1])
            if isinstance(name, str) and name.strip() in self._places:
                members.append((name, _value(part[key.end() :])))
        values = self._by_name(members)
        torn = Unreadable(_NOT_JSON) in [value for _, value in members]
        return (
            Unreadable("the row is not JSON") if torn and isinstance(values, Unreadable) else values
        )


def _value(text: bytes) -> Any:
    """One value, or the reason why it is none."""
    try:
        return json.loads(text.decode())
    except UnicodeDecodeError:
        return Unreadable("is not UTF-8")
    except RecursionError:
        return Unreadable("is nested too deeply")
    except ValueError:
        digits = text.strip()
        if _NUMBER.fullmatch(digits):
            return Unreadable(f"has {len(digits.lstrip(b'-')):,} digits, which is no usable number")
        return Unreadable(_NOT_JSON)
