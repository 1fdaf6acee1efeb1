"""`driftdesk source check`, and what the pages say of a source that is no data API."""

from __future__ import annotations

import json
import os
import time
import tomllib
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.actions import pipeline
from console.cli.main import app
from console.desk import Desk
from console.queries import service_checks, status
from core.domain.dataset import Dataset
from core.domain.errors import SourceRefused
from core.domain.jobs import JobKind, JobState
from core.platform import source_section
from core.platform.dataset_file import load
from core.platform.settings import Settings
from tests.build import somebody
from tests.databases import migrated
from tests.pages import follow, titled
from tests.stacks import ROOT

RIDES = """
name = "rides"
[[columns]]
name = "rides"
type = "number"
role = "target"
[[columns]]
name = "weather"
type = "category"
role = "feature"
[source]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, **more: str
) -> Dataset:
    file = tmp_path / "rides.toml"
    file.write_text(RIDES + section)
    nowhere = "http://127.0.0.1:1"
    told = {
        "DATASET": str(file), "DATA_DIR": str(tmp_path), "DATA_API_URL": nowhere,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'desk.db'}", "REDIS_URL": "redis://127.0.0.1:1/0",
        "MLFLOW_TRACKING_URI": nowhere, "SERVING_URL": nowhere, "ACTOR": "ana",
    }  # fmt: skip
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)  # logs stay as they are
    for name, value in (told | more).items():
        monkeypatch.setenv(name, value)
    dataset = load(file)
    migrated(told["DATABASE_URL"], dataset)
    return dataset


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["source", "check", *arguments])


def put(path: Path) -> None:
    path.write_bytes(b"rides,weather\n1,sun\n")
    os.utime(path, (time.time() - 60,) * 2)


@pytest.mark.whole
def test_a_folder_names_its_next_file_or_says_why_there_is_none(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(tmp_path, monkeypatch, f'kind = "files"\nurl = "{folder}/*.csv"\n')
    answer = run()
    assert answer.exit_code == 0, answer.output
    assert f"Source: files at {folder}/*.csv." in answer.output
    assert "No new file" in answer.output
    put(folder / "monday.csv")
    found = json.loads(run("--json").output)
    assert (found["kind"], found["new"]) == ("files", True)
    assert found["note"] == "The next batch is monday.csv: 20 bytes, csv."
    (folder / "monday.csv").unlink()
    folder.rmdir()
    gone = run()
    assert (gone.exit_code, "does not exist. Create it" in gone.output) == (1, True)


def test_a_data_api_that_is_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, monkeypatch, 'kind = "data_api"\n')
    answer = run()
    assert answer.exit_code == 1
    assert "The data API at http://127.0.0.1:1 cannot be reached." in answer.output


def test_the_desk_names_the_source_and_refuses_to_restart_it(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = configured(tmp_path, monkeypatch, f'kind = "files"\nurl = "{folder}"\n')
    desk = Desk.make(Settings(_env_file=None))
    with closing(desk.store):
        (check,) = [c for c in service_checks.checks(desk) if c.name == "Source (files)"]
        assert check.run().says == f"files at {folder}; no ingest has ended yet"
        with desk.store.begin() as work:
            job, _ = work.jobs.request(JobKind.INGEST, {}, "ana")
            work.jobs.claim(job.id, 1, "w", timedelta(minutes=1))
            work.jobs.finish(job.id, "w", JobState.FAILED, error="The folder is away.")
            work.batches.open_epoch()
            work.commit()
        service = check.run()
        assert (service.healthy, service.says) == (
            False, f"files at {folder}. The last ingest failed: The folder is away.",
        )  # fmt: skip
        assert "Data API" not in {c.name for c in service_checks.checks(desk)}
        assert status.status(desk).ending is None
        with pytest.raises(SourceRefused, match="no first batch to go back to"):
            status.ends(desk, restart=True)  # asked for before it counts what would go
        with pytest.raises(SourceRefused, match="no first batch to go back to"):
            pipeline.request_ingest(desk, somebody(), restart=True, ends=1)
    assert dataset.source == desk.dataset.source


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("how-to/files.md", "rides.toml"),
        ("how-to/own-data-api.md", "source.toml"),
        ("how-to/sql.md", "rides.toml"),
    ],
)
def test_the_pages_show_sections_that_are_read(page: str, title: str) -> None:
    document = tomllib.loads(titled(page, title))
    assert source_section.parse(document["source"])


@pytest.mark.whole
@pytest.mark.parametrize("page", ["how-to/files.md", "how-to/sql.md"])
def test_the_pages_about_sources_print_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    configured(tmp_path, monkeypatch, 'kind = "upload"\n')
    (tmp_path / "desk.db").unlink()
    (tmp_path / "rides.toml").write_text(titled(page, "rides.toml"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LOG_FORMAT", "json")
    follow(page, os.environ, tmp_path)
