"""Jobs that another job asks for by itself: each is on record like one that a person asks for."""

from __future__ import annotations

from core.adapters.store import Work
from core.domain.audit_event import ITSELF
from core.domain.jobs import Job, JobKind


def compare_after(work: Work, job: Job, batch_id: int, *, then_train: bool | None = None) -> Job:
    """Ask for the drift check of a batch that a job stored or changed, or join the open one.

    The check runs for whoever asked for that job; the record says that nobody asked for it itself.
    `then_train` trains if the batch drifted; None where that is no question.
    """
    args = {"batch_id": batch_id} | ({} if then_train is None else {"then_train": then_train})
    check, is_new = work.jobs.request(JobKind.DRIFT, args, job.actor, key=f"drift:{batch_id}")
    if is_new:
        why = f"It follows job {job.id} ({job.kind.value})."
        details = args | {"after": job.id}
        work.audit.add(ITSELF, "request drift", f"job:{check.id}", reason=why, details=details)
    return check
