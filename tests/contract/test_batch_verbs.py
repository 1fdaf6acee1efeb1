"""Skip and retry an entry of the ledger: by verb and by command line, on both databases."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from console.actions import batches
from console.cli.main import app
from console.desk import Desk
from core.adapters.store import Store
from core.domain.batches import Batch, BatchState
from core.domain.dataset import Dataset
from core.domain.errors import IllegalTransition, JobUnderWay, Missing, ReasonRequired
from core.domain.jobs import JobKind, JobState
from core.platform.settings import Settings
from tests import build
from tests.answers import NextAnswers, batch_body, whole
from tests.build import somebody
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.work import ingest

ROW = {"rides": 97, "temperature": 9.5, "weather": "rain", "station": 12}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return build.small_dataset()


@pytest.fixture
def desk(store: Store, dataset: Dataset, tmp_path: Path) -> Desk:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    return Desk(settings, dataset, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]


def good(number: int) -> bytes:
    return whole(batch_body(number, [ROW] * 3))


def entry(store: Store, number: int = 1) -> Batch:
    with store.read() as work:
        return work.batches.get(number)


def closed(desk: Desk, api: NextAnswers, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """A batch that could not be stored, and the one after it, which was."""

    def fail(*_: Any) -> None:
        raise RecursionError

    api.put(good(0), good(1))
    with monkeypatch.context() as patch:
        patch.setattr("core.adapters.readers.parse.chunks", fail)
        ingest(desk.store, api.url, desk.settings.spool)
    ingest(desk.store, api.url, desk.settings.spool)
    return entry(desk.store)


def test_a_closed_batch_is_read_again_after_the_cause_was_mended(
    desk: Desk, api: NextAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = closed(desk, api, monkeypatch)
    assert batch.state is BatchState.CLOSED
    job = batches.retry(desk, somebody("ben"), batch.id)
    assert job.state is JobState.QUEUED
    with desk.store.begin() as work:
        work.jobs.cancel(job.id)
        work.commit()
    after = ingest(desk.store, api.url, desk.settings.spool)
    assert (after.result.batch, after.result.stored, after.result.gap) == (0, 3, 0)
    with desk.store.read() as work:
        assert [b.number for b in work.batches.stored(1)] == [0, 1]
        audited = {e.action: e for e in work.audit.latest()}
    assert audited["retry batch"].actor == "ben"
    assert audited["retry batch"].details["from"] == "CLOSED"


def test_a_batch_that_was_skipped_lets_the_next_go_on_and_can_be_taken_back(
    desk: Desk, api: NextAnswers
) -> None:
    with desk.store.begin() as work:
        waiting = work.batches.receive(1, "h", "e1-a.json", 9)
        work.commit()
    desk.settings.spool.mkdir()
    (desk.settings.spool / "e1-a.json").write_bytes(batch_body(0, [ROW]))
    with pytest.raises(ReasonRequired):
        batches.skip(desk, somebody(), waiting.id, reason=" ")
    made = batches.skip(desk, somebody(), waiting.id, reason="It is nonsense.")
    assert (made.state, made.note) == (BatchState.SKIPPED, "Skipped by ana: It is nonsense.")
    api.put(good(1))
    assert ingest(desk.store, api.url, desk.settings.spool).result.batch == 1
    batches.retry(desk, somebody(), waiting.id)
    assert entry(desk.store).state is BatchState.RECEIVED


@pytest.mark.parametrize("open_args", [{"restart_epoch": 1}, {"then_train": True}])
def test_a_retry_joins_an_open_ingest_or_does_nothing(
    desk: Desk, api: NextAnswers, monkeypatch: pytest.MonkeyPatch, open_args: dict[str, Any]
) -> None:
    batch = closed(desk, api, monkeypatch)
    with desk.store.begin() as work:
        for job in work.jobs.open():
            work.jobs.cancel(job.id)
        open_job, _ = work.jobs.request(JobKind.INGEST, open_args, "eve")
        work.commit()
    if "restart_epoch" in open_args:
        with pytest.raises(JobUnderWay):
            batches.retry(desk, somebody(), batch.id)
        assert entry(desk.store).state is BatchState.CLOSED
        return
    assert batches.retry(desk, somebody(), batch.id).id == open_job.id
    assert entry(desk.store).state is BatchState.RECEIVED


def test_what_is_stored_or_over_can_be_neither_skipped_nor_read_again(
    desk: Desk, api: NextAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = closed(desk, api, monkeypatch)
    stored = entry(desk.store, 2)
    for verb, more in ((batches.skip, {"reason": "x"}), (batches.retry, {})):
        with pytest.raises(IllegalTransition, match="is stored"):
            verb(desk, somebody(), stored.id, **more)
        with pytest.raises(Missing):
            verb(desk, somebody(), 99, **more)
    with desk.store.begin() as work:
        work.batches.open_epoch()
        work.commit()
    with pytest.raises(IllegalTransition, match="epoch 1, which is over"):
        batches.retry(desk, somebody(), batch.id)


def test_a_batch_that_is_skipped_while_it_is_read_is_not_stored(
    desk: Desk, api: NextAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Store.prepared

    def prepared(*args: Any) -> Any:
        found = real(*args)
        skipping = threading.Thread(
            target=batches.skip, args=(desk, somebody(), 1), kwargs={"reason": "Stop."}
        )
        skipping.start()
        skipping.join()
        return found

    api.put(good(0), good(1))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "prepared", prepared)
        job = ingest(desk.store, api.url, desk.settings.spool)
    assert job.state is JobState.FAILED
    assert "is skipped now" in job.error
    with desk.store.read() as work:
        assert work.rows.count() == 0
    assert ingest(desk.store, api.url, desk.settings.spool).result.batch == 1


def test_the_command_line_lists_skips_and_retries(
    desk: Desk,
    api: NextAnswers,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    batch = closed(desk, api, monkeypatch)
    told = {
        "DATABASE_URL": database_url, "DATA_DIR": str(tmp_path), "ACTOR": "ana",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    monkeypatch.setattr(Desk, "make", lambda *_: desk)
    structlog.reset_defaults()
    run = CliRunner().invoke
    listed = run(app, ["batch", "list", "--json"])
    assert [b["state"] for b in json.loads(listed.output)] == ["STORED", "CLOSED"]
    assert "closed" in run(app, ["batch", "list"]).output
    refused = run(app, ["batch", "skip", str(batch.id)])
    assert (refused.exit_code, "Say why" in refused.output) == (1, True)
    assert run(app, ["batch", "skip", str(batch.id), "--reason", "No use."]).exit_code == 0
    again = run(app, ["batch", "retry", str(batch.id), "--json"])
    assert json.loads(again.output)["kind"] == "ingest", again.output
    structlog.reset_defaults()
