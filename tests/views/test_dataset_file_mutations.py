"""Each key of a dataset file wrong in turn: one sentence, exit code 2, no traceback.

The files are the one that ships, the same judged by time with gates of its own, and one that
`driftdesk dataset init` writes.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.main import app
from core.domain.errors import DatasetError
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from tests.views.test_dataset_commands import orders

Place = tuple[str | int, ...]

WRONG: list[Any] = [True, 7, 1.5, "\x1b[31m", ["x"], {"a": 1}]
"""A value of each type, none of which any key takes where another type is wanted."""


BY_TIME: dict[str, Any] = {
    "split": "time",
    "time_column": "prev_sold_date",
    "share": 0.25,
    "gates": [
        {"metric": "mdape", "at_most": 0.25},
        {"metric": "r2", "at_least": 0.5},
        {"slice": "state", "worse_by_at_most": 0.1},
    ],
}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which nothing runs."""
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


SECTIONS: dict[str, dict[str, Any]] = {
    "an estimator": {"training": {"recipe": "estimator", "estimator": "team.recipes:make"}},
    "a command": {
        "training": {"recipe": "command", "command": ["python", "train.py"], "folder": "/srv/rides"}
    },
    "judged by time": {"evaluation": BY_TIME},
}


@pytest.fixture(params=["shipped", "written by init", *SECTIONS])
def document(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param != "written by init":
        shipped = tomllib.loads((SHIPPED_DATASETS / "real_estate.toml").read_text(encoding="utf-8"))
        return shipped | SECTIONS.get(request.param, {})
    table = orders(tmp_path / "orders.csv", 100)
    done = CliRunner().invoke(app, ["dataset", "init", str(table)])
    assert done.exit_code == 0, done.output
    return tomllib.loads(done.stdout)


def places(document: dict[str, Any]) -> Iterator[Place]:
    """Every key of the file, in tables too."""
    for key, value in document.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *inner) for inner in places(value))
        elif isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
            for n, entry in enumerate(value):
                yield from ((key, n, *inner) for inner in places(entry))


def changed(document: dict[str, Any], place: Place, key: str, *value: Any) -> dict[str, Any]:
    """The file without what is at the place, or with a value under that key there."""
    made = copy.deepcopy(document)
    table = made
    for step in place[:-1]:
        table = table[step]  # type: ignore[index]
    before = table.pop(str(place[-1]))
    table[key] = value[0] if value else before
    if not key:
        del table[key]
    return made


def toml(value: Any) -> str:
    """A value in TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def refusal(document: dict[str, Any]) -> str:
    """What `driftdesk` says of a file; empty if it takes it."""
    text = "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in document.items())
    Path("mine.toml").write_text(text, encoding="utf-8")
    try:
        load(Path("mine.toml"))
    except DatasetError as error:
        return sentence(str(error), "mine.toml")
    return ""


def sentence(line: str, file: str) -> str:
    assert line.startswith(f"The dataset file {file} cannot be ")
    assert line.endswith(".")
    assert line.isprintable()
    assert len(line) < 600
    return line


def printed(file: str) -> str:
    """What a command prints of a file that it refuses."""
    done = CliRunner().invoke(app, ["dataset", "check", "rows.csv", "--dataset", file])
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)
    (line,) = done.output.splitlines()
    return sentence(line, file)


def named(document: dict[str, Any], place: Place) -> str:
    """What a complaint calls the place: the column first, where it has a name, or the gate."""
    if place[:2] == ("evaluation", "gates") and len(place) > 3:
        return f"evaluation.gates, gate {int(place[2]) + 1}: "
    if len(place) > 2 and place[0] == "columns":
        return f"column {document['columns'][place[1]]['name']}: "
    return ""


def test_the_files_themselves_are_taken(document: dict[str, Any]) -> None:
    assert refusal(document) == ""


def test_a_value_of_a_wrong_type_is_shown_beside_its_key(document: dict[str, Any]) -> None:
    tried = 0
    for place in places(document):
        there = changed(document, place, str(place[-1]))
        table: Any = there
        for step in place:
            table = table[step]
        for wrong in WRONG:
            if isinstance(wrong, type(table)) and not isinstance(wrong, str):
                continue
            line = refusal(changed(document, place, str(place[-1]), wrong))
            if not line:  # such as a default, which may be text or a number
                assert isinstance(wrong, int | float | str), (place, wrong)
                continue
            assert str(place[-1]) in line, (place, line)
            assert ascii(wrong)[:60] in line or "markup" in line, (place, line)
            if place[-1] != "name":
                assert named(document, place) in line, (place, line)
            tried += 1
    assert tried > 150


def test_a_misspelt_key_is_named_with_the_one_that_was_meant(document: dict[str, Any]) -> None:
    shown: set[str] = set()
    for place in places(document):
        key = str(place[-1])
        if place[0] == "limits" and len(place) == 2:
            continue  # the statistics are listed
        typo = key[:-2] + key[-1] + key[-2] if len(key) > 4 else key + "s"
        line = refusal(changed(document, place, typo))
        assert f"unknown keys {typo}" in line, (place, line)
        assert f"did you mean {key}?" in line, (place, line)
        assert "take them out, or write one of " in line
        if key not in shown:
            assert printed("mine.toml") == line
            shown.add(key)
    assert len(shown) > 10


def test_a_key_that_is_missing_is_named_or_not_needed(document: dict[str, Any]) -> None:
    for place in places(document):
        line = refusal(changed(document, place, ""))
        key = str(place[-1])
        if place == ("columns",):
            assert "columns must be tables; write [[columns]] above the keys of each" in line
        elif key in ("name", "type", "role"):
            assert f"{key} is missing" in line, (place, line)
        elif line:  # a key that another one needs: parse of times without their zone
            assert key in line, (place, line)


@pytest.mark.parametrize("value", ["", "x" * 201, "no such", "-1"])
def test_a_text_that_no_key_takes_is_refused_or_is_free(
    document: dict[str, Any], value: str
) -> None:
    free = {"title", "unit", "label", "source", "default", "end_of_data", "folder"}
    for place in places(document):
        line = refusal(changed(document, place, str(place[-1]), value))
        assert line or place[-1] in free or value == "", (place, value)
        if line:
            assert str(place[-1]) in line, (place, line)


def test_what_is_no_dataset_file_is_a_sentence_too(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "latin.toml").write_bytes(b'title = "caf\xe9"')
    (tmp_path / "no.toml").write_text("name rides")
    for file in ("folder.toml", "latin.toml", "no.toml", "nowhere.toml"):
        assert "cannot be read" in printed(file)
