"""One spool for several datasets: each sweeps its own files, and old names are found by ledger."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.adapters.spool import LocalSpool, RemoteSpool, SpoolFolder
from core.adapters.store import Store
from core.adapters.store.migrate import prepare_dataset
from core.domain.batches import BatchState
from core.domain.jobs import JobKind
from core.platform.dataset_file import parse_text
from core.platform.settings import SHIPPED_DATASETS, Settings
from core.rules.data.spool_names import named, owner, plain
from core.usecases.retention import Keep, Retention
from tests.unit.test_dataset_folder import TEXT, write
from tests.work import LEASE
from workers.runtime.job_run import Run
from workers.steps.old_spool_names import OldNames
from workers.steps.spool_recovery import Spool


@pytest.fixture
def rides(store: Store, database_url: str) -> Store:
    """The second dataset of the database; the first is real_estate."""
    dataset = parse_text(TEXT.format(name="rides"), "rides.toml")
    prepare_dataset(database_url, dataset)
    return store.for_dataset(dataset)


@pytest.fixture(params=["folder", "url"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> SpoolFolder:
    local = tmp_path / "spool"
    local.mkdir()
    if request.param == "folder":
        return LocalSpool(local)
    there = tmp_path / "there"
    there.mkdir()
    return RemoteSpool(there.as_uri(), local)


def run_of(store: Store) -> Run:
    with store.transaction() as work:
        job, _ = work.jobs.request(JobKind.INGEST, {}, "ana")
    run = Run.claim(store, job.id, job.attempt, LEASE)
    assert run
    return run


def put(folder: SpoolFolder, name: str, content: bytes = b"{}") -> None:
    (folder.local / name).write_bytes(content)
    folder.put(name)


def names(folder: SpoolFolder) -> set[str]:
    return {file.name for file in folder.files()}


def entered(store: Store) -> set[str]:
    with store.read() as work:
        return {batch.spool for batch in work.batches.ledger()}


def test_a_name_carries_its_dataset_or_none() -> None:
    assert named("rides", "e1-ab.json") == "rides--e1-ab.json"
    assert (named("", "e1-ab.json"), owner("e1-ab.json")) == ("e1-ab.json", "")
    assert (owner("e1--e3-ab.json"), plain("e1--e3-ab.json")) == ("e1", "e3-ab.json")


def test_an_ingest_leaves_alone_what_another_dataset_receives(
    store: Store, rides: Store, folder: SpoolFolder
) -> None:
    others = {
        "rides--e1-aa.part", "rides--e1-bb.json", "rides--e1-cc.json.1.arrow",
        "rides--dd.upload", "rides--e1-ee.json.excused",
    }  # fmt: skip
    for name in others:
        put(folder, name)
    put(folder, "real_estate--e2-ff.json")
    (folder.local / "real_estate--e2-gg.json.1.arrow").touch()
    Spool(folder, dataset="real_estate").enter_leftovers(run_of(store))
    assert others <= names(folder)
    assert others <= {path.name for path in folder.local.iterdir()}
    assert not (folder.local / "real_estate--e2-gg.json.1.arrow").exists()
    assert entered(store) == {"real_estate--e2-ff.json"}
    Spool(folder, dataset="rides").enter_leftovers(run_of(rides))
    assert entered(rides) == {"rides--e1-aa.part", "rides--e1-bb.json"}
    with rides.read() as work:
        lost = work.batches.received("rides--e1-aa.part")
    assert lost
    assert lost.state is BatchState.INTERRUPTED
    assert "rides--e1-aa.lost" in names(folder)


def test_a_new_answer_carries_the_dataset(store: Store, folder: SpoolFolder) -> None:
    with Spool(folder, dataset="rides").announced(4) as part:
        assert part.name.startswith("rides--e4-")
    with Spool(folder).announced(4) as part:
        assert owner(part.name) == ""


@pytest.mark.parametrize("had", ["real_estate", "rides"])
def test_old_names_belong_to_the_ledger_that_has_them_or_to_the_first(
    store: Store, rides: Store, folder: SpoolFolder, tmp_path: Path, had: str
) -> None:
    files = tmp_path / "datasets"
    files.mkdir()
    for name in ("rides", "other"):
        write(files, f"{name}.toml", name)
    shutil.copy(SHIPPED_DATASETS / "real_estate.toml", files)
    settings = Settings(_env_file=None, datasets=str(files), dataset=had)
    for of, name in ((store, "e1-aa.json"), (rides, "e1-bb.json")):
        put(folder, name)
        with of.transaction() as work:
            work.batches.receive(1, "h", name, 2)
    put(folder, "e1-cc.json")
    for of in (store, rides):
        is_foreign = OldNames(settings, of).is_foreign
        Spool(folder, True, of.dataset.name, is_foreign).enter_leftovers(run_of(of))
    first = {"real_estate": store, "rides": rides}[had]
    for of, own in ((store, "e1-aa.json"), (rides, "e1-bb.json")):
        assert entered(of) == ({own, "e1-cc.json"} if of is first else {own})


def test_retention_deletes_no_file_of_another_dataset(
    store: Store, rides: Store, folder: SpoolFolder
) -> None:
    for name in ("real_estate--e1-aa.lost", "rides--e1-aa.lost"):
        put(folder, name)
    for of in (store, rides):
        kept = Store(of.engine, of.dataset, lambda: datetime.now(UTC) + timedelta(days=365))
        list(Retention(kept, folder, Keep(spool_days=1)).run("ana"))
        assert f"{of.dataset.name}--e1-aa.lost" not in names(folder)
        assert of is rides or "rides--e1-aa.lost" in names(folder)
