"""`driftdesk predict` against a real serving: one row explained, and a file in and out."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console import cli, terminal
from core.dataset import Dataset, load
from core.settings import DATASETS
from core.store.schema import migrate
from tests.build import contract
from tests.models import tiny_model
from tests.serving.test_answers import trained
from tests.serving.test_api import Champions, api, version
from tests.stacks import wait_for


@pytest.fixture(scope="module")
def whole() -> bytes:
    return trained(load(DATASETS / "real_estate.toml"))


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
    migrate(database, dataset)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database)
    # The runner's stderr closes with each command, and logging would go on writing to it.
    monkeypatch.setattr(terminal, "configure", lambda *_: None)
    with api(champions, tmp_path, database) as served:
        monkeypatch.setenv("SERVING_URL", served)
        wait_for("version 3 is not live", lambda: version(served) == 3)
        yield served


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, ["predict", *arguments])


def test_one_row_is_explained_in_lines_and_in_json(url: str) -> None:
    told = run("bed=3", "house_size=1500", "state=s1", "--explain")
    assert told.exit_code == 0, told.output
    assert re.search(r"range [\d,.]+ to [\d,.]+", told.stdout)
    assert "90% of such rows were within; measured coverage 91.2% on 90 rows" in told.stdout
    assert re.search(r"[+\u2212x÷].*  House size \(1,500 sq ft\)", told.stdout)
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
    assert "and 11 more rows that do not fit" in done.stderr
    assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"bed;bath\n1;2\n", "semicolons"), (b"", "empty"), (None, "cannot be read")],
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
    from core.remote import Serving

    real, asked = Serving.predict_batch, []

    def change(self: Serving, rows: Any) -> Any:
        asked.append(rows)
        if len(asked) == 2:
            made = contract(dataset)
            narrow = type(made)(made.dataset, made.title, made.target, made.target_label,
                                made.target_unit, made.fields[1:2])  # fmt: skip
            champions.put(4, tiny_model(narrow))
            wait_for("version 4 is not live", lambda: version(url) == 4)
        return real(self, rows)

    monkeypatch.setattr(Serving, "predict_batch", change)
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("bath\n" + "1\n" * 600, encoding="utf-8")
    done = run("--csv", str(source), "--out", str(out))
    assert done.exit_code == 1
    assert "this model takes no such field" in done.stderr
    assert "500 of 600 rows are answered" in done.stderr
    assert len(out.read_text(encoding="utf-8").splitlines()) == 501
