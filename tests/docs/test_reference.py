"""The reference says what the code says, and nothing is left out of it."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from core.adapters.store.tables import metadata
from core.domain.dataset import Dataset
from core.domain.jobs import JobKind
from core.domain.promotions import Decision
from core.platform.settings import Settings
from core.rules.ops.live_alerts import SEEN
from core.rules.ops.notification import MAX_ATTEMPTS, Delivery, Event, Notice, body, pause_after
from core.rules.ops.restored_trail import RESTORE
from core.usecases.batch_facts import DISMISS
from docs.generator import api as api_page
from docs.generator import cli, tables
from docs.generator.__main__ import FOLDER, PAGES, stale
from serving.http.openapi import openapi
from tests.build import contract
from tests.models import tiny_model
from tests.serving.test_api import Champions, api, version
from tests.stacks import ROOT, wait_for

EVENTS = (FOLDER / "events.md").read_text(encoding="utf-8")


def test_what_is_committed_is_what_the_code_gives() -> None:
    names = [path.name for path in stale()]
    assert not names, "run `make docs` and commit what it writes"
    written_by_hand = {"index.md", "measurements.md", "events.md"}
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
        assert listed(section) == [column.name for column in table.columns]


def listed(page: str) -> list[str]:
    """The first cells of the tables of a page."""
    return re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)


def test_every_table_says_what_it_is_for() -> None:
    said = tables.comments()
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
        "console/actions/api_keys.py": {"key added", "key removed"},
    }
    named = {"DISMISS": DISMISS, "SEEN": SEEN, "RESTORE": RESTORE}
    written: set[str] = set()
    for module, action in audit_calls():
        if isinstance(action, ast.Constant):
            written.add(str(action.value))
        elif isinstance(action, ast.JoinedStr):
            verb = action.values[0].value  # type: ignore[attr-defined]
            assert ast.unparse(action) == f"f'{verb}{{kind.value}}'"
            assert verb in ("request ", "join ")
            written |= {f"{verb}{kind.value}" for kind in JobKind if kind is not JobKind.PROMOTE}
        elif ast.unparse(action) == "act.decision.value":
            written |= set(Decision) - {Decision.REJECT, Decision.SUPERSEDE}
        elif ast.unparse(action) in named:
            written.add(named[ast.unparse(action)])
        else:
            texts = set(re.findall(r'"([^"\n]+)"', (ROOT / module).read_text(encoding="utf-8")))
            assert given[module] <= texts
            written |= given[module]
    actions = listed(EVENTS.split("\n## Notifications\n")[0])
    assert len(actions) == len(set(actions))
    assert written == set(actions)


def test_the_notifications_are_those_that_are_sent() -> None:
    page = EVENTS.split("\n## Notifications\n")[1]
    assert listed(page) == [event.value for event in Event]
    states = ", ".join(f"`{state.value}`" for state in Delivery)
    assert f"A delivery is one of {states}." in page
    pauses = ", ".join(f"{pause_after(n).total_seconds():,.0f} s" for n in range(1, MAX_ATTEMPTS))
    assert f"It is attempted {MAX_ATTEMPTS} times, with pauses of {pauses}." in page
    example = json.loads(page.split("```json\n")[1].split("```")[0])
    shown = example["driftdesk"]
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    notice = Notice(
        1, shown["id"], Event.CANDIDATE, shown["subject"], shown["text"], at,
        Delivery.PENDING, 0, at,
    )  # fmt: skip
    assert body(notice, "http://127.0.0.1:8501") == example


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
