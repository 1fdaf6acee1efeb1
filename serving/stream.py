"""Batches too large for one document: NDJSON or CSV in, the same out, in bounded memory.

The request is on this disk before the first answer leaves. A client that sends all before it reads,
as most do, would otherwise wait for us while we wait for it; and a request that breaks off
half-way, or that is no text, has then had no effect. From there rows go through in lots, and each
row that does not fit is answered in its place with what is wrong with it.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import islice
from typing import IO, Any

import msgspec

from core.contract import Contract
from serving.batch import Batch
from serving.predict import Answer
from serving.problems import Problem, pointer, row_errors

LONGEST_LINE = 64 * 1024
"""The longest row, in bytes."""

_LOT = 2_000
_CSV_HEAD = ("prediction_id", "prediction", "model_version", "low", "high", "error")
_NO_JSON = "is not JSON"

Problems = dict[int, dict[str, str]]


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
        self._format = format_
        if format_ is Format.CSV:
            self._lots = _csv_lots(file, self._model.runtime.contract)
        else:
            self._lots = _json_lots(file)

    def answers(self) -> Iterator[bytes]:
        """The body, in pieces; while a lot is answered the next one is read."""
        if self._format is Format.CSV:
            yield (",".join(_CSV_HEAD) + "\n").encode()
        first = 0
        with ThreadPoolExecutor(1, "stream") as pool:
            answering = None
            for rows, amiss in self._lots:
                if answering is not None:
                    yield answering.result()
                answering = pool.submit(self._answer, rows, amiss, first)
                first += len(rows)
            if answering is not None:
                yield answering.result()

    def _answer(self, rows: list[Any], amiss: dict[int, str], first: int) -> bytes:
        typed = self._format is Format.NDJSON
        answers, problems = self._batch.answer(self._model, rows, typed=typed)
        problems |= {n: {"": why} for n, why in amiss.items()}
        if typed:
            return _json_lines(answers, problems, first)
        return _csv_lines(answers, problems)


_decode_lines = msgspec.json.Decoder().decode_lines
_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder().decode


def _json_lots(file: IO[bytes]) -> Iterator[tuple[list[Any], dict[int, str]]]:
    """Lots of rows, and which are no JSON, with None in their place; blank lines are no rows."""
    lines = (line for line in _bounded_lines(file) if not line.isspace())
    while lot := list(islice(lines, _LOT)):
        yield _read_lot(lot)


def _bounded_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines; of one that is too long no more than its beginning, which is no JSON."""
    while line := file.readline(LONGEST_LINE):
        yield line
        while not line.endswith(b"\n") and (line := file.readline(LONGEST_LINE)):
            pass


def _read_lot(lines: Sequence[bytes]) -> tuple[list[Any], dict[int, str]]:
    # Lines that begin and end with an object's braces cannot be parts of one that spans them.
    if all(line[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in lines):
        try:
            rows = _decode_lines(b"".join(lines))
            if len(rows) == len(lines):
                return rows, {}
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # some line is amiss; found out one by one
    rows, amiss = [], {}
    for n, line in enumerate(lines):
        row: Any = None
        if len(line) >= LONGEST_LINE and not line.endswith(b"\n"):
            amiss[n] = f"is longer than {LONGEST_LINE:,} bytes"
        else:
            try:
                row = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError):
                amiss[n] = _NO_JSON
        rows.append(row)
    return rows, amiss


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


def _csv_lots(file: IO[bytes], contract: Contract) -> Iterator[tuple[list[Any], dict[int, str]]]:
    """Lots of rows by their header; cells are text, and an empty one is null.

    Raises:
        Problem: the header is missing or names what the model does not take.
    """
    reader = csv.reader(codecs.iterdecode(_bounded_text(file), "utf-8-sig"))
    try:
        head = [name.strip() for name in next(reader, [])]
    except (csv.Error, UnicodeDecodeError) as error:
        raise Problem(422, f"The header cannot be read: {error}.") from None
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
    return _csv_rows(reader, head)


def _bounded_text(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"a line is longer than {LONGEST_LINE:,} bytes")
        yield line


def _csv_rows(
    reader: Iterable[list[str]], head: list[str]
) -> Iterator[tuple[list[Any], dict[int, str]]]:
    cells = (row for row in reader if row)  # a blank line is no row
    more = True
    while more:
        rows: list[Any] = []
        amiss: dict[int, str] = {}
        try:
            for row in islice(cells, _LOT):
                fits = len(row) == len(head)
                if not fits:
                    amiss[len(rows)] = f"has {len(row)} cells, and the header {len(head)}"
                rows.append(dict(zip(head, row, strict=True)) if fits else None)
            more = bool(rows)
        except (csv.Error, UnicodeDecodeError) as error:
            amiss[len(rows)] = f"cannot be read, nor can what follows: {error}"
            rows.append(None)
            more = False
        if rows:
            yield rows, amiss


def _csv_lines(answers: Sequence[Answer | None], problems: Problems) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for n, answer in enumerate(answers):
        if answer is None:
            told = "; ".join(
                f"{at}: {why}" if at else f"row {why}" for at, why in problems[n].items()
            )
            writer.writerow(("", "", "", "", "", told))
        else:
            low = "" if answer.low is None else answer.low
            high = "" if answer.high is None else answer.high
            writer.writerow(
                (answer.prediction_id, answer.prediction, answer.model_version, low, high, "")
            )
    return out.getvalue().encode()
