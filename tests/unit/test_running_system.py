"""The record that `make run` leaves, and who reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from console.queries import doctor_rules, doctor_server_rules
from console.queries.doctor_rules import State
from core.domain.errors import SettingsError
from core.platform import running_system
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS, read_settings

RUNS = {
    "REDIS_URL": "redis://:hidden@127.0.0.1:6390/0",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:15000",
    "SERVING_URL": "http://127.0.0.1:18000",
    "DATASET": "real_estate",
    "ACTOR": "ana",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory in which nothing is set, and its data folder."""
    for name in RUNS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    data = tmp_path / ".data"
    data.mkdir()
    return data


def test_what_nothing_sets_is_read_from_the_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_system.write(folder, RUNS)
    monkeypatch.setenv("SERVING_URL", "http://127.0.0.1:9")
    settings = read_settings()
    assert settings.mlflow_tracking_uri == "http://127.0.0.1:15000"
    assert settings.serving_url == "http://127.0.0.1:9"
    running_system.remove(folder)
    assert read_settings().mlflow_tracking_uri == "http://127.0.0.1:5000"


def test_no_secret_is_recorded(folder: Path) -> None:
    running_system.write(folder, RUNS)
    assert running_system.read(folder).keys() == {"mlflow_tracking_uri", "serving_url", "dataset"}
    assert "hidden" not in (folder / "running.json").read_text()


@pytest.mark.parametrize("change", [{"version": 2}, {"started": "1"}, {"settings": None}])
def test_a_record_of_a_process_that_is_gone_or_of_another_version_counts_as_none(
    folder: Path, change: dict[str, object]
) -> None:
    running_system.write(folder, RUNS)
    file = folder / "running.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert running_system.read(folder) == {}


def test_a_record_whose_process_was_killed_counts_as_none(folder: Path) -> None:
    code = (
        "import os, pathlib, signal; from core.platform import running_system as r; "
        f"r.write(pathlib.Path({str(folder)!r}), {RUNS!r}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = str(Path(running_system.__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": root})
    assert (folder / "running.json").exists()
    assert running_system.read(folder) == {}


def test_the_doctor_says_which_settings_name_something_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_system.write(folder, RUNS)
    recorded = running_system.read(folder)
    assert doctor_rules.running("Runs.", recorded, read_settings()).state is State.OK
    monkeypatch.setenv("DATASET", str(SHIPPED_DATASETS / "real_estate.toml"))
    found = doctor_rules.running("Runs.", recorded, read_settings())
    assert found.state is State.WARN
    assert found.says == "Runs. The settings differ in DATASET."


def test_the_doctor_says_when_dataset_and_tables_do_not_belong_together() -> None:
    houses = load(SHIPPED_DATASETS / "real_estate.toml")
    own = {houses.rows_table: ["id", *houses.names]}
    assert doctor_server_rules.dataset(houses, own).state is State.OK
    assert doctor_server_rules.dataset(houses, {}).state is State.WARN
    other = doctor_server_rules.dataset(houses, {"rows_rides": ["id"]})
    assert other.state is State.BAD
    assert "has rows_rides instead of rows_real_estate" in other.says
    assert doctor_server_rules.dataset(houses, {houses.rows_table: ["id"]}).state is State.BAD


def test_a_sentence_about_a_setting_is_free_of_its_library(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder.exists()
    monkeypatch.setenv("REDIS_URL", "redis://queue.example/0")
    with pytest.raises(SettingsError, match=r"^Check these settings: REDIS_URL: names a Redis"):
        read_settings()
