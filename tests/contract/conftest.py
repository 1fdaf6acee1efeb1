"""What several modules of this folder share; a module that needs another one defines its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.answers import NextAnswers, next_answers


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def api() -> Iterator[NextAnswers]:
    with next_answers() as server:
        yield server
