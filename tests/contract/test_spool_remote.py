"""The spool as objects of an S3 server: what another host finds, and what happens when it fails."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from compose.data_api.options import Options
from console.actions import uploads
from console.desk import Desk
from console.queries import doctor_checks, service_checks
from core.adapters.filesystem import open_url
from core.adapters.spool import RemoteSpool
from core.adapters.store import Store
from core.adapters.store.tables import rows_table
from core.domain.batches import Batch, BatchState
from core.domain.errors import SettingsError, SourceUnavailable, SpoolUnavailable
from core.domain.jobs import Job, JobKind, JobState
from core.domain.sources import FilesSource, UploadSource
from core.platform.settings import Settings, read_settings
from core.usecases.retention import Keep, Retention
from tests.answers import batch_body
from tests.build import somebody
from tests.data_api.serving import SMALL, Service, serving
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.object_store import BUCKET, s3_server
from tests.stacks import free_port
from tests.work import LEASE, ingest_step, run_job
from workers.runtime.job_run import Run
from workers.sources.files import Files
from workers.sources.upload import Uploads
from workers.steps import ingest as ingest_module
from workers.steps.ingest import Ingest
from workers.steps.store_batch import StoreBatch

OLD = time.time() + 3600
"""A clock at which every object is an hour old."""


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with s3_server() as env:
        yield env


@pytest.fixture
def url(server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def api() -> Iterator[Service]:
    with serving(Options(scale=SMALL)) as service:
        yield service


class Host:
    """A host with workers: its own data folder, and the spool that all hosts share."""

    def __init__(self, store: Store, url: str, folder: Path, source: Any, dataset: Any) -> None:
        self.store, self.url, self.folder = store, url, folder
        self.source, self.dataset = source, dataset

    @property
    def step(self) -> Ingest:
        return Ingest(
            self.source, self.folder, self.dataset, True, lambda _job: None, lambda _job: False,
            remote=RemoteSpool(self.url, self.folder),
        )  # fmt: skip

    def ingest(self, **args: Any) -> Job:
        return run_job(self.store, JobKind.INGEST, self.step, args)

    @property
    def objects(self) -> list[str]:
        return sorted(f.name for f in RemoteSpool(self.url, self.folder).files())

    @property
    def here(self) -> list[str]:
        return sorted(f.name for f in self.folder.iterdir()) if self.folder.exists() else []


@pytest.fixture
def hosts(store: Store, url: str, tmp_path: Path, api: Service) -> tuple[Host, Host]:
    source = ingest_step(store, api.url, tmp_path).source
    one, two = (Host(store, url, tmp_path / n, source, store.dataset) for n in ("one", "two"))
    return one, two


class Died(BaseException):
    """A process that is gone: nothing of it runs any more."""


def gone(*_: Any, **__: Any) -> None:
    raise Died


def dies_in(
    monkeypatch: pytest.MonkeyPatch, place: Any, name: str, host: Host, how: Any = gone
) -> None:
    """Let the host's ingest end there, as by a kill; the next one runs undisturbed."""
    with host.store.begin() as work:
        job, _ = work.jobs.request(JobKind.INGEST, {}, "ana")
        work.commit()
    run = Run.claim(host.store, job.id, job.attempt, LEASE)
    assert run is not None
    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(place, name, how)
        host.step(run)
    run.end(JobState.FAILED, "It was killed.")


def ledger(store: Store) -> list[Batch]:
    with store.read() as work:
        return work.batches.ledger()


