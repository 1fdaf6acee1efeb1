"""A batch's bytes to validated rows, in bounded memory.

The answer is read as a stream; rows come out in chunks as Arrow record batches, and rows
that break a rule come out as quarantined ones, with every rule they broke.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import ijson
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.contract import read_code, read_date, read_number, read_text
from core.dataset import Column, ColumnType, Dataset
from core.errors import BatchUnreadable
from core.profile import Profiler
from core.records import QuarantinedRow
from core.split import held_out
from core.store.rows import arrow_schema

CHUNK_ROWS = 10_000
_KEPT_CONTENT = 2_000
_MEMO = 100_000

_Cell = float | str | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a batch: those that are fit to be stored, and those that are not."""

    rows: pa.RecordBatch
    quarantined: list[QuarantinedRow]


def batch_number(path: Path) -> int:
    """The number that the API gave a batch.

    Raises:
        BatchUnreadable: the file is no answer of the data API.
    """
    with path.open("rb") as file:
        try:
            number = next(ijson.items(file, "batch_number"), None)
        except ijson.JSONError as error:
            raise _unreadable(path, error) from error
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise BatchUnreadable("The data API's answer carries no batch_number.")
    return number


def chunks(
    path: Path, dataset: Dataset, profiler: Profiler, at: Callable[[float], None]
) -> Iterator[Chunk]:
    """The rows of an answer, chunk by chunk; `profiler` takes in those that are stored.

    `at` is told the share of the file that has been read, from 0 to 1.

    Raises:
        BatchUnreadable: the JSON breaks off or is none, or there is no list of rows.
    """
    reader = _RowReader(dataset, profiler)
    size = path.stat().st_size
    first = 0
    with path.open("rb") as file:
        try:
            rows = ijson.items(file, "data.item", use_float=True)
            while raw := list(islice(rows, CHUNK_ROWS)):
                yield reader.read(raw, first)
                first += len(raw)
                at(file.tell() / size)
        except ijson.JSONError as error:
            raise _unreadable(path, error) from error
    if not first and not _has_data(path):
        raise BatchUnreadable('The data API\'s answer has no list "data".')


def _has_data(path: Path) -> bool:
    with path.open("rb") as file:
        return any(
            prefix == "data" and event == "start_array" for prefix, event, _ in ijson.parse(file)
        )


def _unreadable(path: Path, error: Exception) -> BatchUnreadable:
    with path.open("rb") as file:
        start = file.read(60).decode("utf-8", "replace")
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return BatchUnreadable(
        f"The data API's answer is not the JSON it should be ({said[:150]}); it begins with "
        f"{start!r}. The bytes are kept in the spool."
    )


