"""The files that a training command wrote: the model, and files to store in MLflow."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from core.domain.errors import RecipeFailed
from core.domain.safe_text import printable

MODEL = "model.onnx"

LARGEST_MODEL = 500_000_000
MOST_FILES = 100
MOST_BYTES = 50_000_000
_DEEPEST = 5
_MOST_SEEN = 10_000


def read_files(folder: Path) -> tuple[bytes | None, dict[str, bytes], str]:
    """The model, if there is one; the other files by name; a sentence about files left out.

    Links are left out: they may point to anything on this machine.

    Raises:
        RecipeFailed: the model is too large.
    """
    model: bytes | None = None
    files: dict[str, bytes] = {}
    size, skipped = 0, 0
    for name, path in _regular(folder):
        length = path.stat().st_size
        if name == MODEL:
            if length > LARGEST_MODEL:
                raise RecipeFailed(
                    f"The training command left a model.onnx of {length / 1e6:,.0f} MB; it may "
                    f"have {LARGEST_MODEL / 1e6:,.0f} MB."
                )
            model = path.read_bytes()
        elif len(files) == MOST_FILES or size + length > MOST_BYTES or name != printable(name):
            skipped += 1
        else:
            files[name] = path.read_bytes()
            size += length
    left_out = (
        f"{skipped} of the files that the training command left are not kept: MLflow gets at most "
        f"{MOST_FILES} of them, with {MOST_BYTES / 1e6:,.0f} MB and printable names."
    )
    return model, files, left_out if skipped else ""


def _regular(folder: Path) -> Iterator[tuple[str, Path]]:
    """Regular files by their path in the folder, in order; the first `_MOST_SEEN` of them."""
    count = 0
    for here, folders, names in os.walk(folder):
        folders.sort()
        if len(Path(here).relative_to(folder).parts) >= _DEEPEST:
            folders.clear()
        for name in sorted(names):
            path = Path(here) / name
            count += 1
            if count > _MOST_SEEN:
                return
            if stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(folder).as_posix(), path
