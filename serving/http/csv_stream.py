"""Rows from a streamed CSV file, read by the same rules as batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import IO, Any, cast

from core.domain.batches import Unreadable
from core.domain.dataset import ColumnType
from core.domain.errors import BatchUnreadable
from core.rules.data import csv_dialect
from core.rules.data.cells import as_requested
from core.rules.data.csv_dialect import Dialect
from core.rules.data.csv_records import Row, row_blocks
from core.rules.data.typed_values import read_number
from core.rules.model import contract_csv
from core.rules.model.contract import Contract, Field
from serving.problems import Problem, pointer

MAX_LINE = 64 * 1024
"""The maximum size of a row, in bytes."""

Chunk = tuple[list[Any], dict[int, str]]
"""Rows (None if unreadable), and by index why a row is unreadable."""

_BLOCK = 256 * 1024
_CHUNK_ROWS = 2_000


def csv_chunks(file: IO[bytes], contract: Contract) -> Iterator[Chunk]:
    """The rows of a CSV file with a header; an empty cell is null, numbers are parsed.

    Delimiter, decimal sign and encoding are detected, and column names and date formats may be
    those of batches. An unreadable row affects only itself. Blank lines are skipped; a line of
    empty cells is a row, because answers have the order of the rows.

    Raises:
        Problem: the header is missing or names columns that the model does not have.
    """
    sample = file.read(csv_dialect.SAMPLE)
    file.seek(0)
    if kind := csv_dialect.other_format(sample):
        raise Problem(422, f"The body is not CSV but {kind}.")
    dialect = contract_csv.detect(contract, sample)
    blocks = _blocks(file, dialect)
    header: list[str] = []
    rest: list[Row] = []
    for rows in blocks:
        first = next((n for n, row in enumerate(rows) if _holds(row)), None)
        if first is not None:
            header, rest = _header(rows[first], contract), rows[first + 1 :]
            break
    else:
        _header([], contract)
    by_name = {field.name: field for field in contract.fields}
    fields = [by_name[name] for name in header]
    return (
        _chunk(rows[start : start + _CHUNK_ROWS], header, fields, dialect)
        for rows in chain([rest], blocks)
        for start in range(0, len(rows), _CHUNK_ROWS)
    )


def _blocks(file: IO[bytes], dialect: Dialect) -> Iterator[list[Row]]:
    """The rows without blank lines, a block of the file at a time."""
    try:
        for rows in row_blocks(file.read, dialect, _BLOCK, MAX_LINE):
            yield [row for row in rows if row]
    except BatchUnreadable as error:
        yield [Unreadable(f"the rest is not read. {error}")]


def _holds(row: Row) -> bool:
    return isinstance(row, Unreadable) or csv_dialect.holds(row)


def _header(row: Row, contract: Contract) -> list[str]:
    """The fields that the columns belong to.

    Raises:
        Problem: the header does not name columns of the model, each once.
    """
    if isinstance(row, Unreadable):
        raise Problem(422, f"The CSV is invalid: {row.rule}.")
    known = [field.name for field in contract.fields]
    header = contract_csv.renamed(csv_dialect.column_names(row), contract)
    unknown = {
        pointer(name or f"column {n + 1}"): "this model takes no such field"
        for n, name in enumerate(header)
        if name not in known
    }
    if not header or unknown or len(set(header)) < len(header):
        raise Problem(
            422,
            f"The first line must name columns of the live model, each once: {', '.join(known)}.",
            unknown,
        )
    return header


def _chunk(lines: list[Row], header: list[str], fields: list[Field], dialect: Dialect) -> Chunk:
    width = len(header)
    unreadable = {
        n: row.rule.removeprefix("the row ")
        if isinstance(row, Unreadable)
        else f"has {len(row)} cells, but the header has {width}"
        for n, row in enumerate(lines)
        if isinstance(row, Unreadable) or len(row) != width
    }
    for n in unreadable:
        lines[n] = [""] * width
    cells = cast("list[list[str]]", lines)
    columns = [
        _values(column, field, dialect)
        for column, field in zip(zip(*cells, strict=True), fields, strict=True)
    ]
    rows: list[Any] = [dict(zip(header, row, strict=True)) for row in zip(*columns, strict=True)]
    for n in unreadable:
        rows[n] = None
    return rows, unreadable


def _values(cells: Sequence[str], field: Field, dialect: Dialect) -> list[float | str | None]:
    if field.type is ColumnType.NUMBER:
        parsed = {cell: _number(dialect.number(cell)) for cell in set(cells)}
    elif field.parse or field.epoch:
        parsed = {cell: _requested(field, cell) for cell in set(cells)}
    else:
        return [cell or None for cell in cells]
    return [parsed[cell] for cell in cells]


def _number(cell: str) -> float | str | None:
    """A cell as a number; other text is kept for validation to reject."""
    if not cell or cell.isspace():
        return None
    try:
        return read_number(cell)
    except ValueError:
        return cell


def _requested(field: Field, cell: str) -> str | None:
    """A date or time in the format of requests; other text is kept for validation to reject."""
    try:
        return as_requested(field, cell.strip()) or None
    except ValueError:
        return cell
