"""The example files of how-to/formats.md give the rows that the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.adapters.readers import parse
from core.platform.dataset_file import load
from core.rules.data.profile import Profiler
from tests.pages import DOCS, titled

PAGE = "how-to/formats.md"


@pytest.mark.parametrize("name", ["batch.json", "batch.jsonl", "batch.csv"])
def test_the_example_files_hold_the_same_rows(tmp_path: Path, name: str) -> None:
    (tmp_path / "rides.toml").write_text(titled("how-to/own-dataset.md", "rides.toml"))
    dataset = load(tmp_path / "rides.toml")
    path = tmp_path / name
    path.write_text(titled(PAGE, name), encoding="utf-8")
    (chunk,) = parse.chunks(path, dataset, Profiler(dataset), lambda _: None)
    assert chunk.quarantined == []
    assert [(r["weather"], r["temperature"], r["station"]) for r in chunk.rows.to_pylist()] == [
        ("rain", 9.5, "12"),
        (None, 14.0, "3"),
    ]
    detected = parse.note(path, dataset)
    assert bool(detected) == (name == "batch.csv")
    assert detected in " ".join((DOCS / PAGE).read_text(encoding="utf-8").split())
