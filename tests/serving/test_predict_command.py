"""`driftdesk predict` against a real serving: one row explained, and a file in and out."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import main, shared
from core.domain.dataset import Dataset
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from tests.build import contract
from tests.databases import migrated
from tests.models import tiny_model
from tests.record import decide_at
from tests.serving.test_answers import trained
from tests.serving.test_api import Champions, api, version
from tests.stacks import wait_for


@pytest.fixture(scope="module")
def whole() -> bytes:
    return trained(load(SHIPPED_DATASETS / "real_estate.toml"))


@pytest.fixture
def champions(whole: bytes) -> Champions:
    made = Champions()
    made.put(3, whole)
    return made


@pytest.fixture
def url(
    champions: Champions, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    database = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(database, dataset)
    decide_at(database, dataset, 3, champions.digests[3])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database)
    # The runner's stderr closes with each command, and logging would go on writing to it.
    monkeypatch.setattr(shared, "configure", lambda *_: None)
    with api(champions, tmp_path, database) as served:
        monkeypatch.setenv("SERVING_URL", served)
        wait_for("version 3 is not live", lambda: version(served) == 3)
        yield served


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main.app, ["predict", *arguments])


def test_one_row_is_explained_in_lines_and_in_json(url: str) -> None:
    told = run("bed=3", "house_size=1500", "state=s1", "--explain")
    assert told.exit_code == 0, told.output
    assert re.search(r"interval [\d,.]+ to [\d,.]+", told.stdout)
    assert "90 % prediction interval; measured coverage 91.2 % on 90 rows not used" in told.stdout
    assert re.search(r"[+x÷-].*  House size \(1,500 sq ft\)", told.stdout)
    assert "version 3, prediction " in told.stdout
    plain = json.loads(run("bed=3", "--json").stdout)
    assert "contributions" not in plain
    explained = json.loads(run("bed=3", "--json", "--explain").stdout)
    assert explained["contributions"]["scale"] == "log"


def test_a_file_goes_in_and_its_answers_come_out(url: str, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    cells = "\n".join(f"{n % 5},{500 + n},=evil{n}" for n in range(1_200))
    source.write_text(f"bed,house_size,city\n{cells}\n", encoding="utf-8")
    done = run("--csv", str(source), "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "42%  500 of 1,200 rows" in done.stderr
    assert "100%  1,200 of 1,200 rows" in done.stderr
    assert done.stdout == ""
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert len(rows) == 1_200
    assert rows[7]["city"] == "'=evil7"
    assert {r["model_version"] for r in rows} == {"3"}
    assert all(float(r["low"]) < float(r["prediction"]) < float(r["high"]) for r in rows)
    assert [p.name for p in tmp_path.glob(".out*")] == []


def test_rows_that_do_not_fit_are_told_and_the_others_answered(url: str, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("bed\n1\nmany\n" + "-1\n" * 30, encoding="utf-8")
    done = run("--csv", str(source))
    assert done.exit_code == 1
    assert "line 3: bed: must be a number" in done.stderr
    assert "and 11 more invalid rows" in done.stderr
    assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 1


def test_a_file_from_a_spreadsheet_is_read_and_how_is_told(url: str, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("bed;acre_lot;city\n1;0,5;Zürich\n", encoding="cp1252")
    done = run("--csv", str(source))
    assert done.exit_code == 0, done.output
    assert "cp1252, separated by semicolons, with a decimal comma" in " ".join(done.stderr.split())
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["acre_lot"], row["city"]) == ("0.5", "Zürich")


def test_what_is_left_aside_of_a_file_is_told(url: str, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("bed,note\n1,a\n,\n2,b\n", encoding="utf-8")
    refused = run("--csv", str(source))
    assert refused.exit_code == 1
    assert "The model takes no column note, and the file has no " in refused.stderr
    assert "--ignore-extra" in refused.stderr
    done = run("--csv", str(source), "--ignore-extra")
    assert done.exit_code == 0, done.output
    assert "Ignored, because the model does not take them: note." in done.stderr
    assert "1 empty row left out: line 3." in done.stderr
    assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"PK\x03\x04", "Excel"), (b"", "empty"), (None, "cannot be read")],
)
def test_a_file_that_is_none_is_one_sentence(
    url: str, tmp_path: Path, content: bytes | None, says: str
) -> None:
    source = tmp_path / "in.csv"
    if content is not None:
        source.write_bytes(content)
    done = run("--csv", str(source))
    assert done.exit_code == 1
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_a_place_that_cannot_be_written_is_said(url: str, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("bed\n1\n", encoding="utf-8")
    done = run("--csv", str(source), "--out", str(tmp_path / "no" / "out.csv"))
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr


def test_a_model_that_changed_half_way_keeps_what_was_answered(
    url: str, champions: Champions, dataset: Dataset, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from core.adapters.serving.replicas import Serving

    real, asked = Serving.predict_batch, []

    def change(self: Serving, rows: Any, **more: Any) -> Any:
        asked.append(rows)
        if len(asked) == 2:
            made = contract(dataset)
            narrow = type(made)(made.dataset, made.title, made.target, made.target_label,
                                made.target_unit, made.fields[1:2])  # fmt: skip
            champions.put(4, tiny_model(narrow))
            decide_at(os.environ["DATABASE_URL"], dataset, 4, champions.digests[4])
            wait_for("version 4 is not live", lambda: version(url) == 4)
        return real(self, rows, **more)

    monkeypatch.setattr(Serving, "predict_batch", change)
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("bath\n" + "1\n" * 600, encoding="utf-8")
    done = run("--csv", str(source), "--out", str(out))
    assert done.exit_code == 1
    assert "this model takes no such field" in done.stderr
    assert "500 of 600 rows are answered" in done.stderr
    assert len(out.read_text(encoding="utf-8").splitlines()) == 501
