"""What every source keeps: one list of promises, and each source goes through all of it.

Where trouble of a kind cannot happen to a source, its rig in `tests.source_rigs` says why.
`pytest --collect-only -q` prints the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from core.adapters.store import Store
from core.domain.batches import BatchState
from core.domain.errors import JobCancelled, NothingNew
from core.domain.job_results import BatchStored, NoNewBatch, SourceEnded
from core.domain.jobs import JobKind, JobState
from tests.object_store import s3_server
from tests.source_rigs import RIGS, Rig, UploadRig, rigged
from tests.work import run_job
from workers.sources.port import NOTHING_KNOWN
from workers.steps import ingest
from workers.steps.ingest import known
from workers.steps.store_batch import StoreBatch

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

ONCE_MORE = [name for name, rig in RIGS.items() if name != "data_api"]
"""Sources that cannot begin again with a first batch: only a data API has one."""

ASKED = ["files", "files_s3", "sql", "sql_mariadb"]
"""Sources that can be asked again for the same batch: a data API counts it as served, and of an
upload there is nothing to ask."""


@pytest.fixture(scope="session")
def object_store() -> Iterator[dict[str, str]]:
    with s3_server() as env:
        yield env


@pytest.fixture
def rig(source: str, request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Iterator[Rig]:
    with rigged(source, request, store, tmp_path) as rig:
        yield rig


@pytest.mark.parametrize("source", RIGS)
def test_each_batch_arrives_whole_and_its_size_and_digest_are_on_record(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, store_batch = [], StoreBatch.__call__

    def seen(step: StoreBatch, run: Any, batch: Any) -> None:
        arrived.append((step.spool.local / batch.spool).read_bytes())
        store_batch(step, run, batch)

    monkeypatch.setattr(StoreBatch, "__call__", seen)
    for number, count in enumerate([3, 2]):
        rig.deliver(count)
        result = rig.ingest().result
        assert isinstance(result, BatchStored)
        assert (result.batch, result.stored, result.gap) == (number, count, 0)
    with rig.store.read() as work:
        entries = work.batches.ledger()[::-1]
    assert [(b.bytes, b.content_hash, b.state) for b in entries] == [
        (len(content), sha256(content).hexdigest(), BatchState.STORED) for content in arrived
    ]
    assert not rig.handed_over or arrived == rig.handed_over
    assert rig.stored() == rig.prices
    assert list(rig.spool.iterdir()) == []


@pytest.mark.parametrize("source", RIGS)
def test_nothing_new_is_said_and_no_failure_in_a_new_process_too(rig: Rig, store: Store) -> None:
    rig.deliver(2)
    assert rig.ingest().result.stored == 2
    again = Store(store.engine, store.dataset)
    rig.store = again
    for _ in range(2):
        nothing = rig.ingest()
        assert nothing.state is JobState.SUCCEEDED
        assert isinstance(nothing.result, NoNewBatch | SourceEnded)
        assert nothing.result.note.endswith(".")
    rig.deliver(1)
    assert rig.ingest().result.stored == 1
    assert rig.stored() == rig.prices


@pytest.mark.parametrize("source", RIGS)
def test_a_check_says_what_comes_next_and_moves_nothing(rig: Rig) -> None:
    rig.deliver(1)
    rig.ingest()
    rig.deliver(2)
    for _ in range(2):
        assert re.search(rig.NEXT, rig.source().check(known(rig.store)))
    assert rig.ingest().result.stored == 2
    with suppress(NothingNew):  # where it can be known
        assert re.search(rig.NEXT, rig.source().check(known(rig.store)))


@pytest.mark.parametrize(
    ("source", "trouble"), [(name, kind) for name, rig in RIGS.items() for kind in rig.SAYS]
)
def test_trouble_is_named_and_neither_loses_a_row_nor_holds_up_the_next_batch(
    rig: Rig, trouble: str
) -> None:
    rig.deliver(2)
    assert rig.ingest().result.stored == 2
    with rig.trouble(trouble):
        said = rig.said()
    assert re.search(rig.SAYS[trouble], said), said
    assert not re.search("Traceback|Debug source|Error\\(", said), said
    rig.deliver(1)
    rig.take_all()
    assert rig.stored() == rig.prices
    with rig.store.read() as work:
        kept = {b.spool for b in work.batches.ledger()
                if b.state in (BatchState.CONFLICT, BatchState.UNREADABLE)}  # fmt: skip
    assert kept <= {file.name for file in rig.spool.iterdir()}  # for a person to look at


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


@pytest.mark.parametrize(
    "place",
    [(ingest.Spool, "_note"), (StoreBatch, "__call__"), (StoreBatch, "_write")],
    ids=["received", "in_the_ledger", "being_stored"],
)
@pytest.mark.parametrize("source", RIGS)
def test_a_batch_whose_worker_is_killed_is_stored_once_by_another(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str]
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    rig.deliver(2)
    run = rig.claimed()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(*place, killed)
        rig.step(run)
    run.end(JobState.FAILED, "It was killed.")
    rig.take_all()
    rig.deliver(1)
    rig.take_all()
    assert rig.stored() == rig.prices
    with rig.store.read() as work:
        assert [b.state for b in work.batches.ledger()] == [BatchState.STORED] * 2
    assert list(rig.spool.iterdir()) == []


@pytest.mark.parametrize("source", ASKED)
def test_half_of_a_batch_that_a_killed_worker_left_is_asked_for_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_source: Any, part: Path, *_: Any) -> None:
        part.write_bytes(b"half a fil")
        part.with_suffix(".0.arrow").write_bytes(b"half a chunk")
        raise Killed

    rig.deliver(2)
    run = rig.claimed()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(type(rig.source()), "fetch", killed)
        rig.step(run)
    run.end(JobState.FAILED, "It was killed.")
    assert list(rig.spool.iterdir())
    rig.take_all()
    assert rig.stored() == rig.prices
    assert list(rig.spool.iterdir()) == []


@pytest.mark.parametrize("source", RIGS)
def test_a_copy_that_is_gone_from_the_spool_is_named_with_what_to_do(
    source: str, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.deliver(2)
    store_batch = StoreBatch.__call__

    def gone(step: StoreBatch, run: Any, batch: Any) -> None:
        (step.spool.local / batch.spool).unlink()
        store_batch(step, run, batch)

    with monkeypatch.context() as patch:
        patch.setattr(StoreBatch, "__call__", gone)
        said = rig.said()
    remedy = {"upload": "Upload the file again", "data_api": ""}
    assert re.search(remedy.get(source, "asked for it again"), said), said
    assert "is gone" in said
    if isinstance(rig, UploadRig):
        rig.again()
    elif source == "data_api":  # its cursor has moved on
        rig.prices.clear()
    rig.take_all()
    rig.deliver(1)
    rig.take_all()
    assert rig.stored() == rig.prices


@pytest.mark.parametrize("source", ASKED)
def test_a_cancel_leaves_the_batch_at_its_place(rig: Rig) -> None:
    def cancel(_size: int, _announced: int) -> None:
        raise JobCancelled("Cancelled on request.")

    rig.deliver(2)
    part = rig.folder / "x.part"
    with pytest.raises(JobCancelled):
        rig.source().fetch(part, NOTHING_KNOWN, cancel)
    assert list(rig.folder.glob("x*")) == []
    assert rig.ingest().result.stored == 2


@pytest.mark.parametrize("source", ONCE_MORE)
def test_a_restart_is_refused_and_the_epoch_goes_on(rig: Rig) -> None:
    rig.deliver(1)
    rig.ingest()
    job = run_job(rig.store, JobKind.INGEST, rig.step, {"restart_epoch": 1})
    assert (job.state, "no first batch to go back to" in job.error) == (JobState.FAILED, True)
    rig.deliver(1)
    assert rig.ingest().result.epoch == 1
    assert rig.stored() == rig.prices
