"""A CSV file of rows to predict: what is wrong with it as a whole, and with each of its rows.

A file that cannot be understood is refused with what to do about it. A row that breaks a rule of
the model's contract is set aside with that rule, and harms no other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.contract import Contract, Field, read_value
from core.dataset import ColumnType
from core.errors import BadInput

MOST_MEGABYTES = 10
MOST_ROWS = 50_000

_SHOWN = 8
_FOREIGN = {";": "semicolons", "\t": "tabs", "|": "bars"}
_NOT_TEXT = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip file",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A row that fits: the line on which it ends, and its fields as serving takes them."""

    line: int
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that does not fit: its cells as they stand, and each field with the rule it broke."""

    line: int
    cells: dict[str, str]
    problems: dict[str, str]

    @property
    def why(self) -> str:
        """Every broken rule in one line."""
        return "; ".join(f"{name}: {rule}" for name, rule in self.problems.items())


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was understood. `absent` names the columns that it lacks and may lack."""

    accepted: list[Accepted]
    rejected: list[Rejected]
    absent: tuple[str, ...]


def read_sheet(content: bytes, contract: Contract) -> Sheet:
    """Read a file of rows for a model of that contract.

    Raises:
        BadInput: the file is too large, no UTF-8, no CSV with commas, has no rows or too many, or
            its header does not fit the contract.
    """
    if len(content) > MOST_MEGABYTES * 1_000_000:
        raise BadInput(
            f"The file has {len(content) / 1e6:,.1f} MB; at most {MOST_MEGABYTES} MB are taken. "
            "Split it."
        )
    lines = _lines(_decode(content))
    _line, header = next(lines, (0, []))
    if not header:
        raise BadInput(f"The file is empty. Its first line must name columns: {_names(contract)}.")
    columns = _columns(header, contract)
    fields = {f.name: f for f in contract.fields}
    accepted: list[Accepted] = []
    rejected: list[Rejected] = []
    for line, cells in lines:
        if len(accepted) + len(rejected) == MOST_ROWS:
            raise BadInput(f"The file has more than {MOST_ROWS:,} rows. Split it.")
        named = dict(zip(columns, cells, strict=False))
        if len(cells) != len(columns):
            rule = f"has {len(cells)} cells where the header has {len(columns)}"
            rejected.append(Rejected(line, named, {"row": rule}))
            continue
        row, problems = _read(named, fields)
        if problems:
            rejected.append(Rejected(line, named, problems))
        else:
            accepted.append(Accepted(line, row))
    if not accepted and not rejected:
        raise BadInput("The file has a header and no rows below it.")
    return Sheet(accepted, rejected, tuple(n for n in fields if n not in columns))


def _decode(content: bytes) -> str:
    for start, kind in _NOT_TEXT.items():
        if content.startswith(start):
            raise BadInput(f"This is {kind}. Save the table as CSV (UTF-8) and send that.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput("The file is UTF-16. Save it as CSV (UTF-8).")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(
            f"The file is not UTF-8: line {line} has a byte that is no character. "
            "Save it as CSV (UTF-8)."
        ) from error
    if "\x00" in text:
        raise BadInput("The file has NUL characters, so it is no CSV text.")
    return text


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that hold anything, with their numbers."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise BadInput(f"Line {reader.line_num} is no CSV: {error}.") from error


def _columns(header: list[str], contract: Contract) -> list[str]:
    columns = [cell.strip() for cell in header]
    known = {f.name for f in contract.fields}
    if len(columns) == 1 and columns[0] not in known:
        for mark, name in _FOREIGN.items():
            if mark in columns[0]:
                raise BadInput(
                    f"The columns are separated by {name}. Save the file with commas between them."
                )
    unknown = [c or "(without a name)" for c in columns if c not in known]
    if unknown:
        raise BadInput(
            f"The model takes no column {_list(unknown)}. Take out or rename what it does not "
            f"know; it takes {_names(contract)}."
        )
    doubled = sorted({c for c in columns if columns.count(c) > 1})
    if doubled:
        raise BadInput(f"Column {_list(doubled)} stands there twice.")
    needed = [f.name for f in contract.fields if not f.nullable and f.name not in columns]
    if needed:
        raise BadInput(f"Column {_list(needed)} is missing, and the model cannot do without.")
    return columns


def _list(names: list[str]) -> str:
    shown = [name[:60] for name in names[:_SHOWN]]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(shown) + more


def _names(contract: Contract) -> str:
    return ", ".join(f.name for f in contract.fields)


def _read(
    cells: Mapping[str, str], fields: Mapping[str, Field]
) -> tuple[dict[str, Any], dict[str, str]]:
    row: dict[str, Any] = {}
    problems = {}
    for name, cell in cells.items():
        text = cell.strip()
        try:
            value = read_value(fields[name], text)
        except ValueError as error:
            problems[name] = str(error)
            continue
        if text:
            row[name] = _plain(value) if fields[name].type is ColumnType.NUMBER else text
    return row, problems


def _plain(value: float | str) -> float | str:
    """A whole number without its decimals, as a person would have typed it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
