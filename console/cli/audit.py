"""The commands that read the record: the audit trail, the jobs, and the lineage of one id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from console import queries
from console.cli import output
from console.cli.shared import DatasetName, Output
from console.cli.view import View
from console.desk import Desk
from console.text.audit_sentences import sentence
from core.domain import job_results
from core.domain.jobs import Job, JobKind, JobState
from core.rules.access.roles import Right

if TYPE_CHECKING:
    from console.cli import answers


def audit(
    view: View,
    *,
    subject: Annotated[str, typer.Option(help="Only this subject, such as version:3.")] = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify the hash chain: that no event was altered.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many events.")] = 50,
    dataset: DatasetName = "",
) -> Output[answers.Audit]:
    """Who did what, when and why, newest first.

    Where there are several datasets and none is named, of each that you may see. The hash chain is
    one for all.
    """
    names = view.only(dataset)
    desk = view.desk(names[0] if names else "")
    if verify:
        chain = queries.promotion.verify_audit(desk)
        return Output(chain, [chain.says], code=0 if chain.whole else 1)
    of_the_desk = [""] if not dataset and view.actor().may(Right.SEE) else []
    events = queries.promotion.audit_of(desk, [*names, *of_the_desk], limit, subject=subject)
    several = len(names) > 1
    width = max((len(e.dataset) for e in events), default=0)
    lines = [
        f"{e.at:%Y-%m-%d %H:%M:%S} UTC  "
        + (f"{e.dataset:<{width}}  " if several else "")
        + f"{sentence(e)} {e.reason}".rstrip()
        for e in events
    ]
    return Output(events, lines or ["There are no events yet."])


_JOBS_HEAD = "  job  kind     state      requested (UTC)      by"


def jobs(
    desk: Desk,
    *,
    kind: Annotated[JobKind | None, typer.Option(help="Only jobs of this kind.")] = None,
    state: Annotated[
        JobState | None, typer.Option(case_sensitive=False, help="Only jobs in this state.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many jobs.")] = 20,
) -> Output[answers.Jobs]:
    """The latest jobs with their results, newest first: their numbers are those for `log`."""
    wanted = queries.job_history.JobFilter(kind=kind, state=state)
    found = queries.job_history.jobs(desk, wanted, size=limit)
    lines = [_JOBS_HEAD, *(line for job in found for line in _job(job))]
    nothing = "No job matches." if kind or state else "No job has been requested yet."
    return Output(found, lines if found else [nothing])


def _job(job: Job) -> Iterator[str]:
    """A row of the list; a line below it has the error or the result, if there is one."""
    yield (
        f"{job.id:>5}  {job.kind.value:<7}  {job.state.value.lower():<9}  "
        f"{job.requested_at:%Y-%m-%d %H:%M:%S}  {job.actor}"
    )
    if note := job.error or job_results.sentence(job.result) or job.stage:
        yield f"       {note}"


def passport(
    desk: Desk,
    subject: Annotated[
        str,
        typer.Argument(
            help="A prediction's id or its start, version:3, job:7, batch:2/3 or 2/3 (batch 3 of "
            "epoch 2), batch:3 (of the current epoch), batch-id:12 (an old record's batch:12)."
        ),
    ],
) -> Output[answers.Passport]:
    """The lineage of one id: batches, training, version, decision, predictions, feedback."""
    record = queries.lineage.passport(desk, subject)
    return Output(record.to_json(), output.passport_lines(record))


COMMANDS = (audit, jobs, passport)
