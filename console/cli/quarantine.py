"""`driftdesk quarantine`: rows that broke a rule, and reading them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console import actions, queries
from console.cli.batches import Entry, ledger_entry
from console.cli.shared import Commands, Epoch, Output, Reason
from console.desk import Desk
from console.text.quarantine import matching
from core.domain.jobs import Job
from core.rules.access.roles import Actor

if TYPE_CHECKING:
    from console.cli import answers

app = Commands(no_args_is_help=True, help="Quarantined rows: list, retry.")

_SHOWN = 100


@app.command("list")
def list_(
    desk: Desk,
    entry: Annotated[
        str, typer.Argument(help="EPOCH/NUMBER, or an entry's number; without it, all batches.")
    ] = "",
    *,
    epoch: Epoch = None,
    search: Annotated[str, typer.Option(help="Only rows in which these words occur.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The most rows.")] = _SHOWN,
) -> Output[answers.Quarantine]:
    """The batches with quarantined rows, or the rows of one: column, value and reason."""
    if not entry:
        batches = queries.quarantine.batches(desk, epoch)
        lines = [f"{b.epoch}/{b.number}: {b.quarantined:,} of {b.rows:,} rows" for b in batches]
        return Output(batches, lines or ["No row is in quarantine."])
    rules = matching(queries.quarantine.rules(desk, ledger_entry(desk, entry), limit), search)
    lines = [f"row {r.row}  {r.column or '(whole row)'}  {r.value!r}  {r.reason}" for r in rules]
    return Output(rules, lines or ["No such row is in quarantine."])


@app.command()
def retry(desk: Desk, actor: Actor, entry: Entry, *, reason: Reason = "") -> Job:
    """Queue a job that reads the quarantined rows of a batch with today's dataset file.

    Rows that are valid now are added to the batch, and the batch is compared again.
    """
    return actions.batches.retry_quarantine(desk, actor, ledger_entry(desk, entry), reason=reason)
