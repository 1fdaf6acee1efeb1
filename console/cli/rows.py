"""`driftdesk rows …`: the stored rows, by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console import queries
from console.cli.shared import Commands, Epoch, Output
from console.desk import Desk

app = Commands(no_args_is_help=True, help="The stored rows by epoch: list, export.")


@app.command("list")
def list_(desk: Desk) -> Output:
    """The epochs that have rows in the database, newest first."""
    epochs = queries.rows_export.epochs(desk)
    lines = [
        f"epoch {e.epoch}: {e.rows:,} rows in {e.batches} batches; no version was trained on "
        f"{e.untrained:,} of them"
        for e in epochs
    ]
    return Output(epochs, lines or ["No rows."])


@app.command()
def export(
    desk: Desk,
    file: Annotated[Path, typer.Argument(help="Ends in .csv or .parquet; it is overwritten.")],
    *,
    epoch: Epoch = None,
) -> Output:
    """Export an epoch's rows to a CSV or Parquet file."""
    count = queries.rows_export.export(desk, epoch, file)
    return Output({"file": str(file), "rows": count}, [f"{file}: {count:,} rows."])
