"""A CSV file of rows to predict: the errors of the file, and those of each row.

The reading rules are those of batches: `core.rules.data.csv_dialect` and `csv_records`. A file that
cannot be parsed is rejected with an instruction. A row that breaks a rule of the model's contract
is rejected with that rule; the other rows are accepted.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from core.domain.batches import Unreadable
from core.domain.dataset import ColumnType
from core.domain.errors import BadInput, BatchUnreadable
from core.rules.data import csv_dialect
from core.rules.data.cells import as_requested
from core.rules.data.csv_dialect import Dialect, holds
from core.rules.data.csv_records import CsvRecords, Row
from core.rules.model import contract_csv
from core.rules.model.contract import Contract, read_value
from core.rules.model.contract_csv import renamed

MOST_MEGABYTES = 10
MOST_ROWS = 50_000

_SHOWN = 8


class UnknownColumns(BadInput):
    """The file has unknown columns and lacks others: a name may be misspelt."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A valid row: the line on which it ends, and its fields as serving takes them."""

    line: int
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """An invalid row: its cells unchanged, and each invalid field with the rule that it broke."""

    line: int
    cells: dict[str, str]
    problems: dict[str, str]

    @property
    def why(self) -> str:
        """Every broken rule in one line."""
        return "; ".join(f"{name}: {rule}" for name, rule in self.problems.items())


@dataclass(frozen=True, slots=True)
class Sheet:
    """A parsed file.

    `absent` names the optional columns that it lacks, `extra` the columns that the model does not
    take. `empty` counts the rows without a value, which are left out; `empty_lines` has the line
    numbers of the first ones. `dialect` is how the file is written, as it was detected.
    """

    accepted: list[Accepted]
    rejected: list[Rejected]
    absent: tuple[str, ...]
    dialect: Dialect
    extra: tuple[str, ...] = ()
    empty: int = 0
    empty_lines: tuple[int, ...] = ()

    def notes(self) -> list[str]:
        """Notes about how the file was read, columns and empty rows, a sentence each."""
        notes = [self.dialect.note()]
        if self.absent:
            notes.append(f"Not in the file, so empty in every row: {', '.join(self.absent)}.")
        if self.extra:
            notes.append(f"Ignored, because the model does not take them: {_list(self.extra)}.")
        if self.empty:
            rows = "1 empty row" if self.empty == 1 else f"{self.empty:,} empty rows"
            lines = _list([f"{line:,}" for line in self.empty_lines], self.empty)
            notes.append(f"{rows} left out: line {lines}.")
        return notes


def read_sheet(content: bytes, contract: Contract, *, ignore_extra: bool = False) -> Sheet:
    """Read a file of rows for a model of that contract.

    Column names and date formats may be those of the batches. Unknown columns are ignored if no
    column of the model is missing, or with `ignore_extra`.

    Raises:
        UnknownColumns: the file has unknown columns and lacks others that the model takes.
        BadInput: the file is too large, not CSV, has no rows or too many, or its header does not
            match the contract.
    """
    dialect = _dialect(content, contract)
    lines = _lines(content, dialect)
    header = _header(lines, contract)
    fields, extra = _columns(renamed(csv_dialect.column_names(header), contract), contract)
    absent = tuple(f.name for f in contract.fields if f.name not in fields)
    if extra and absent and not ignore_extra:
        raise UnknownColumns(
            f"The model takes no column {_list(extra)}, and the file has no {_list(absent)}."
            f"{_guesses(extra, absent)} Correct the header."
        )
    read = _RowReader(contract, dialect)
    accepted: list[Accepted] = []
    rejected: list[Rejected] = []
    blank, empty, first_empty = 0, 0, list[int]()
    for line, cells in lines:
        if not _holds(cells):
            blank += 1
            if blank <= _SHOWN:
                first_empty.append(line)
            continue
        empty = blank  # blank lines at the end of the file are no rows
        if len(accepted) + len(rejected) == MOST_ROWS:
            raise BadInput(f"The file has more than {MOST_ROWS:,} rows. Split it.")
        if isinstance(cells, Unreadable):
            rejected.append(Rejected(line, {}, {"row": cells.rule.removeprefix("the row ")}))
            continue
        named = {name: cells[n] for name, n in fields.items() if n < len(cells)}
        row, problems = read.row(named)
        if len(cells) != len(header):
            problems = {"row": f"has {len(cells)} cells where the header has {len(header)}"}
        if problems:
            rejected.append(Rejected(line, named, problems))
        else:
            accepted.append(Accepted(line, row))
    if not accepted and not rejected:
        raise BadInput("The file has a header and no rows below it.")
    return Sheet(accepted, rejected, absent, dialect, extra, empty, tuple(first_empty[:empty]))


