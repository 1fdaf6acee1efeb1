"""Role checks of every command of the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
import typer
from typer.testing import CliRunner

from console import identity
from console.cli.main import app
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import BadInput, SettingsError
from core.platform.settings import Settings
from core.rules.access.roles import Role
from tests.databases import migrated
from tests.fleets import folder_of

ROLES = """
[viewer]
users = ["vic"]
emails = ["ana@desk.internal"]
[operator]
users = ["ben"]
"""
GIVEN = {"cadence": "daily", "names": "all", "subject": "job:1", "name": "team",
         "prediction_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "percent": "20",
         "dataset": "real_estate", "fields": "bed=3"}  # fmt: skip


def leaves(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


def arguments(command: Any) -> list[str]:
    return [
        GIVEN.get(p.name, "1")
        for p in command.params
        if p.param_type_name == "argument" and (p.required or p.name in GIVEN)
    ]


COMMANDS = {" ".join(path): command for path, command in leaves(typer.main.get_command(app))}
ACTS = [
    name
    for name, command in COMMANDS.items()
    if any(p.name == "actor" for p in command.params) and name != "follow-ups"
]
READS = sorted(set(COMMANDS) - set(ACTS))


@pytest.fixture
def url(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    made = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(made, dataset)
    roles = tmp_path / "roles.toml"
    roles.write_text(ROLES, encoding="utf-8")
    told = {
        "DATABASE_URL": made, "DATA_DIR": str(tmp_path), "ACTOR": "eve", "AUTH": "oidc",
        "AUTH_ROLES_FILE": str(roles), "AUTH_CONTACT": "Olga", "REDIS_URL": "redis://127.0.0.1:1/0",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1", "SERVING_URL": "http://127.0.0.1:1",
        "DATA_API_URL": "http://127.0.0.1:1", "SERVING_KEYS": str(tmp_path / "keys"),
        "WEBHOOK_URL": "http://127.0.0.1:1/", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    structlog.reset_defaults()
    yield made
    structlog.reset_defaults()


DECIDES = {"rollback": ("--reason", "x"), "approve": ("1",), "reject": ("1",)}
"""Without these words the command lists versions, and decides nothing."""


def run(name: str, *more: str) -> Any:
    return CliRunner().invoke(app, [*name.split(), *arguments(COMMANDS[name]), *more])


def on_record(url: str, dataset: Dataset) -> list[Any]:
    store = Store.open(url, dataset)
    with store.read() as work:
        found = work.audit.latest()
    store.close()
    return found


def test_there_are_commands_of_both_kinds() -> None:
    assert {"approve", "ingest", "keys add", "limits set", "schedule remove"} <= set(ACTS)
    assert {"status", "audit", "dossier", "keys list"} <= set(READS)
    assert isinstance(COMMANDS["status"], click.Command) or COMMANDS["status"].params


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("name", COMMANDS)
def test_who_has_no_role_can_neither_act_nor_look(name: str) -> None:
    said = run(name)
    assert said.exit_code == 1, said.output
    assert "eve is nobody here; seeing the desk needs a viewer. Ask Olga." in said.output


@pytest.mark.parametrize("name", [n for n in ACTS if not n.startswith("schedule ")])
def test_a_viewer_cannot_act(
    name: str, url: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "console.queries.served_model.served", lambda _desk: {}
    )  # asked for the row's types
    said = run(name, "--actor", "vic", *DECIDES.get(name, ()))
    assert said.exit_code == 1, said.output
    assert "vic is viewer here;" in said.output
    (event,) = on_record(url, dataset)
    assert (event.actor, event.action) == ("vic", "refused")
    assert event.details["by"]["known_by"].startswith("command line, user ")


OTHER = """
[datasets.trips.admin]
users = ["tess"]
"""


def test_a_role_for_another_dataset_is_none_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody learns more about a dataset than that there is none of that name for them."""
    folder = folder_of(tmp_path, monkeypatch, "rides", "trips", roles=OTHER)
    monkeypatch.setenv("ACTOR", "tess")
    monkeypatch.setitem(GIVEN, "dataset", "rides")
    of_the_desk = []
    for name, command in COMMANDS.items():
        kinds = {p.name: p.param_type_name for p in command.params}
        if name in ("dataset init", "dataset list", "dataset show"):
            continue
        option = ["--dataset", "rides"] if kinds.get("dataset") == "option" else []
        is_whole = "dataset" not in kinds or name in ("backup", "restore")
        said = run(name, *option)
        assert said.exit_code == 1, said.output
        why = "There is no dataset 'rides' that you may see. Datasets: trips."
        if is_whole:
            of_the_desk.append(name)
            why = "tess is nobody here; "
        assert why in said.output, name
    assert of_the_desk == [
        "backup", "restore", "notify-test", "keys add", "keys list", "keys remove",
    ]  # fmt: skip
    store = folder.store("rides")
    with store.read() as work:
        assert work.audit.latest() == []
    store.close()


@pytest.mark.usefixtures("url")
def test_a_viewer_can_look_and_an_operator_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTOR", "vic")
    assert run("audit").exit_code == 0
    assert run("schedule add").exit_code == 1
    made = run("schedule add", "--actor", "ben", "--json")
    assert json.loads(made.output)["created_by"] == "ben"
    assert run("schedule pause", "--actor", "vic").exit_code == 1
    assert run("schedule pause", "--actor", "ben").exit_code == 0


@pytest.mark.usefixtures("url")
def test_a_name_that_logs_in_elsewhere_has_no_role_here() -> None:
    assert (
        "ana@desk.internal is nobody here" in run("ingest", "--actor", "ana@desk.internal").output
    )


def test_without_login_the_command_line_is_an_admins(
    url: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH", "none")
    assert run("keys add").exit_code == 0
    (event,) = on_record(url, dataset)
    assert event.actor == "eve"
    assert event.details["by"]["role"] == "admin"


def test_the_record_says_which_user_of_the_machine_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """LOGNAME, which anybody can set, is ignored."""
    monkeypatch.setenv("LOGNAME", "somebody-else")
    settings = Settings(_env_file=None, actor="ana")
    found = identity.command_line_actor(settings, "")
    assert (found.name, found.role) == ("ana", Role.ADMIN)
    assert "somebody-else" not in found.known_by
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert identity.command_line_actor(settings, "").known_by == "command line, user 2147483641"
    for name in ("x" * 201, "a\nb"):
        with pytest.raises(BadInput, match="printable"):
            identity.command_line_actor(settings, name)


def test_a_changed_roles_file_holds_at_once(tmp_path: Path) -> None:
    path = tmp_path / "roles.toml"
    settings = Settings(_env_file=None, auth="oidc", auth_roles_file=str(path))
    for text, role in ((ROLES, Role.VIEWER), (ROLES.replace("viewer", "admin"), Role.ADMIN)):
        path.write_text(text, encoding="utf-8")
        assert identity.grants(settings).role_of_user("vic") is role
    path.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="cannot be used"):
        identity.grants(settings)
    path.write_text("#" * 1_000_001, encoding="utf-8")
    with pytest.raises(SettingsError, match="too large"):
        identity.grants(settings)
    path.unlink()
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        identity.grants(settings)
