"""What a living process owns is not deleted as if a dead one had left it, at no moment."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.actions.backup import archive
from serving.prediction_log.spool import Spool
from workers.runtime.temp_files import Scratch


@pytest.fixture(autouse=True)
def _system_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TMPDIR", os.environ.get("TMPDIR", tempfile.gettempdir()))
    yield
    tempfile.tempdir = None


@pytest.fixture
def before_the_lock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Arranges for something to happen between the making of a file and its lock, once."""

    def arrange(happens: Callable[[], Any]) -> None:
        lock = fcntl.flock

        def first(*args: Any) -> None:
            monkeypatch.setattr(fcntl, "flock", lock)
            happens()
            lock(*args)

        monkeypatch.setattr(fcntl, "flock", first)

    return arrange


def test_a_worker_that_starts_beside_another_has_a_temporary_folder(
    tmp_path: Path, before_the_lock: Callable[[Callable[[], Any]], None]
) -> None:
    other, scratch = Scratch(tmp_path), Scratch(tmp_path)
    other.open()
    before_the_lock(other.empty)
    scratch.open()
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent == scratch.folder != tmp_path
    scratch.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_whose_temporary_folder_the_system_deleted_makes_another(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.open()
    (scratch.folder / ".lock").unlink()
    scratch.folder.rmdir()
    scratch.keep()
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent == scratch.folder != tmp_path
    scratch.close()
    assert list(tmp_path.iterdir()) == []


def test_a_serving_that_starts_beside_another_loses_no_record(
    tmp_path: Path, before_the_lock: Callable[[Callable[[], Any]], None]
) -> None:
    one, other = (Spool(tmp_path, 1_000_000) for _ in range(2))
    before_the_lock(other.open)
    one.open()
    assert (one.trouble, one.add(b"a\n")) == ("", True)
    third = Spool(tmp_path, 1_000_000)
    third.open()  # and what is being written is not adopted
    assert third.take() is None
    one.close()
    fourth = Spool(tmp_path, 1_000_000)
    fourth.open()
    segment = fourth.take()
    assert segment is not None
    assert segment.lines() == [b"a"]


def test_a_serving_whose_folder_was_deleted_has_its_next_records_to_itself(tmp_path: Path) -> None:
    one = Spool(tmp_path, 1_000_000)
    one.open()
    assert one.add(b"a\n")
    segment = one.take()
    assert segment is not None
    one.done(segment)
    (folder,) = tmp_path.iterdir()
    (folder / "lock").unlink()
    folder.rmdir()
    assert one.add(b"b\n")
    other = Spool(tmp_path, 1_000_000)
    other.open()
    assert other.take() is None


def test_a_backup_beside_another_is_made(
    tmp_path: Path, before_the_lock: Callable[[Callable[[], Any]], None]
) -> None:
    before_the_lock(lambda: _backup(tmp_path / "other"))
    _backup(tmp_path / "one")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "other"]
    assert archive.check(tmp_path / "one").manifest["format"] == archive.FORMAT


def _backup(path: Path) -> None:
    with archive.create(path) as (writer, _):
        writer.add("note", b"kept")