def _dialect(content: bytes, contract: Contract) -> Dialect:
    """How the file is written.

    Raises:
        BadInput: it is too large, or no text.
    """
    if len(content) > MOST_MEGABYTES * 1_000_000:
        size = f"{len(content) / 1e6:,.1f} MB"
        raise BadInput(f"The file has {size}; at most {MOST_MEGABYTES} MB are taken. Split it.")
    kind = csv_dialect.other_format(content)
    if kind is not None:
        raise BadInput(f"This is {kind}. Save the table as CSV and send that.")
    return contract_csv.detect(contract, content[: csv_dialect.SAMPLE])


def _lines(content: bytes, dialect: Dialect) -> Iterator[tuple[int, Row]]:
    """The rows, blank ones too, each with the number of the line on which it ends."""
    decoder = codecs.getincrementaldecoder(dialect.encoding)(csv_dialect.ERRORS)
    lines = decoder.decode(content, final=True).split(dialect.newline)
    try:
        rows, texts = CsvRecords(dialect.delimiter).read(lines, last=True)
    except BatchUnreadable as error:
        raise BadInput(str(error).replace("of the batch ", "of the file ")) from error
    line = 0
    for row, text in zip(rows, texts, strict=True):
        line += text.count("\n") + 1
        yield line, row


def _holds(row: Row) -> bool:
    return isinstance(row, Unreadable) or holds(row)


def _header(lines: Iterator[tuple[int, Row]], contract: Contract) -> list[str]:
    """The first row that has a value.

    Raises:
        BadInput: there is none, or it is no CSV.
    """
    row = next((row for _, row in lines if _holds(row)), [])
    if isinstance(row, list) and row:
        return row
    why = f"has no header: {row.rule}" if isinstance(row, Unreadable) else "is empty"
    raise BadInput(f"The file {why}. Its first line must name columns: {_names(contract)}.")


def _columns(columns: list[str], contract: Contract) -> tuple[dict[str, int], tuple[str, ...]]:
    """The positions of the model's columns, and the names of the others."""
    known = {f.name for f in contract.fields}
    doubled = csv_dialect.doubled(columns, known)
    if doubled:
        raise BadInput(f"Column {_list(doubled)} occurs twice.")
    extra = tuple(
        name or f"column {n} (without a name)"
        for n, name in enumerate(columns, 1)
        if name not in known
    )
    if len(extra) == len(columns):
        raise BadInput(
            f"The model takes no column {_list(extra)}. The first line must name columns that it "
            f"takes: {_names(contract)}."
        )
    named = set(columns)
    needed = [f.name for f in contract.fields if not f.nullable and f.name not in named]
    if needed:
        raise BadInput(
            f"Column {_list(needed)} is missing, and the model cannot do without."
            f"{_guesses(extra, needed)}"
        )
    return {name: n for n, name in enumerate(columns) if name in known}, extra


def _guesses(extra: Sequence[str], absent: Sequence[str]) -> str:
    """For each of the first unknown names a question, if it resembles a missing name."""
    questions = ""
    for name in (wrong[:60] for wrong in extra[:_SHOWN]):
        for similar in get_close_matches(name.casefold(), absent, n=1):
            questions += f" Is {name} meant as {similar}?"
    return questions


def _list(names: Sequence[str], count: int = 0) -> str:
    """The first names, and how many more there are: up to `count`, or all of them."""
    shown = [name[:60] for name in names[:_SHOWN]]
    more = max(count, len(names)) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _names(contract: Contract) -> str:
    return ", ".join(f.name for f in contract.fields)


class _RowReader:
    """Reads the cells of a row as a request gives them."""

    def __init__(self, contract: Contract, dialect: Dialect) -> None:
        self._fields = {f.name: f for f in contract.fields}
        self._dialect = dialect

    def row(self, cells: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        """The fields that are not empty, and each invalid one with the rule that it breaks."""
        row: dict[str, Any] = {}
        problems = {}
        for name, cell in cells.items():
            try:
                value = self._cell(name, cell.strip())
            except ValueError as error:
                problems[name] = str(error)
                continue
            if value is not None:
                row[name] = value
        return row, problems

    def _cell(self, name: str, text: str) -> float | str | None:
        field = self._fields[name]
        is_number = field.type is ColumnType.NUMBER
        text = self._dialect.number(text) if is_number else as_requested(field, text)
        value = read_value(field, text)
        if not text:
            return None
        return as_typed(value) if is_number and isinstance(value, float) else text


def as_typed(number: float) -> float:
    """A number as a person types it: a whole one without decimals."""
    return int(number) if number.is_integer() else number