class _RowReader:
    """Validates rows column by column, which costs a tenth of doing it cell by cell."""

    def __init__(self, dataset: Dataset, profiler: Profiler) -> None:
        self._dataset = dataset
        self._profiler = profiler
        self._schema = arrow_schema(dataset)
        self._names = dataset.names
        self._in_order: Callable[[dict[str, Any]], tuple[Any, ...]] = itemgetter(*self._names)
        self._nothing = (None,) * len(self._names)
        self._known: dict[str, dict[Any, _Cell]] = {c.name: {} for c in dataset.columns}

    def read(self, raw: list[Any], first: int) -> Chunk:
        """Split one chunk into rows to store and rows to quarantine; `first` numbers the first."""
        problems: dict[int, list[str]] = {}
        shaped = [self._shape(row, i, problems) for i, row in enumerate(raw)]
        misshapen = frozenset(problems)
        columns = {
            column.name: self._column(column, [row[n] for row in shaped], problems, misshapen)
            for n, column in enumerate(self._dataset.columns)
        }
        good = np.array([i for i in range(len(raw)) if i not in problems], dtype=np.intp)
        kept = {name: values[good] for name, values in columns.items()}
        for column in self._dataset.columns:
            self._profiler.add(column.name, kept[column.name])
        quarantined = [
            QuarantinedRow(first + i, "; ".join(why), _content(raw[i]))
            for i, why in sorted(problems.items())
        ]
        return Chunk(self._record_batch(kept, good + first), quarantined)

    def _shape(self, row: Any, i: int, problems: dict[int, list[str]]) -> Sequence[Any]:
        """A row's values in column order, from an object or a list."""
        if isinstance(row, dict):
            try:
                return self._in_order(row)
            except KeyError:
                trimmed = {str(key).strip(): value for key, value in row.items()}
            missing = [name for name in self._names if name not in trimmed]
            if not missing:
                return self._in_order(trimmed)
            problems[i] = [f"{', '.join(missing)}: not in the row"]
        elif isinstance(row, list) and len(row) == len(self._names):
            return list(row)
        else:
            problems[i] = [f"a row of {len(self._names)} values was expected"]
        return self._nothing

    def _column(
        self,
        column: Column,
        values: list[Any],
        problems: dict[int, list[str]],
        misshapen: frozenset[int],
    ) -> NDArray[Any]:
        """One column's values as an array; what breaks a rule is noted in `problems`."""
        plain = _at_once(column, values)
        if plain is not None:
            return plain
        known = self._known[column.name]
        if len(known) > _MEMO:
            known.clear()
        out: list[_Cell] = [None] * len(values)
        for i, value in enumerate(values):
            # Only text is remembered: among numbers True, 1 and 1.0 would be one key.
            if value.__class__ is str and value in known:
                out[i] = known[value]
            elif i not in misshapen:
                try:
                    out[i] = _cell(column, value)
                except ValueError as error:
                    problems.setdefault(i, []).append(f"{column.name}: {error}")
                else:
                    if value.__class__ is str:
                        known[value] = out[i]
        if column.is_text:
            return _texts(out)
        return np.array(out, dtype=np.float64)

    def _record_batch(self, kept: dict[str, NDArray[Any]], numbers: NDArray[Any]) -> pa.RecordBatch:
        for_split = {
            c.name: np.where(kept[c.name] == None, "", kept[c.name])  # noqa: E711 - elementwise
            if c.is_text
            else kept[c.name]
            for c in self._dataset.columns
        }
        sides = held_out(for_split, self._dataset)
        arrays = [_arrow(column, kept[column.name]) for column in self._dataset.columns]
        arrays.append(pa.array(numbers.astype(np.int32)))
        arrays.append(pa.array(sides.astype(np.int8)))
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def _at_once(column: Column, values: list[Any]) -> NDArray[Any] | None:
    """A whole column of finite numbers, read at once; None where it must be read cell by cell."""
    numeric = column.type in (ColumnType.NUMBER, ColumnType.CODE)
    if not numeric or not set(map(type, values)) <= {float, int}:
        return None
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:  # an integer beyond every float
        return None
    if not np.isfinite(numbers).all():
        return None
    if column.type is ColumnType.NUMBER:
        return numbers
    if (np.abs(numbers) >= 2**53).any() or (numbers != np.floor(numbers)).any():
        return None
    return _texts([str(n).zfill(column.width) for n in numbers.astype(np.int64).tolist()])


def _texts(values: list[Any]) -> NDArray[np.object_]:
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts


def _cell(column: Column, value: Any) -> _Cell:
    """One value, cleaned; None for null.

    Raises:
        ValueError: it breaks a rule of the column.
    """
    if isinstance(value, str) and not value.strip():
        value = None
    if value is None:
        if not column.nullable:
            raise ValueError("must be given")
        return None
    if column.type is ColumnType.NUMBER:
        return read_number(value)
    if column.type is ColumnType.DATE:
        return read_date(value)
    if column.type is ColumnType.CODE:
        return read_code(value, column.width)
    return read_text(value)


def _arrow(column: Column, values: NDArray[Any]) -> pa.Array:
    if column.is_text:
        return pa.array(values, type=pa.string())
    if column.type is ColumnType.DATE:
        known = ~np.isnan(values)
        days = np.where(known, values, 0).astype(np.int32)
        return pa.array(days, type=pa.int32(), mask=~known).cast(pa.date32())
    return pa.array(values, type=pa.float64(), from_pandas=True)


def _content(row: Any) -> str:
    """What a quarantined row said, for the ledger."""
    text = json.dumps(row, ensure_ascii=False, default=str)
    return text[:_KEPT_CONTENT].encode("utf-8", "replace").decode()


def stage(
    path: Path, parsed: Iterable[Chunk], dataset: Dataset
) -> tuple[int, list[QuarantinedRow]]:
    """Write validated rows to an Arrow file on disk; returns how many, and the quarantined ones.

    The database's transaction can then be short: it only loads what is known to fit.
    """
    stored = 0
    quarantined: list[QuarantinedRow] = []
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, arrow_schema(dataset)) as out:
        for chunk in parsed:
            out.write_batch(chunk.rows)
            stored += chunk.rows.num_rows
            quarantined.extend(chunk.quarantined)
    return stored, quarantined


def staged(path: Path) -> Iterator[pa.RecordBatch]:
    """Read back what `stage` wrote."""
    with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as reader:
        yield from reader
