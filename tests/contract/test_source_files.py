"""The source `files`: a folder's files become batches, on SQLite and on MariaDB."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pytest

from core.adapters.spool import LocalSpool
from core.adapters.store import Store
from core.domain.batches import Batch, BatchState
from core.domain.errors import (
    DiskRefused,
    NothingNew,
    SourceRefused,
    SourceUnavailable,
)
from core.domain.job_results import BatchNotStored, BatchStored, NoNewBatch
from core.domain.jobs import Job, JobKind, JobState
from core.domain.sources import FileOrder, FilesSource, Format
from tests.answers import batch_body
from tests.work import LEASE, OneStep, run_job
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run
from workers.sources import file_listing, files
from workers.sources.file_listing import Listing, RemoteFile
from workers.sources.files import Files
from workers.sources.port import NOTHING_KNOWN, Received
from workers.steps.ingest import Ingest
from workers.steps.spool_recovery import Spool
from workers.steps.store_batch import parse

OLD = time.time() - 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def numbered_by_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents carry no number, as those of most formats."""
    monkeypatch.setattr(parse, "batch_number", lambda *_: None)


def put(path: Path, content: bytes = b"x", modified: float = OLD) -> Path:
    path.write_bytes(content)
    os.utime(path, (modified, modified))
    return path


def rows(count: int, first: int = 0) -> bytes:
    return batch_body(
        first, [["1", "for_sale", 1000.0 + n, 3, 2, 0.1, "5", "Avon", "Ohio", "44011", 900.0, None]
                for n in range(count)]
    )  # fmt: skip


def source(folder: Path, pattern: str = "", **options: Any) -> Files:
    return Files(FilesSource(f"{folder}/{pattern}", **options))


def ingest(store: Store, made: Files, spool: Path, args: dict[str, Any] | None = None) -> Job:
    dataset = replace(store.dataset, source=FilesSource("x"))
    step = Ingest(made, spool, dataset, True, lambda _job: None, lambda _job: False)
    return run_job(store, JobKind.INGEST, step, args)


def ledger(store: Store) -> list[Batch]:
    with store.read() as work:
        return list(reversed(work.batches.ledger()))


def taken(made: Files, tmp_path: Path) -> Received:
    return made.fetch(tmp_path / "x.part", NOTHING_KNOWN, lambda _size, _announced: None)


@pytest.mark.usefixtures("numbered_by_the_ledger")
def test_each_file_is_one_batch_until_nothing_is_new(
    store: Store, folder: Path, spool: Path
) -> None:
    put(folder / "b.json", rows(2))
    put(folder / "a.json", rows(3))
    made = source(folder, "*.json")
    first, second, third = (ingest(store, made, spool) for _ in range(3))
    assert isinstance(first.result, BatchStored)
    assert isinstance(second.result, BatchStored)
    assert [(r.batch, r.epoch, r.stored, r.gap) for r in (first.result, second.result)] == [
        (0, 1, 3, 0), (1, 1, 2, 0),
    ]  # fmt: skip
    assert third.state is JobState.SUCCEEDED
    assert isinstance(third.result, NoNewBatch)
    assert "2 files received before" in third.result.note
    assert [b.origin for b in ledger(store)] == [f"{folder}/a.json", f"{folder}/b.json"]
    assert f"from {folder}/a.json: 3 rows stored" in first.result.note
    assert list(spool.iterdir()) == []
    with store.read() as work:
        assert work.rows.count() == 5


def test_a_number_in_the_document_is_kept_and_may_begin_anywhere(
    store: Store, folder: Path, spool: Path
) -> None:
    put(folder / "a.json", rows(1, first=7))
    put(folder / "b.json", rows(1, first=9))
    results = [ingest(store, source(folder), spool).result for _ in range(2)]
    assert [(r.batch, r.gap) for r in results] == [(7, 0), (9, 1)]


@pytest.mark.usefixtures("numbered_by_the_ledger")
def test_a_stored_file_that_changed_is_a_conflict_once_and_the_next_file_goes_on(
    store: Store, folder: Path, spool: Path
) -> None:
    put(folder / "a.json", rows(3))
    made = source(folder)
    ingest(store, made, spool)
    put(folder / "a.json", rows(4), OLD + 5)
    put(folder / "b.json", rows(1))
    new = ingest(store, made, spool)
    assert (new.result.batch, new.result.stored) == (1, 1)
    conflict = ingest(store, made, spool).result
    assert isinstance(conflict, BatchNotStored)
    assert conflict.state is BatchState.CONFLICT
    assert f"{folder}/a.json) came again with other content" in conflict.note
    assert "stored first as batch 0 stays" in conflict.note
    assert isinstance(ingest(store, made, spool).result, NoNewBatch)
    with store.read() as work:
        assert work.rows.count() == 4
    assert len(list(spool.glob("*.json"))) == 1  # the new bytes, for a person to look at


