"""The training rows as Parquet files of a bounded number of rows, in a folder or at a URL."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from core.adapters.filesystem import open_url
from core.domain.dataset import Dataset
from core.domain.errors import DriftdeskError, RecipeFailed
from core.domain.safe_text import printable
from workers.recipes.port import JobContext

log = structlog.get_logger()


@contextmanager
def row_parts(tables: Iterable[pa.Table], dataset: Dataset, context: JobContext) -> Iterator[str]:
    """A folder or URL with a file for each table, which is deleted afterwards.

    The files are `part-00000.parquet` and so on. They have a column for each feature and the
    target, encoded like the model's inputs: numbers as doubles with NaN for null, texts with "" for
    null.

    Raises:
        RecipeFailed: the files cannot be written to TRAINING_URL.
    """
    if not context.rows_url:
        with tempfile.TemporaryDirectory(prefix="rows-") as folder:
            _write(*open_url(folder), tables, context)
            yield folder
        return
    url = f"{context.rows_url.rstrip('/')}/{dataset.name}-{context.name}"
    with _translated(context.rows_url):
        system, root = open_url(url)
        _clear(system, root)
        _write(system, root, tables, context)
    try:
        yield url
    finally:
        with suppress(Exception):  # the next training deletes it
            _delete(system, root)


def _write(system: Any, root: str, tables: Iterable[pa.Table], context: JobContext) -> None:
    with suppress(NotImplementedError):  # object stores have no folders
        system.makedirs(root, exist_ok=True)
    for part, table in enumerate(tables):
        context.check()
        file = io.BytesIO()
        pq.write_table(table, file)
        system.pipe_file(f"{root}/part-{part:05d}.parquet", file.getvalue())


def _clear(system: Any, root: str) -> None:
    """Delete the files of earlier jobs of this dataset, and of earlier attempts of this job."""
    parent, _, mine = root.rpartition("/")
    stem, job, attempt = mine.rsplit("-", 2)
    with suppress(FileNotFoundError):
        for path in system.ls(parent, detail=False):
            earlier = re.fullmatch(
                rf"{re.escape(stem)}-(\d+)-(\d+)", path.rstrip("/").rpartition("/")[2]
            )
            if earlier and (int(earlier[1]), int(earlier[2])) <= (int(job), int(attempt)):
                _delete(system, path.rstrip("/"))


def _delete(system: Any, root: str) -> None:
    for path in system.find(root):
        system.rm_file(path)
    with suppress(FileNotFoundError, NotImplementedError):  # as of object stores
        system.rmdir(root)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turn any error of a file system into a RecipeFailed."""
    try:
        yield
    except DriftdeskError:
        raise
    except Exception as error:
        log.warning("training rows cannot be written", error=str(error)[:1000])
        reason = printable(f"{type(error).__name__}: {error}".split("\n", 1)[0])[:300]
        raise RecipeFailed(
            f"The training rows cannot be written to {printable(url)} ({reason}). Check "
            "TRAINING_URL, and the credentials in the workers' environment."
        ) from error
