"""`driftdesk status`: the pipeline, its services, and what a person has to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console import queries
from console.cli import fleet, output
from console.cli.shared import DatasetName, Output
from console.cli.view import View
from console.desk import Desk
from core.rules.ops.needs import RESTORED

if TYPE_CHECKING:
    from console.cli import answers

A_SERVICE_IS_DOWN, ACTION_REQUIRED = 3, 4
"""Exit codes of `status`, the second with `--check`."""


def status(
    view: View,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with code 4 if a person has something to do.")
    ] = False,
    dataset: DatasetName = "",
) -> Output[answers.Status]:
    """The state of the pipeline and its services; exit code 3 if a service is down.

    With `--check`, the required actions are listed, and exit code 4 says that there are any. Where
    there are several datasets and none is named, each has a line, with what it needs.
    """
    wrong = [*view.problems] if view.names else []
    if not dataset and len([*view.names, *wrong]) > 1:
        return _of_all(view, check=check)
    return _of_one(view.desk(dataset), check=check)


def _of_all(view: View, *, check: bool) -> Output[answers.Status]:
    """A line for each dataset, and the services that they share."""
    lines, table = fleet.table(view)
    needs_somebody = check and any(line.needs_somebody for line in lines)
    services = queries.health.look(view.any_desk(), shared=True)
    return Output(
        {"datasets": lines, "services": services},
        [*table, *output.service_lines(services)],
        _code(services, needs_somebody=needs_somebody),
    )


def _of_one(desk: Desk, *, check: bool) -> Output[answers.Status]:
    state, stuck = queries.status.status(desk), queries.stalled_jobs.stuck(desk)
    services = queries.health.look(desk)
    needs = queries.overview.required(desk)
    restored = [f"{need.title}: {need.detail}" for need in needs if need.title == RESTORED]
    value: answers.StatusOfOne = {
        "status": state, "services": services, "stuck": stuck, "told": restored
    }  # fmt: skip
    if check:
        value["needs"] = needs
    lines = output.status_lines(state, services, stuck)
    lines += output.need_lines(needs) if check else restored
    return Output(
        value,
        lines,
        _code(services, needs_somebody=check and bool(needs)),
    )


def _code(services: list[queries.service_checks.Service], *, needs_somebody: bool) -> int:
    if any(service.healthy is False for service in services):
        return A_SERVICE_IS_DOWN
    return ACTION_REQUIRED if needs_somebody else 0