@pytest.mark.usefixtures("numbered_by_the_ledger")
def test_names_that_differ_in_case_or_have_odd_characters_are_files_of_their_own(
    store: Store, folder: Path, spool: Path
) -> None:
    names = ["A.json", "a.json", "a b%20[1]'\"; drop.json", "ä\n<b>.json", "x::y.json"]
    for name in names:
        put(folder / name, rows(1))
    put(Path(os.fsdecode(os.fsencode(folder) + b"/\xff.json")), rows(1))
    jobs = [ingest(store, source(folder), spool) for _ in range(len(names) + 2)]
    assert [j.error for j in jobs] == [""] * len(jobs)
    assert isinstance(jobs[-1].result, NoNewBatch)
    assert len({b.origin for b in ledger(store)}) == len(names) + 1
    assert all("\n" not in j.result.note for j in jobs)


@pytest.mark.usefixtures("numbered_by_the_ledger")
def test_a_file_that_is_no_batch_is_named_and_does_not_hold_up_the_next(
    store: Store, folder: Path, spool: Path
) -> None:
    put(folder / "a.json", b"")
    put(folder / "b.json", rows(2))
    assert ingest(store, source(folder), spool).state is JobState.FAILED
    assert ingest(store, source(folder), spool).result.stored == 2
    assert isinstance(ingest(store, source(folder), spool).result, NoNewBatch)
    put(folder / "a.json", rows(1), OLD + 9)  # the person who wrote it corrects it
    assert ingest(store, source(folder), spool).result.stored == 1


def test_an_overtaken_run_enters_nothing(store: Store, folder: Path, spool: Path) -> None:
    put(folder / "a.json", rows(1))
    spool.mkdir()
    with store.begin() as work:
        job, _ = work.jobs.request(JobKind.INGEST, {}, "ana")
        work.commit()
    run = Run.claim(store, job.id, job.attempt, LEASE)
    assert run is not None

    class Overtaken(Files):
        def fetch(self, part: Path, *others: Any) -> Received:
            received = super().fetch(part, *others)
            Spool(LocalSpool(spool), asks_once=False).enter_leftovers(run)  # as another run does
            return received

    made = Overtaken(FilesSource(str(folder)))
    step = Ingest(made, spool, store.dataset, True, lambda _job: None, lambda _job: False)
    assert run_to_its_end(run, OneStep(step)) in ("lost", "failed")  # type: ignore[arg-type]
    assert [b.state for b in ledger(store) if b.state is BatchState.STORED] == []


def test_by_time_the_oldest_file_comes_first(folder: Path, tmp_path: Path) -> None:
    put(folder / "b.csv", modified=OLD)
    put(folder / "a.csv", modified=OLD + 60)
    assert taken(source(folder), tmp_path).origin.endswith("a.csv")
    by_time = source(folder, order=FileOrder.TIME)
    assert taken(by_time, tmp_path).origin.endswith("b.csv")
    assert "b.csv: 1 bytes, csv." in by_time.check(NOTHING_KNOWN)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.CSV", ".csv"), ("a.tsv", ".csv"), ("a.ndjson.gz", ".jsonl.gz"),
        ("a.parquet", ".parquet"), ("a.csv.ZST", ".csv.zst"), ("a.json", ".json"),
    ],
)  # fmt: skip
def test_the_name_says_the_format(folder: Path, tmp_path: Path, name: str, suffix: str) -> None:
    put(folder / name)
    assert taken(source(folder), tmp_path).suffix == suffix


def test_the_bytes_are_copied_as_they_are_and_the_section_may_state_the_format(
    folder: Path, tmp_path: Path
) -> None:
    content = gzip.compress(b"a;b\n1;2\n")
    put(folder / "export.2026.gz", content)
    received = taken(source(folder, "*", format=Format.CSV), tmp_path)
    assert (received.suffix, received.size) == (".csv.gz", len(content))
    assert received.path.read_bytes() == content


def test_files_that_are_still_written_are_left_alone(folder: Path, tmp_path: Path) -> None:
    put(folder / "a.csv", modified=time.time())
    put(folder / "b.csv")
    assert taken(source(folder), tmp_path).origin.endswith("b.csv")
    (folder / "b.csv").unlink()
    with pytest.raises(NothingNew, match=r"not complete yet: .*a\.csv changed within the last 10"):
        taken(source(folder), tmp_path)
    assert taken(source(folder, settle_seconds=0), tmp_path).origin.endswith("a.csv")
    put(folder / "a.csv", modified=time.time() + 1e6)  # a clock that goes wrong
    assert taken(source(folder), tmp_path).origin.endswith("a.csv")


def test_with_a_done_suffix_a_file_waits_for_its_partner(folder: Path, tmp_path: Path) -> None:
    put(folder / "a.csv")
    made = source(folder, done_suffix=".done")
    with pytest.raises(NothingNew, match=r"a\.csv has no \.done file"):
        taken(made, tmp_path)
    put(folder / "a.csv.done", b"")
    assert taken(made, tmp_path).origin.endswith("a.csv")


