"""Looking back on both databases: jobs by filter and page, an epoch's ledger, why rows were bad."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from core.adapters.store import Store
from core.domain.batches import BatchState, QuarantinedRow
from core.domain.jobs import JobKind, JobState


def job(store: Store, kind: JobKind, actor: str = "ana", *, error: str = "", said: str = "") -> int:
    with store.begin() as work:
        made, _ = work.jobs.request(kind, {}, actor)
        work.jobs.claim(made.id, 1, "w", timedelta(days=1))
        if said:
            work.jobs.log(made.id, said)
        state = JobState.FAILED if error else JobState.SUCCEEDED
        work.jobs.finish(made.id, "w", state, error=error)
        work.commit()
    return made.id


def test_jobs_are_found_by_each_filter_and_by_all_at_once(store: Store) -> None:
    calm = job(store, JobKind.INGEST, said="Batch 3 of épsilon: 100 % read.")
    bad = job(store, JobKind.TRAIN, "ben", error="Too few rows_left.")
    job(store, JobKind.TRAIN, "ben")

    def ids(**wanted: object) -> list[int]:
        with store.read() as work:
            found = work.job_search.jobs(limit=10, **wanted)
            assert work.job_search.count(**wanted) == len(found)
        return [j.id for j in found]

    assert ids() == sorted(ids(), reverse=True)
    assert len(ids()) == 3
    assert ids(kind=JobKind.INGEST) == [calm]
    assert ids(state=JobState.FAILED) == [bad]
    assert ids(actor="ana") == [calm]
    assert ids(text="batch 3") == [calm]  # logs, whatever the case
    assert ids(text="ÉPSILON".lower()) == [calm]
    assert ids(text="too few") == [bad]
    assert ids(text="100 %") == [calm]
    assert ids(text="%") == [calm]  # a mark, not a wildcard
    assert ids(text="rows_l") == [bad]
    assert ids(text="rowsxl") == []
    assert bad in ids(text=str(bad))
    assert ids(text=f"#{bad}") == [bad]
    assert ids(text="9" * 40) == []
    assert ids(kind=JobKind.TRAIN, actor="ben", state=JobState.FAILED, text="few") == [bad]
    with store.read() as work:
        assert work.job_search.actors() == ["ana", "ben"]


def test_jobs_are_counted_and_found_by_their_day_in_utc(store: Store) -> None:
    night = datetime(2026, 11, 3, tzinfo=UTC)
    made = {}
    for second in (-1, 0, 86_399, 86_400):
        at = night + timedelta(seconds=second)
        made[second] = job(Store(store.engine, store.dataset, lambda at=at: at), JobKind.INGEST)
    third = date(2026, 11, 3)
    with store.read() as work:
        counts = work.job_search.by_day(third, date(2026, 11, 5))
        assert counts == {
            (third, JobState.SUCCEEDED): 2, (date(2026, 11, 4), JobState.SUCCEEDED): 1
        }  # fmt: skip
        found = work.job_search.jobs(limit=10, day=third)
        assert [j.id for j in found] == [made[86_399], made[0]]
        assert work.job_search.count(day=date(2026, 11, 9)) == 0
        assert work.job_search.count(day=date.max) == 0


def test_history_comes_in_pages(store: Store) -> None:
    made = [job(store, JobKind.DRIFT) for _ in range(5)]
    with store.read() as work:
        first = work.job_search.jobs(limit=2)
        last = work.job_search.jobs(limit=2, offset=4)
        assert work.job_search.jobs(limit=2, offset=9) == []
        assert work.job_search.count() == 5
    assert [j.id for j in first] == [made[4], made[3]]
    assert [j.id for j in last] == [made[0]]


def test_the_ledger_of_an_epoch_and_why_its_rows_were_left_out(store: Store) -> None:
    with store.begin() as work:
        work.batches.open_epoch()
        first = work.batches.receive(1, "a", "a.json", 1)
        bad = [QuarantinedRow(n, "price: must be given", "{}") for n in range(3)]
        bad.append(QuarantinedRow(9, "bed: must be a number", "{}"))
        work.batches.store(first, epoch=1, number=0, stored=2, quarantined=bad, gap=0, note="")
        lost = work.batches.receive(1, "", "b.part", 0)
        work.batches.close(lost, BatchState.UNREADABLE, note="The worker died.")
        work.batches.open_epoch()
        second = work.batches.receive(2, "c", "c.json", 1)
        work.commit()
    with store.read() as work:
        assert [b.id for b in work.batches.ledger(500, epoch=1)] == [lost.id, first.id]
        assert [b.id for b in work.batches.ledger(500, epoch=2)] == [second.id]
        assert work.batches.ledger(500, epoch=3) == []
        assert work.job_search.reasons(first.id) == [
            ("price: must be given", 3), ("bed: must be a number", 1),
        ]  # fmt: skip
        assert work.job_search.reasons(lost.id) == []
