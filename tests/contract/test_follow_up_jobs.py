"""What the desk asks for by itself is on record, like what a person asks for."""

from __future__ import annotations

from core.adapters.store import Store
from core.domain.jobs import JobKind
from core.usecases.follow_up_jobs import compare_after
from tests.build import stored_batch


def test_a_drift_check_that_follows_an_ingest_has_a_row_of_its_own(store: Store) -> None:
    batch = stored_batch(store)
    with store.begin() as work:
        ingest, _ = work.jobs.request(JobKind.INGEST, {}, "ana")
        check = compare_after(work, ingest, batch.id, then_train=True)
        assert compare_after(work, ingest, batch.id).id == check.id  # joined: no second row
        work.commit()
    with store.read() as work:
        (event,) = work.audit.of(subjects=[f"job:{check.id}"])
    assert (check.actor, event.actor, event.action) == ("ana", "driftdesk", "request drift")
    assert event.reason == f"It follows job {ingest.id} (ingest)."
    assert event.details == {"batch_id": batch.id, "then_train": True, "after": ingest.id}