def count_rows(store: Store) -> int:
    with store.engine.connect() as connection:
        table = rows_table(store.dataset)
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_a_stored_batch_leaves_nothing_behind(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    assert [one.ingest().result.batch, two.ingest().result.batch] == [0, 1]
    assert (one.objects, one.here, two.here) == ([], [], [])


def test_another_host_stores_what_one_received(
    hosts: tuple[Host, Host], api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = hosts
    dies_in(monkeypatch, StoreBatch, "__call__", one)
    (waits,) = ledger(one.store)
    assert (waits.state, one.objects) == (BatchState.RECEIVED, [waits.spool])
    job = two.ingest()
    api.restart()
    assert (job.result.batch, job.result.stored) == (0, len(api.batch()["data"]))
    assert count_rows(one.store) == job.result.stored
    assert (two.objects, two.here) == ([], [])
    one.ingest()
    assert one.here == []  # its own copy of what was stored elsewhere is gone


def test_an_answer_that_the_ledger_lacks_is_entered_by_another_host(
    hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = hosts
    dies_in(monkeypatch, ingest_module.Spool, "_note", one)
    assert ledger(one.store) == []
    assert two.ingest().result.batch == 0
    assert (two.objects, len(ledger(one.store))) == ([], 1)


def test_an_answer_that_did_not_reach_the_spool_is_sent_there_by_its_host(
    hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = hosts
    dies_in(monkeypatch, RemoteSpool, "put", one)
    assert one.ingest().result.batch == 0
    assert (one.objects, one.here) == ([], [])


def test_an_answer_that_came_nowhere_is_put_on_record_by_another_host(
    hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = hosts

    def half(_source: Any, part: Path, *_: Any) -> None:
        part.write_bytes(b'{"data": [')
        raise Died

    dies_in(monkeypatch, type(one.source), "fetch", one, half)
    (marker,) = one.objects
    assert marker.endswith(".part")
    job = two.ingest()
    with one.store.read() as work:
        lines = [line.message for line in work.jobs.lines(job.id, 20)]
    assert "What came is on another host." in lines[0]
    assert [b.state for b in ledger(one.store)] == [BatchState.STORED, BatchState.SETTLED]
    one.ingest()
    assert (two.objects, one.here, len(ledger(one.store))) == ([], [], 3)


def test_other_bytes_than_were_received_are_not_stored(
    hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = hosts
    dies_in(monkeypatch, StoreBatch, "__call__", one)
    (waits,) = ledger(one.store)
    spool = RemoteSpool(one.url, two.folder)
    spool._fs.pipe_file(spool._path(waits.spool), batch_body(0, []))
    job = two.ingest()
    assert (job.state, "other bytes as" in job.error) == (JobState.FAILED, True)
    assert "Find out who writes to SPOOL_URL" in ledger(one.store)[0].note
    assert (ledger(one.store)[0].state, count_rows(one.store)) == (BatchState.UNREADABLE, 0)
    assert two.ingest().result.batch == 1


def test_a_store_that_is_away_costs_no_answer_and_no_try(
    hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = hosts
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        job = one.ingest()
        assert job.error.startswith(f"The spool at {one.url} cannot be listed")
        assert "Check SPOOL_URL, that its bucket exists, and the credentials" in job.error
    dies_in(monkeypatch, StoreBatch, "__call__", one)

    def away(*_: Any) -> None:
        raise SpoolUnavailable("The spool does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(RemoteSpool, "bring", away)
        assert [two.ingest().state for _ in range(4)] == [JobState.FAILED] * 4
    assert two.ingest().result.batch == 0


def test_a_bucket_that_is_missing_is_named(hosts: tuple[Host, Host]) -> None:
    one, _ = hosts
    one.url = "s3://no-such-bucket/spool"
    assert "s3://no-such-bucket/spool cannot be listed" in one.ingest().error
    assert ledger(one.store) == []


def test_files_of_an_object_store_become_batches_on_any_host(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ["1", "for_sale", 1000.0, 3, 2, 0.1, "5", "Avon", "Ohio", "44011", 900.0, None]
    fs, root = open_url(url)
    fs.pipe_file(f"{root}/in/a.json", batch_body(0, [row] * 3))
    fs.pipe_file(f"{root}/in/b.json", batch_body(1, [row] * 2))
    named = FilesSource(f"{url}/in/*.json")
    source = Files(named, lambda: OLD)
    dataset = replace(store.dataset, source=named)
    one, two = (Host(store, f"{url}/spool", tmp_path / n, source, dataset) for n in ("one", "two"))
    with pytest.raises(SourceUnavailable, match="cannot be listed"):
        Files(FilesSource("s3://no-such-bucket/in")).check(ingest_module.known(store))
    assert (
        "changed within"
        in Host(store, f"{url}/spool", tmp_path / "one", Files(named), dataset).ingest().result.note
    )  # the store says how old its objects are
    dies_in(monkeypatch, ingest_module.Spool, "_note", one)
    assert two.ingest().result.stored == 3  # deleted, and asked for again
    dies_in(monkeypatch, StoreBatch, "__call__", one)
    assert two.ingest().result.stored == 2
    assert [b.origin.rsplit("/", 1)[-1] for b in ledger(store)] == ["b.json", "a.json"]
    assert two.objects == []
    fs.pipe_file(f"{root}/in/a.json", batch_body(0, [row] * 4))
    assert two.ingest().result.state is BatchState.CONFLICT


@pytest.fixture
def desk(store: Store, url: str, tmp_path: Path) -> Desk:
    ours = replace(store.dataset, source=UploadSource())
    settings = Settings(_env_file=None, data_dir=tmp_path / "console", spool_url=url)
    return Desk(settings, ours, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]


def test_a_file_uploaded_at_the_console_is_stored_by_another_host(
    desk: Desk, url: str, tmp_path: Path
) -> None:
    values = "1,for_sale,1000,3,2,0.1,5,Avon,Ohio,44011,900,"
    content = "\n".join([",".join(desk.dataset.source_names), values, values]).encode()
    uploads.upload(desk, somebody(), io.BytesIO(content), "jan.csv")
    assert list(desk.settings.spool.iterdir()) == []
    two = Host(desk.store, url, tmp_path / "two", Uploads(), desk.dataset)
    with desk.store.read() as work:
        (asked,) = work.jobs.open()
    assert two.ingest(**asked.args).result.stored == 2
    assert (ledger(desk.store)[0].origin, two.objects) == ("jan.csv", [])


def test_old_objects_that_nobody_needs_are_pruned(desk: Desk, url: str, tmp_path: Path) -> None:
    spool = RemoteSpool(url, tmp_path)
    for name in ("e1-0a.lost", "e1-0b.csv", "e1-0c.csv", "notes.txt"):
        spool.touch(name)
    at = datetime.now(UTC) + timedelta(days=2)
    later = Store(desk.store.engine, desk.dataset, clock=lambda: at)
    with desk.store.begin() as work:
        batch = work.batches.receive(1, "0" * 64, "e1-0b.csv", 0)
        work.batches.close(batch, BatchState.UNREADABLE, note="no batch")
        work.batches.receive(1, "0" * 64, "e1-0c.csv", 0)
        work.commit()
    assert Retention(desk.store, spool, Keep(spool_days=1)).due().files == 0
    list(Retention(later, spool, Keep(spool_days=1)).run("ana"))
    assert sorted(f.name for f in spool.files()) == ["e1-0c.csv", "notes.txt"]


def test_the_doctor_and_the_services_try_the_spool(
    desk: Desk, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finding,) = doctor_checks.spool(desk)
    assert finding.says == f"0 files, 0.0 MB; {url} takes files and returns them"
    (check,) = [c for c in service_checks.checks(desk) if c.name == "Spool"]
    assert check.run().says == "0 files, 0.0 MB"
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    service = check.run()
    assert (service.healthy, "cannot be listed" in service.says) == (False, True)
    with pytest.raises(SpoolUnavailable, match="cannot be listed"):
        doctor_checks.spool(desk)


def test_a_spool_url_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOOL_URL", "sftp://ana:secret@host/spool")
    with pytest.raises(SettingsError, match="must not contain a user name or password") as refused:
        read_settings()
    assert "secret" not in str(refused.value)


def test_a_folder_can_be_named_as_the_spool(tmp_path: Path) -> None:
    for named in (str(tmp_path), f"file://{tmp_path}"):
        settings = Settings(_env_file=None, spool_url=named)
        assert (settings.spool, settings.spool_is_local) == (tmp_path, True)
    assert Settings(_env_file=None).spool == Path(".data/spool")


def test_credentials_may_be_files_of_secrets(
    url: str, server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.items():
        monkeypatch.delenv(name)
        (tmp_path / name.lower()).write_text(value)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    spool = RemoteSpool(url, tmp_path)
    spool.try_write()
    assert spool.files() == []


def test_other_file_systems_serve_as_spool(tmp_path: Path) -> None:
    spool = RemoteSpool("memory://spool-test", tmp_path)
    assert spool.files() == []
    (tmp_path / "e1-0a.csv").write_bytes(b"a,b")
    spool.put("e1-0a.csv")
    spool.rename("e1-0a.csv", "e1-0b.csv")
    digest = hashlib.sha256(b"a,b").hexdigest()
    assert [(f.name, f.size) for f in spool.files()] == [("e1-0b.csv", 3)]
    assert spool.bring("e1-0b.csv", 3, digest).read_bytes() == b"a,b"
    spool.delete("e1-0b.csv")
    assert spool.find("e1-0b.csv") is None
    with pytest.raises(FileNotFoundError):
        spool.bring("e1-0b.csv", 3, digest)
