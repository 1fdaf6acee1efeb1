"""Training rows on disk between the database and a program, so that memory does not bound them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.domain.dataset import Dataset
from core.platform.disk_errors import disk_errors
from core.rules.model.classes import indices_of, labels_in
from workers.recipes.port import Rows, content_order

PART_ROWS = 100_000
"""The number of rows in a table."""

FILES = 128
"""The number of files, each with the rows of an equal range of content hashes."""

_HASH = "hash.of.content"  # no column's name contains a dot
_BITS = np.uint64(32)
_LOST = "the training rows were not kept"


class RowSpool:
    """Rows in files of a temporary folder, which are read again in the order of their content.

    That order is the one of `workers.recipes.port.ordered`, whatever the order in which rows came.
    One file at a time is sorted in memory: a share of 1 / `FILES` of the rows, or all rows of equal
    content if they are more.
    """

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        """Write to an empty folder."""
        self._folder = folder
        self._dataset = dataset
        columns = (*dataset.features, dataset.target)
        kinds = ((c.name, pa.string() if c.is_text else pa.float64()) for c in columns)
        self.schema = pa.schema([pa.field(name, kind) for name, kind in kinds])
        self._stored = self.schema.append(pa.field(_HASH, pa.uint64()))
        self._opened: dict[int, tuple[pa.NativeFile, Any]] = {}

    def add(self, rows: Rows, hashes: NDArray[np.uint64]) -> None:
        """Write rows with their content hashes.

        Raises:
            DiskRefused: the disk is full, or the folder cannot be written.
        """
        files = ((hashes >> _BITS) * np.uint64(FILES)) >> _BITS
        order = np.argsort(files, kind="stable")
        bounds = np.searchsorted(files[order], np.arange(FILES + 1, dtype=np.uint64))
        arrays = [pa.array(rows[f.name][order], f.type) for f in self.schema]
        chunk = pa.record_batch([*arrays, pa.array(hashes[order])], schema=self._stored)
        with disk_errors(_LOST):
            for file, (start, end) in enumerate(pairwise(bounds)):
                if start < end:
                    self._writer(file).write_batch(chunk.slice(start, end - start))

    def tables(self, classes: tuple[str, ...] = ()) -> Iterator[pa.Table]:
        """All rows in tables of `PART_ROWS`, and the rest in a last one.

        `classes` are the classes of a classifier, which order rows of equal features. No row can be
        added any more.

        Raises:
            DiskRefused: the files cannot be read.
        """
        self.close()
        waiting = self.schema.empty_table()
        for path in sorted(self._folder.iterdir()):
            waiting = pa.concat_tables([waiting, self._sorted(path, classes)])
            while waiting.num_rows >= PART_ROWS:
                yield waiting.slice(0, PART_ROWS).combine_chunks()
                waiting = waiting.slice(PART_ROWS)
        if waiting.num_rows:
            yield waiting.combine_chunks()

    def first(self, count: int, classes: tuple[str, ...] = ()) -> Rows:
        """The first rows as a recipe takes them: so many, or all if there are fewer."""
        table = self.schema.empty_table()
        for part in self.tables(classes):
            table = pa.concat_tables([table, part])
            if table.num_rows >= count:
                break
        table = table.slice(0, count).combine_chunks()
        return {name: table[name].to_numpy() for name in table.column_names}

    def close(self) -> None:
        """Finish the files.

        Raises:
            DiskRefused: the disk is full.
        """
        opened, self._opened = self._opened, {}
        with disk_errors(_LOST):
            for sink, writer in opened.values():
                writer.close()
                sink.close()

    def _writer(self, file: int) -> Any:
        if file not in self._opened:
            sink = pa.OSFile(str(self._folder / f"{file:03d}.arrows"), "wb")
            self._opened[file] = sink, pa.ipc.new_stream(sink, self._stored)
        return self._opened[file][1]

    def _sorted(self, path: Path, classes: tuple[str, ...]) -> pa.Table:
        with disk_errors(_LOST), pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            table = reader.read_all()
        places = None
        if classes:
            target = table[self._dataset.target.name].to_numpy()
            places = indices_of(labels_in(target, self._dataset), classes)
        order = content_order(table[_HASH].to_numpy(), places)
        return table.select(self.schema.names).combine_chunks().take(order)


@contextmanager
def row_spool(dataset: Dataset) -> Iterator[RowSpool]:
    """An empty spool in a temporary folder, which is deleted afterwards.

    Raises:
        DiskRefused: the folder cannot be made.
    """
    with disk_errors(_LOST):
        folder = tempfile.TemporaryDirectory(prefix="spooled-")
    with folder as path:
        spool = RowSpool(Path(path), dataset)
        try:
            yield spool
        finally:
            spool.close()
