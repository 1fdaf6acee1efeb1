"""Public data sets, each from its file to served answers; THOROUGH tries all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.public_data import DATA, ROWS, serve
from tests.stacks import THOROUGH


@pytest.mark.parametrize("name", DATA if THOROUGH else ["gapminder", "diagnosis"])
def test_every_row_of_the_file_gets_an_answer(tmp_path: Path, name: str) -> None:
    *_, (_, file), (_, one) = serve(name, tmp_path)
    assert file == f"{ROWS} of {ROWS} rows have an answer.\n"
    assert one.startswith("200 ")
