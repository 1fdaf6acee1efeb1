"""`driftdesk rows …`: the stored rows, by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console import queries
from console.cli.shared import Commands, Epoch, Output
from console.desk import Desk
from console.text.formatting import count

if TYPE_CHECKING:
    from console.cli import answers

app = Commands(no_args_is_help=True, help="The stored rows by epoch: list, export.")


@app.command("list")
def list_(desk: Desk) -> Output[answers.Rows]:
    """The epochs that have rows in the database, newest first."""
    epochs = queries.rows_export.epochs(desk)
    lines = [
        f"epoch {e.epoch}: {count(e.rows, 'row')} in {count(e.batches, 'batch')}, "
        f"{e.untrained:,} not used in training yet"
        for e in epochs
    ]
    return Output(epochs, lines or ["No rows."])


@app.command()
def export(
    desk: Desk,
    file: Annotated[Path, typer.Argument(help="Ends in .csv or .parquet; it is overwritten.")],
    *,
    epoch: Epoch = None,
) -> Output[answers.Exported]:
    """Export an epoch's rows to a CSV or Parquet file."""
    rows = queries.rows_export.export(desk, epoch, file)
    return Output({"file": str(file), "rows": rows}, [f"{file}: {count(rows, 'row')}."])
