"""`driftdesk compare`: two batches, or a batch and the training rows of a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console import queries
from console.cli import output
from console.cli.shared import Output
from console.desk import Desk

if TYPE_CHECKING:
    from console.cli import answers

_HELP = "2/3 for batch 3 of epoch 2, or version:4 for the rows that version 4 was trained on."


def compare(
    desk: Desk,
    reference: Annotated[str, typer.Argument(help=f"Compare with this: {_HELP}")],
    current: Annotated[str, typer.Argument(help="What is compared, named in the same way.")],
) -> Output[answers.Comparison]:
    """Compare any two batches or versions on demand, with the limits in force.

    Nothing is stored, and no verdict follows from it.
    """
    found = queries.comparison.compare(desk, reference, current)
    value: answers.Comparison = {
        "reference": found.reference.address,
        "current": found.current.address,
        "report": found.report,
    }
    return Output(value, output.comparison_lines(found))
