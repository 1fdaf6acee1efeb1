"""The commands about all datasets that a person may see: what each costs, and a search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console import queries
from console.cli.shared import DatasetName, Output
from console.cli.view import View
from console.text import fleet_lines
from core.rules.ops.fleet_state import Line

if TYPE_CHECKING:
    from console.cli import answers


def costs(view: View, *, dataset: DatasetName = "") -> Output[answers.Costs]:
    """What each dataset costs: rows, bytes received, requests, seconds of work by kind of job."""
    found = [c.cost for c in queries.fleet.costs(view.fleet, view.only(dataset))]
    return Output(found, fleet_lines.cost_lines(found))


def search(
    view: View,
    text: Annotated[
        str,
        typer.Argument(
            help="A version, job, batch, dataset, or the beginning of a prediction's id."
        ),
    ],
    *,
    dataset: DatasetName = "",
) -> Output[answers.Hits]:
    """Search every dataset for a version, job, batch, prediction or name; exit code 1 if none."""
    hits = queries.fleet.search(view.fleet, view.only(dataset), text)
    return Output(hits, fleet_lines.hit_lines(hits), code=0 if hits else 1)


def table(view: View) -> tuple[list[Line], list[str]]:
    """A line for each dataset, and the lines as text."""
    found = queries.fleet.lines(
        view.fleet,
        view.names,
        with_files=bool(view.problems),
        feedback=queries.fleet.feedback_errors(view.fleet, view.names),
    )
    return found, fleet_lines.status_lines(found, datetime.now(UTC))
