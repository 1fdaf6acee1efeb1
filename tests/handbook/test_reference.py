"""The reference says what the code says, and nothing is left out of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import requests

from core.dataset import Dataset
from core.notice import Event
from core.records import JobKind
from core.settings import Settings
from core.tables import metadata
from handbook import api as api_page
from handbook import cli, events, tables
from handbook.__main__ import FOLDER, PAGES, old
from serving.schema import openapi
from tests.build import contract
from tests.models import tiny_model
from tests.serving.test_api import Champions, api, version
from tests.stacks import ROOT, wait_for


def test_what_is_committed_is_what_the_code_gives() -> None:
    names = [path.name for path in old()]
    assert not names, "run `make docs` and commit what it writes"
    written_by_hand = {"index.md", "measurements.md"}
    assert set(PAGES) | written_by_hand == {path.name for path in FOLDER.glob("*.md")}


def test_each_thing_is_named_on_its_page() -> None:
    said = {name: (FOLDER / name).read_text(encoding="utf-8") for name in PAGES}
    for name in Settings.model_fields:
        assert f"| `{name.upper()}` |" in said["settings.md"]
    for name, _ in cli.commands():
        assert f"\n## `driftdesk {name}`\n" in said["cli.md"]
    for method, path, _ in api_page.operations(openapi(None)):
        assert f"\n## `{method.upper()} {path}`\n" in said["api.md"]
    for table in metadata.tables.values():
        section = said["tables.md"].split(f"\n## `{table.name}`\n")[1].split("\n## ")[0]
        listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
        assert listed == [column.name for column in table.columns]
    for event in Event:
        assert f"| `{event.value}` |" in said["events.md"]


def test_every_table_says_what_it_is_for() -> None:
    said = tables.meanings()
    assert [name for name in metadata.tables if not said.get(name)] == []


def test_every_option_says_what_it_is_for() -> None:
    silent = [
        f"{name} {parameter.name}"
        for name, command in cli.commands()
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.help
    ]
    assert silent == []


def audit_calls() -> list[tuple[str, ast.expr]]:
    """Each place that writes an audit event: its module, and what it gives as the action."""
    modules = [
        path
        for program in ("core", "console", "workers")
        for path in sorted((ROOT / program).rglob("*.py"))
    ]
    return [
        (str(path.relative_to(ROOT)), node.args[1])
        for path in modules
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("audit.add")
    ]


def test_the_audit_actions_are_those_that_are_written() -> None:
    given = {  # where the action is not written out: what the module may put there
        "core/decisions.py": {"approve", "force", "rollback"},
        "console/keys.py": {"key added", "key removed"},
    }
    written: set[str] = set()
    for module, action in audit_calls():
        if isinstance(action, ast.Constant):
            written.add(str(action.value))
        elif isinstance(action, ast.JoinedStr):
            assert ast.unparse(action) == "f'request {kind.value}'"
            written |= {f"request {kind.value}" for kind in JobKind} - {"request promote"}
        else:
            texts = set(re.findall(r'"([^"\n]+)"', (ROOT / module).read_text(encoding="utf-8")))
            assert given[module] <= texts
            written |= given[module]
    assert written == set(events.AUDIT)


def shape(value: Any) -> Any:
    """A document without its values."""
    if isinstance(value, dict):
        return {key: shape(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [shape(inside) for inside in value]
    return "number" if isinstance(value, int | float) else type(value).__name__


@pytest.fixture
def url(dataset: Dataset, tmp_path: Path) -> Any:
    champions = Champions()
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as served:
        wait_for("version 1 is not live", lambda: version(served) == 1)
        yield served


def test_each_example_is_what_serving_answers(url: str) -> None:
    for (method, path), (request, answer) in api_page.EXAMPLES.items():
        got = requests.request(method, url + path, json=request, timeout=5)
        assert got.ok
        assert shape(got.json()) == shape(answer), path
    request, problem = api_page.PROBLEM
    got = requests.post(f"{url}/predict", json=request, timeout=5)
    assert (got.status_code, got.json()) == (problem["status"], problem)
