"""The dataset files of a desk: which can be used, and why another cannot; read again on change."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from core.domain.errors import BadInput, DatasetError
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import SHIPPED_DATASETS, Settings

TEXT = """
name = "{name}"
title = "Rides"
fit_on = "value"
primary_metric = "rmse"

[[columns]]
name = "rides"
type = "number"
role = "target"
nullable = false

[[columns]]
name = "temperature"
type = "number"
role = "feature"
"""


def write(folder: Path, file: str, name: str, more: str = "") -> Path:
    """A dataset file of that name; it has another modification time than the one before."""
    path = folder / file
    later = path.stat().st_mtime_ns + 1_000_000_000 if path.exists() else None
    path.write_text(TEXT.format(name=name) + more)
    if later:
        os.utime(path, ns=(later, later))
    return path


def opened(folder: Path) -> DatasetFolder:
    return DatasetFolder(Settings(_env_file=None, datasets=str(folder)))


def test_a_folder_has_a_dataset_for_each_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, "1.toml", "rides")
    path = write(tmp_path, "2.toml", "bikes")
    (tmp_path / "notes.md").write_text("not a dataset")
    (tmp_path / ".hidden.toml").write_text("not one either")
    read = opened(tmp_path).read()
    assert list(read.usable) == ["bikes", "rides"]
    assert (read.problem, dict(read.problems)) == ("", {})
    assert read.files[1].digest == sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name = ", "wrong.toml"),
        (b'name = "wrong"', "wrong.toml"),
        (b"\xff\xfe\x00", "wrong.toml cannot be read"),
        (b"", "wrong.toml"),
        (b"#" * 5_000_000, "wrong.toml is larger than 4 MB"),
    ],
)
def test_a_wrong_file_is_named_and_the_others_are_usable(
    tmp_path: Path, content: bytes, says: str
) -> None:
    write(tmp_path, "rides.toml", "rides")
    (tmp_path / "wrong.toml").write_bytes(content)
    folder = opened(tmp_path)
    for read in (folder.read(), folder.read()):  # as well where it is known already
        assert list(read.usable) == ["rides"]
        assert list(read.problems) == ["wrong.toml"]
        assert says in read.problems["wrong.toml"]
    (wrong,) = (f for f in read.files if f.problem)
    assert wrong.dataset is None
    assert wrong.digest in ("", sha256(content).hexdigest())


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path, "rides.toml", "rides")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "gone.toml").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.toml")  # reading it would wait for ever
    read = opened(tmp_path).read()
    assert list(read.usable) == ["rides"]
    assert sorted(read.problems) == ["folder.toml", "gone.toml", "pipe.toml"]
    assert all(name in said for name, said in read.problems.items())


def test_of_two_files_with_one_name_the_first_counts(tmp_path: Path) -> None:
    write(tmp_path, "b.toml", "rides")
    first = write(tmp_path, "a.toml", "rides")
    folder = opened(tmp_path)
    read = folder.read()
    assert list(read.usable) == ["rides"]
    (problem,) = read.problems.items()
    assert problem[0] == "b.toml"
    assert "b.toml has the same name in it as a.toml" in problem[1]
    first.unlink()
    read = folder.read()
    assert (list(read.usable), dict(read.problems)) == (["rides"], {})


def test_a_new_a_changed_and_a_deleted_file_are_seen(tmp_path: Path) -> None:
    write(tmp_path, "rides.toml", "rides")
    folder = opened(tmp_path)
    before = folder.read()
    assert folder.read().usable["rides"] is before.usable["rides"]  # it is not read again
    write(tmp_path, "rides.toml", "rides", "# the same, with a remark\n")
    bikes = write(tmp_path, "bikes.toml", "bikes")
    after = folder.read()
    assert list(after.usable) == ["bikes", "rides"]
    assert after.files[1].digest != before.files[0].digest
    bikes.write_text("name = ")
    assert list(folder.read().problems) == ["bikes.toml"]
    bikes.unlink()
    assert [f.path.name for f in folder.read().files] == ["rides.toml"]


def test_a_link_that_is_turned_over_is_a_change(tmp_path: Path) -> None:
    """Kubernetes swaps the folder behind a link when a ConfigMap changes."""
    for number, name in enumerate(("rides", "bikes")):
        (tmp_path / str(number)).mkdir()
        write(tmp_path / str(number), "d.toml", name)
    link = tmp_path / "now"
    link.symlink_to("0")
    folder = opened(link)
    assert list(folder.read().usable) == ["rides"]
    link.unlink()
    link.symlink_to("1")
    assert list(folder.read().usable) == ["bikes"]


def test_a_folder_that_is_away_keeps_its_datasets(tmp_path: Path) -> None:
    at = tmp_path / "datasets"
    at.mkdir()
    write(at, "rides.toml", "rides")
    folder = opened(at)
    folder.read()
    at.rename(tmp_path / "away")
    for _ in range(2):
        read = folder.read()
        assert list(read.usable) == ["rides"]
        assert "The folder of DATASETS cannot be read" in read.problem
        assert dict(read.problems) == {}
    (tmp_path / "away").rename(at)
    assert folder.read().problem == ""


def test_a_folder_that_was_never_there_says_so(tmp_path: Path) -> None:
    read = opened(tmp_path / "nowhere").read()
    assert dict(read.usable) == {}
    assert "No such file" in read.problem
    with pytest.raises(BadInput, match="DATASETS cannot be read"):
        read.choose()


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no dataset file"):
        opened(tmp_path).read().choose()


def test_a_folder_whose_files_are_all_wrong_says_which_and_why(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text("name = ")
    with pytest.raises(DatasetError, match=r"(?s)a\.toml.*b\.toml"):
        opened(tmp_path).read().choose()


def test_one_is_chosen_by_name_by_default_or_because_it_is_the_only_one(tmp_path: Path) -> None:
    write(tmp_path, "rides.toml", "rides")
    folder = opened(tmp_path)
    assert folder.read().choose().name == "rides"
    write(tmp_path, "bikes.toml", "bikes")
    read = folder.read()
    assert read.choose("rides").name == "rides"
    assert read.choose("", "bikes").name == "bikes"
    with pytest.raises(BadInput, match=r"Name the dataset.*bikes, rides"):
        read.choose()
    with pytest.raises(BadInput, match=r"no dataset 'cars'.*bikes, rides"):
        read.choose("cars")


def test_a_wrong_file_that_is_asked_for_by_name_says_why(tmp_path: Path) -> None:
    write(tmp_path, "rides.toml", "rides")
    (tmp_path / "bikes.toml").write_text("name = ")
    with pytest.raises(BadInput, match=r"bikes\.toml"):
        opened(tmp_path).read().choose("bikes")


def test_without_a_folder_the_file_of_dataset_is_the_only_one(tmp_path: Path) -> None:
    folder = DatasetFolder(Settings(_env_file=None))
    assert not folder.is_folder
    (file,) = folder.read().files
    assert file.path == SHIPPED_DATASETS / "real_estate.toml"
    assert folder.read().choose("", "other").name == "real_estate"
    path = tmp_path / "wrong.toml"
    path.write_text("name = ")
    wrong = DatasetFolder(Settings(_env_file=None, dataset=str(path))).read()
    with pytest.raises(DatasetError, match=r"wrong\.toml"):
        wrong.choose()
