"""A file is the same however a store writes its ETag: Azure quotes it, but not in lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from core.adapters.filesystem import bare_etag
from core.domain.batches import Batch, BatchState
from core.domain.errors import NothingNew
from core.domain.sources import FilesSource
from workers.sources import file_listing
from workers.sources.files import Files
from workers.sources.port import NOTHING_KNOWN, Known, Received

TAG = "0x8DDF3A1C6E2B4F0"
WRITTEN = [TAG, f'"{TAG}"', f'W/"{TAG}"', f"W/{TAG}", f' "{TAG}" ']
THEN = datetime(2026, 11, 1, tzinfo=UTC)
CONTENT = b"weather,rides\nsun,120\n"


@pytest.mark.parametrize("etag", WRITTEN)
def test_an_etag_is_read_bare(etag: str) -> None:
    assert bare_etag(etag) == TAG


@pytest.mark.parametrize("text", ["", '"', "2026-11-01 00:00:00", "None", "1795000000.5", 'a"b'])
def test_what_is_no_etag_stays_as_it_is(text: str) -> None:
    assert bare_etag(text) == text


class Cloud(MemoryFileSystem):  # type: ignore[misc]
    """A store that lists ETags in one form and tells a single one in another."""

    protocol = "cloud"
    cachable = False
    store: ClassVar[dict[str, Any]] = {}
    listed = asked = TAG

    def ls(self, path: str, **more: Any) -> Any:
        infos = super().ls(path, **more)
        return [self._tagged(i, self.listed) for i in infos] if more.get("detail", True) else infos

    def info(self, path: str, **more: Any) -> Any:
        return self._tagged(super().info(path, **more), self.asked)

    @staticmethod
    def _tagged(info: dict[str, Any], etag: str) -> dict[str, Any]:
        return info | {"ETag": etag, "created": THEN} if info["type"] == "file" else info


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    made = Cloud()
    monkeypatch.setattr(file_listing, "open_url", lambda _url: (made, "/in"))
    monkeypatch.setattr(Cloud, "store", {})
    made.pipe_file("/in/a.csv", CONTENT)
    return made


def received_as(watermark: str) -> Known:
    """A ledger with the file, as it was received under that version."""
    entry = Batch(
        1, 1, BatchState.STORED, 0, "x", "", len(CONTENT), THEN, origin="cloud:///in/a.csv",
        watermark=watermark,
    )  # fmt: skip
    return Known(lambda origins: {o: [entry] for o in origins}, lambda _: "")


def take(tmp_path: Path, known: Known = NOTHING_KNOWN) -> Received:
    return Files(FilesSource("cloud://in")).fetch(tmp_path / "x.part", known, lambda *_: None)


@pytest.mark.parametrize("asked", WRITTEN)
@pytest.mark.parametrize("listed", WRITTEN)
def test_a_file_that_did_not_change_is_taken_once(
    cloud: Cloud, tmp_path: Path, listed: str, asked: str
) -> None:
    cloud.listed, cloud.asked = listed, asked
    received = take(tmp_path)
    assert received.path.read_bytes() == CONTENT
    assert received.watermark == TAG
    for written in (received.watermark, *WRITTEN):  # earlier versions kept it as it was written
        with pytest.raises(NothingNew, match="1 file received before"):
            take(tmp_path, received_as(written))


def test_a_file_that_changes_while_it_is_read_is_left_alone(cloud: Cloud, tmp_path: Path) -> None:
    cloud.asked = '"0x8DDF3A1C6E2B4F1"'
    with pytest.raises(NothingNew, match=r"a\.csv changed while it was read"):
        take(tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_version_of_a_received_file_is_read_again(cloud: Cloud, tmp_path: Path) -> None:
    assert take(tmp_path, received_as('"0x8DDF3A1C6E2B4F1"')).watermark == TAG