def reads(monkeypatch: pytest.MonkeyPatch, act: Callable[[RemoteFile], None]) -> None:
    """Do something to each file between its listing and its first byte."""
    opened = Listing.open

    def open_(self: Listing, file: RemoteFile) -> BinaryIO:
        act(file)
        return opened(self, file)

    monkeypatch.setattr(Listing, "open", open_)


def test_a_file_that_grows_or_vanishes_while_it_is_read_waits_and_the_next_one_is_taken(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        put(folder / f"{name}.csv", name.encode() * 9)

    def disturb(file: RemoteFile) -> None:
        path = Path(file.path)
        match path.stem:
            case "a":
                path.write_bytes(b"longer than before")
            case "b":
                path.unlink()
            case "c":
                path.write_bytes(b"CCCCCCCCC")

    reads(monkeypatch, disturb)
    received = taken(source(folder), tmp_path)
    assert received.origin.endswith("d.csv")
    assert received.path.read_bytes() == b"d" * 9


def test_files_that_may_not_be_read_are_named_after_the_others(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "a.csv")
    put(folder / "b.csv")

    def refuse(file: RemoteFile) -> None:
        if file.path.endswith("a.csv"):
            raise PermissionError(13, "Permission denied")

    reads(monkeypatch, refuse)
    assert taken(source(folder), tmp_path).origin.endswith("b.csv")
    (folder / "b.csv").unlink()
    with pytest.raises(SourceUnavailable, match=r"may not read .*a\.csv"):
        taken(source(folder), tmp_path)


def test_a_store_that_breaks_off_is_named_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "a.csv")

    def broken(_file: RemoteFile) -> None:
        raise RuntimeError("the peer hung up")

    reads(monkeypatch, broken)
    with pytest.raises(SourceUnavailable, match=r"a\.csv could not be read .*hung up"):
        taken(source(folder), tmp_path)
    assert not (tmp_path / "x.part").exists()


def test_a_full_disk_leaves_nothing_in_the_spool(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "a.csv")
    monkeypatch.setattr(files, "_SPARE_DISK", 1 << 60)
    with pytest.raises(DiskRefused, match=r"a\.csv has .* Make room"):
        taken(source(folder), tmp_path)
    assert not (tmp_path / "x.part").exists()


def test_links_that_lead_nowhere_or_in_circles_are_no_files(folder: Path, tmp_path: Path) -> None:
    (folder / "loop").symlink_to(folder)
    (folder / "self.csv").symlink_to(folder / "self.csv")
    (folder / "gone.csv").symlink_to(tmp_path / "gone")
    (folder / "d.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")
    put(folder / "z.csv")
    for pattern in ("", "*.csv", "**/*.csv"):
        made = source(folder, pattern)
        assert taken(made, tmp_path).origin == f"{folder}/z.csv"
    (folder / "z.csv").unlink()
    (folder / "link.csv").symlink_to(put(tmp_path / "elsewhere.csv"))
    assert taken(source(folder), tmp_path).origin == f"{folder}/link.csv"


def test_an_empty_folder_has_nothing_new_and_strange_files_are_named(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(NothingNew, match="it has none"):
        taken(source(folder), tmp_path)
    put(folder / "README")
    with pytest.raises(NothingNew, match=r"no ending that names a format, such as \.csv: .*README"):
        source(folder).check(NOTHING_KNOWN)


def test_a_folder_that_is_missing_and_urls_that_nothing_serves_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"in does not exist\. Create it, or correct url"):
        taken(source(tmp_path / "in", "*.csv"), tmp_path)
    with pytest.raises(SourceRefused, match="no path and no URL that fsspec knows"):
        taken(Files(FilesSource("nosuch://bucket/in")), tmp_path)
    assert not (tmp_path / "x.part").exists()


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_url: str) -> None:
        raise ImportError("Install paramiko to access SFTP")

    monkeypatch.setattr(file_listing, "open_url", missing)
    with pytest.raises(SourceRefused, match="needs a package that is not installed where the wor"):
        Listing("sftp://host/in")


def test_another_file_system_serves_as_well(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    store.pipe({"/in-test/b.parquet": b"bb", "/in-test/a.csv": b"a"})
    try:
        now = time.time() + 60
        made = Files(FilesSource("memory://in-test/*.parquet"), lambda: now)
        received = taken(made, tmp_path)
        assert (received.origin, received.size) == ("memory:///in-test/b.parquet", 2)
        fresh = replace(FilesSource("memory://in-test"), settle_seconds=3600)
        with pytest.raises(NothingNew, match="not complete yet"):
            taken(Files(fresh), tmp_path)
    finally:
        store.rm("/in-test", recursive=True)


def test_an_origin_fits_the_ledger_and_stays_unique(folder: Path) -> None:
    long = "/".join(["x" * 250] * 5)
    made = {file_listing._origin(f"/{long}{n}") for n in range(3)}
    assert (len(made), {len(origin) for origin in made}) == (3, {1000})
