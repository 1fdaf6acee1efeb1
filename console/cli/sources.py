"""`driftdesk source`: where the batches come from, and what the next one would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import queries
from console.cli.shared import Commands, Output
from console.desk import Desk

if TYPE_CHECKING:
    from console.cli import answers

app = Commands(no_args_is_help=True, help="The source of the batches: check it.")


@app.command()
def check(desk: Desk) -> Output[answers.Source]:
    """Try the source without moving it, and say what the next batch would be.

    The check is the worker's: run it where the workers run, with their files and credentials.
    """
    checked = queries.source.check(desk)
    return Output(checked, [f"Source: {checked.address}.", checked.note])
