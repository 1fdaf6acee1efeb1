"""The demo's datasets: files that can be used, and batches of which the last ones have drifted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from dotenv import dotenv_values

from compose import demo, prepare
from compose.local.__main__ import with_demo
from compose.local.children import CannotStart, read_surroundings
from core.domain.sources import FilesSource
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings
from tests.stacks import ROOT


def test_the_demo_has_three_usable_datasets_and_keeps_what_a_person_changed(tmp_path: Path) -> None:
    folder = demo.prepare(tmp_path)
    read = DatasetFolder(Settings(_env_file=None, datasets=str(folder))).read()
    assert (list(read.usable), dict(read.problems)) == (["diabetes", "real_estate", "tumours"], {})
    (folder / "tumours.toml").write_text("# mine\n")
    (tmp_path / "batches" / "diabetes" / "0.csv").unlink()
    demo.prepare(tmp_path)
    assert (folder / "tumours.toml").read_text() == "# mine\n"
    assert not (tmp_path / "batches" / "diabetes" / "0.csv").exists()


def test_its_batches_have_the_columns_of_the_dataset_files(tmp_path: Path) -> None:
    folder = demo.prepare(tmp_path)
    usable = DatasetFolder(Settings(_env_file=None, datasets=str(folder))).read().usable
    for name, read, rows in (("tumours", pd.read_parquet, 569), ("diabetes", pd.read_csv, 442)):
        source = usable[name].source
        assert isinstance(source, FilesSource)
        files = sorted(Path(source.url).parent.glob(Path(source.url).name))
        batches = [read(file) for file in files]
        assert len(batches) == 4
        assert sum(map(len, batches)) == rows
        for batch in batches:
            assert set(batch.columns) == set(usable[name].names)
        column = {"tumours": "area", "diabetes": "age"}[name]
        means = [batch[column].mean() for batch in batches]
        assert means[3] > 1.15 * max(means[:3])


def test_other_datasets_are_refused(tmp_path: Path) -> None:
    around = read_surroundings({"DATASETS": "mine"}, tmp_path / ".env", tmp_path)
    assert around.env["DATASETS"] == str(Path("mine").absolute())
    with pytest.raises(CannotStart, match="unset DATASETS"):
        with_demo(around)
    around = with_demo(read_surroundings({}, tmp_path / ".env", tmp_path))
    assert around.env["DATASETS"] == str(tmp_path / "demo" / "datasets")


def test_the_containers_get_the_same_datasets_with_the_paths_that_they_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "compose"
    here.mkdir()
    shutil.copyfile(ROOT / "compose" / ".env.example", here / ".env.example")
    monkeypatch.setattr(prepare, "HERE", here)
    assert prepare.main(["--demo"]) == 0
    assert prepare.main(["--demo"]) == 0  # once more changes nothing
    assert "Three datasets" in capsys.readouterr().out
    env = dotenv_values(here / ".env")
    assert env["DATASETS"] == "/datasets"
    assert env["CONSOLE_LINK"] == dotenv_values(here / ".env.example")["CONSOLE_LINK"]
    read = DatasetFolder(Settings(_env_file=None, datasets=str(here / "datasets"))).read()
    assert sorted(read.usable) == ["diabetes", "real_estate", "tumours"]
    seen = yaml.safe_load((ROOT / "compose" / "compose.yaml").read_text(encoding="utf-8"))
    mounts = dict(v.split(":")[:2] for v in seen["services"]["worker"]["volumes"])
    for name in ("diabetes", "tumours"):
        source = read.usable[name].source
        assert isinstance(source, FilesSource)
        assert source.url.startswith(f"{mounts['./batches']}/{name}/")
        assert len(list((here / "batches" / name).iterdir())) == 4
