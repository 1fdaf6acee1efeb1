"""`driftdesk batch`: the batch ledger, and the actions on one of its entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from console import actions, queries
from console.cli.shared import Commands, Output, Reason
from console.desk import Desk
from console.text import formatting
from console.text.batch_ledger import note_of
from core.domain.batches import Batch
from core.domain.jobs import Job
from core.rules.access.roles import Actor

if TYPE_CHECKING:
    from console.cli import answers

app = Commands(
    no_args_is_help=True,
    help="Entries of the batch ledger: list, skip, retry, hold, release, dismiss.",
)

_HEAD = "entry  batch    state               rows  quarantined  received (UTC)"

Entry = Annotated[
    str, typer.Argument(help="EPOCH/NUMBER, or the first number of `driftdesk batch list`.")
]


@app.command("list")
def list_(desk: Desk) -> Output[answers.Batches]:
    """The newest entries of the ledger."""
    entries = queries.status.ledger(desk)
    lines = [_HEAD, *(line for batch in entries for line in _row(batch))]
    return Output(entries, lines if entries else ["No batch has been received yet."])


@app.command()
def skip(desk: Desk, actor: Actor, entry: Entry, *, reason: Reason = "") -> Output[answers.Batch]:
    """Skip a batch that blocks the queue, or one that was closed; needs a reason.

    `driftdesk batch retry` undoes it.
    """
    return _shown(actions.batches.skip(desk, actor, ledger_entry(desk, entry), reason=reason))


@app.command()
def retry(desk: Desk, actor: Actor, entry: Entry, *, reason: Reason = "") -> Job:
    """Queue an ingest that reads a closed, skipped or unreadable batch again."""
    return actions.batches.retry(desk, actor, ledger_entry(desk, entry), reason=reason)


@app.command()
def hold(desk: Desk, actor: Actor, entry: Entry, *, reason: Reason = "") -> Output[answers.Batch]:
    """Hold a batch: it is not compared with or trained on until it is released."""
    batch_id = ledger_entry(desk, entry)
    return _shown(actions.batch_holds.hold_batch(desk, actor, batch_id, reason=reason))


@app.command()
def dismiss(
    desk: Desk, actor: Actor, entry: Entry, *, reason: Reason = ""
) -> Output[answers.Verdict]:
    """Dismiss the drift of a batch: no action is required for it; needs a reason."""
    verdict = actions.pipeline.dismiss_batch(desk, actor, ledger_entry(desk, entry), reason=reason)
    return Output(verdict, [verdict.sentence])


@app.command()
def release(
    desk: Desk, actor: Actor, entry: Entry, *, reason: Reason = ""
) -> Output[answers.Batch]:
    """Release a held batch: it is a drift reference and training data again."""
    batch_id = ledger_entry(desk, entry)
    return _shown(actions.batch_holds.release_batch(desk, actor, batch_id, reason=reason))


def ledger_entry(desk: Desk, entry: str) -> int:
    """The id of an entry that was named by epoch and number, or by its id."""
    return queries.lineage.ledger_id(desk, entry)


def _shown(batch: Batch) -> Output[answers.Batch]:
    return Output(batch, [_line(batch)])


def _row(batch: Batch) -> Iterator[str]:
    """A row of the list; a line below it has the note, if there is one."""
    named = f"{batch.epoch}/{'-' if batch.number is None else batch.number}"
    state = "held" if batch.is_held else formatting.STATES[batch.state][1]
    yield (
        f"{batch.id:>5}  {named:<7}  {state:<11}  {batch.stored:>11,}  {batch.quarantined:>11,}  "
        f"{batch.received_at:%Y-%m-%d %H:%M:%S}"
    )
    if note := note_of(batch):
        yield f"       {note}"


def _line(batch: Batch) -> str:
    number = "-" if batch.number is None else str(batch.number)
    state = formatting.STATES[batch.state][1]
    note = note_of(batch)
    return f"{batch.id:>5}  epoch {batch.epoch}  batch {number:>3}  {state:<11}  {note}"
