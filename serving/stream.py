"""Batches too large for one document: NDJSON or CSV in, the same out, in bounded memory.

The request is on this disk before the first answer leaves. A client that sends all before it reads,
as most do, would otherwise wait for us while we wait for it; and a request that breaks off
half-way, or that is no text, has then had no effect. From there rows go through in lots, and each
row that does not fit is answered in its place with what is wrong with it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from itertools import islice
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.columns import Problems, read_columns
from core.contract import Contract
from core.dataset import ColumnType
from serving.batch import Batch
from serving.predict import Answer
from serving.problems import Problem, pointer, row_errors

LONGEST_LINE = 64 * 1024
"""The longest row, in bytes."""

_BLOCK = 256 * 1024
_LOT = 2_000
_CSV_HEAD = "prediction_id,prediction,model_version,low,high,error\n"

Lot = tuple[list[Any], dict[int, str]]
"""Rows, None where there is none to read, and by its place what is wrong with such a one."""


class Format(StrEnum):
    """What a stream consists of."""

    NDJSON = "application/x-ndjson"
    CSV = "text/csv"


class Stream:
    """The answers to a request that lies in a file."""

    def __init__(self, batch: Batch, file: IO[bytes], format_: Format) -> None:
        """Look at the beginning.

        Raises:
            Problem: nothing is live, or a CSV file names no columns, or other ones than the
                model takes.
        """
        self._batch = batch
        self._model = batch.model()
        self._is_csv = format_ is Format.CSV
        contract = self._model.runtime.contract
        self._lots = csv_lots(file, contract) if self._is_csv else json_lots(file)

    def answers(self) -> Iterator[bytes]:
        """The body, in pieces.

        While the model runs on one lot, the one before is written out and the next one read: the
        runtime needs a core of its own and lets the interpreter go meanwhile.
        """
        if self._is_csv:
            yield _CSV_HEAD.encode()
        first = 0
        runtime = self._model.runtime
        before: tuple[list[Any], Problems, Future[NDArray[np.float64]]] | None = None
        with ThreadPoolExecutor(1, "stream") as pool:
            for rows, amiss in self._lots:
                columns, problems = read_columns(runtime.contract, rows, typed=True)
                problems |= {n: {"": why} for n, why in amiss.items()}
                running = pool.submit(runtime.predict, columns)
                if before:
                    yield self._written(*before, first)
                    first += len(before[0])
                before = rows, problems, running
            if before:
                yield self._written(*before, first)

    def _written(
        self, rows: list[Any], problems: Problems, running: Future[NDArray[np.float64]], first: int
    ) -> bytes:
        answers = self._batch.answered(self._model, rows, running.result(), problems)
        if self._is_csv:
            return _csv_lines(answers, problems)
        return _json_lines(answers, problems, first)


_decode_lines = msgspec.json.Decoder().decode_lines
_encode_lines = msgspec.json.Encoder().encode_lines


def json_lots(file: IO[bytes]) -> Iterator[Lot]:
    """The rows of an NDJSON file; blank lines are no rows."""
    while block := file.read(_BLOCK):
        if not block.endswith(b"\n"):
            block += file.readline(LONGEST_LINE)
        while not block.endswith(b"\n") and (more := file.readline(LONGEST_LINE)):
            block = _cut(block, more)
        lines = [line for line in block.split(b"\n") if line and not line.isspace()]
        if lines:
            yield _read_lot(lines)


def _cut(block: bytes, more: bytes) -> bytes:
    """Of a line that has no end, keep what shows that it is too long."""
    start = block.rfind(b"\n") + 1
    end = b"\n" if more.endswith(b"\n") else b""
    return block[: start + LONGEST_LINE + 1] + end


def _read_lot(lines: Sequence[bytes]) -> Lot:
    # Lines that begin and end with an object's braces cannot be parts of one that spans them.
    if all(line[0] == _OPENS and line.rstrip()[-1] == _CLOSES for line in lines):
        try:
            rows = _decode_lines(b"\n".join(lines))
            if len(rows) == len(lines) and max(map(len, lines)) <= LONGEST_LINE:
                return rows, {}
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # some line is amiss; found out one by one
    rows, amiss = [], {}
    for n, line in enumerate(lines):
        row: Any = None
        if len(line) > LONGEST_LINE:
            amiss[n] = f"is longer than {LONGEST_LINE:,} bytes"
        else:
            try:
                row = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError):
                amiss[n] = "is not JSON"
        rows.append(row)
    return rows, amiss


_OPENS, _CLOSES = b"{}"


def _json_lines(answers: Sequence[Answer | None], problems: Problems, first: int) -> bytes:
    if not problems:
        return _encode_lines(answers)
    return _encode_lines(
        [
            answer
            or {
                "row": first + n,
                "errors": [
                    {"pointer": f"#{at}", "detail": why}
                    for at, why in row_errors(problems[n]).items()
                ],
            }
            for n, answer in enumerate(answers)
        ]
    )


def csv_lots(file: IO[bytes], contract: Contract) -> Iterator[Lot]:
    """The rows of a CSV file by its header; an empty cell is null, and numbers are numbers.

    Raises:
        Problem: the header is missing or names what the model does not take.
    """
    reader = csv.reader(_text_lines(file))
    try:
        head = [name.strip() for name in next(reader, [])]
    except (csv.Error, UnicodeDecodeError) as error:
        raise Problem(422, f"The file cannot be read: {error}.") from None
    known = {field.name for field in contract.fields}
    unknown = {
        pointer(name or f"column {n + 1}"): "this model takes no such field"
        for n, name in enumerate(head)
        if name not in known
    }
    if not head or unknown or len(set(head)) < len(head):
        raise Problem(
            422,
            "The first line must name columns of the live model, each once: "
            f"{', '.join(f.name for f in contract.fields)}.",
            unknown,
        )
    numbers = {f.name for f in contract.fields if f.type is ColumnType.NUMBER}
    return _csv_rows(reader, head, [name in numbers for name in head])


def _text_lines(file: IO[bytes]) -> Iterator[str]:
    """The lines with their ends, as `csv.reader` wants them."""
    start = "utf-8-sig"
    while block := file.read(_BLOCK):
        if not block.endswith(b"\n"):
            block += file.readline(LONGEST_LINE)
            if not block.endswith(b"\n") and file.read(1):
                raise csv.Error(f"a line is longer than {LONGEST_LINE:,} bytes")
        yield from io.StringIO(block.decode(start), newline="")
        start = "utf-8"


def _csv_rows(reader: Iterator[list[str]], head: list[str], is_number: list[bool]) -> Iterator[Lot]:
    more = True
    while more:
        cells: list[list[str]] = []
        amiss: dict[int, str] = {}
        try:
            more = False
            for row in islice(reader, _LOT):
                more = True
                if row:  # a blank line is no row
                    cells.append(row)
        except (csv.Error, UnicodeDecodeError) as error:
            amiss[len(cells)] = f"cannot be read, nor can what follows: {error}"
            cells.append([])
            more = False
        if cells:
            width = len(head)
            for n, row in enumerate(cells):
                if len(row) != width:
                    amiss.setdefault(n, f"has {len(row)} cells, and the header {width}")
                    cells[n] = [""] * width
            columns = [
                _numbers(column) if number else [cell or None for cell in column]
                for column, number in zip(zip(*cells, strict=True), is_number, strict=True)
            ]
            rows: list[Any] = [
                dict(zip(head, row, strict=True)) for row in zip(*columns, strict=True)
            ]
            for n in amiss:
                rows[n] = None
            yield rows, amiss


def _numbers(cells: Sequence[str]) -> list[float | str | None]:
    try:
        return [float(cell) if cell else None for cell in cells]
    except ValueError:
        return [_number(cell) for cell in cells]


def _number(cell: str) -> float | str | None:
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


def _csv_lines(answers: Sequence[Answer | None], problems: Problems) -> bytes:
    lines = []
    for n, answer in enumerate(answers):
        if answer is None:
            told = "; ".join(
                f"{at}: {why}" if at else f"row {why}" for at, why in problems[n].items()
            )
            quoted = told.replace('"', '""')
            lines.append(f',,,,,"{quoted}"\n')
        else:
            low = "" if answer.low is None else answer.low
            high = "" if answer.high is None else answer.high
            said = f"{answer.prediction_id},{answer.prediction},{answer.model_version}"
            lines.append(f"{said},{low},{high},\n")
    return "".join(lines).encode()
