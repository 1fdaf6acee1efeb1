"""Streamed batches: NDJSON or CSV in, the same format out, in bounded memory.

The request is spooled to disk before the first answer is sent. Otherwise a client that sends
everything before it reads, as most do, would deadlock with us; and a truncated request has no
effect. Rows are then processed in chunks; an invalid row is answered in its place with its errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from itertools import chain, pairwise
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.rules.model.contract_batch import Columns, Problems, read_columns
from serving.http.answers import AnswerLog, AnyAnswer, add_warnings, without_answer
from serving.http.asked import Asked
from serving.http.csv_answers import Encode, csv_answers
from serving.http.csv_stream import MAX_LINE, Chunk, csv_chunks
from serving.model.loaded import LoadedModel
from serving.problems import errors_document, row_errors

_BLOCK = 256 * 1024

_Running = tuple[list[Any], Columns, Problems, Future[NDArray[np.float64]]]
"""The rows of a chunk, their inputs and problems, and the predictions to come."""


class Format(StrEnum):
    """The format of a stream, as its media type."""

    NDJSON = "application/x-ndjson"
    CSV = "text/csv"


def stream_answers(
    model: LoadedModel, log: AnswerLog, file: IO[bytes], format_: Format, asked: Asked
) -> Iterator[bytes]:
    """The response to a request that is spooled in `file`, in pieces.

    Raises:
        Problem: the header of a CSV file does not name columns of the model.
    """
    if format_ is Format.CSV:
        chunks = csv_chunks(file, model.runtime.contract)
        header, encode = csv_answers(model.runtime.contract, warnings=asked.warnings)
        return chain([header], _answers(model, log, chunks, encode, asked))
    return _answers(model, log, ndjson_chunks(file), _json_lines, asked)


def _answers(
    model: LoadedModel, log: AnswerLog, chunks: Iterator[Chunk], encode: Encode, asked: Asked
) -> Iterator[bytes]:
    """The answers to each chunk.

    The model runs on one chunk in a thread, without the GIL, while the previous chunk is encoded
    and the next one is read.
    """
    with ThreadPoolExecutor(1, "stream") as pool:

        def submitted() -> Iterator[_Running]:
            for rows, unreadable in chunks:
                columns, problems = read_columns(model.runtime.contract, rows, typed=True)
                problems |= {n: {"": why} for n, why in unreadable.items()}
                yield rows, columns, problems, pool.submit(model.runtime.predict, columns)

        first = 0
        for current, _next in pairwise(chain(submitted(), [None])):
            if current is not None:
                rows, columns, problems, running = current
                values = running.result()
                problems = without_answer(values) | problems
                answers = log.answer(model, rows, values, problems, asked.caller)
                if asked.warnings:
                    add_warnings(model, columns, answers)
                yield encode(answers, problems, first)
                first += len(rows)


_decode_lines = msgspec.json.Decoder().decode_lines
_encode_lines = msgspec.json.Encoder().encode_lines


def ndjson_chunks(file: IO[bytes]) -> Iterator[Chunk]:
    """The rows of an NDJSON file; blank lines are skipped."""
    while block := file.read(_BLOCK):
        if not block.endswith(b"\n"):
            block += file.readline(MAX_LINE)
        while not block.endswith(b"\n") and (more := file.readline(MAX_LINE)):
            block = _truncate_line(block, more)
        lines = [line for line in block.split(b"\n") if line and not line.isspace()]
        if lines:
            yield _read_lines(lines)


def _truncate_line(block: bytes, more: bytes) -> bytes:
    """Keep just enough of an overlong line to show that it is too long."""
    start = block.rfind(b"\n") + 1
    end = b"\n" if more.endswith(b"\n") else b""
    return block[: start + MAX_LINE + 1] + end


def _read_lines(lines: Sequence[bytes]) -> Chunk:
    # If every line starts and ends with a brace, no JSON object spans several lines.
    if all(line[0] == _OPENS and line.rstrip()[-1] == _CLOSES for line in lines):
        try:
            rows = _decode_lines(b"\n".join(lines))
            if len(rows) == len(lines) and max(map(len, lines)) <= MAX_LINE:
                return rows, {}
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # some line is invalid: parse them one by one
    rows, unreadable = [], {}
    for n, line in enumerate(lines):
        row: Any = None
        if len(line) > MAX_LINE:
            unreadable[n] = f"is longer than {MAX_LINE:,} bytes"
        else:
            try:
                row = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError):
                unreadable[n] = "is not JSON"
        rows.append(row)
    return rows, unreadable


_OPENS, _CLOSES = b"{}"


def _json_lines(answers: Sequence[AnyAnswer | None], problems: Problems, first: int) -> bytes:
    if not problems:
        return _encode_lines(answers)
    return _encode_lines(
        [
            answer or {"row": first + n, "errors": errors_document(row_errors(problems[n]))}
            for n, answer in enumerate(answers)
        ]
    )
