"""`driftdesk status`: the pipeline, its services, and what a person has to do."""

from __future__ import annotations

from typing import Annotated

import typer

from console import queries
from console.cli import output
from console.cli.shared import Output
from console.desk import Desk

A_SERVICE_IS_DOWN, ACTION_REQUIRED = 3, 4
"""Exit codes of `status`, the second with `--check`."""


def status(
    desk: Desk,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with code 4 if a person has something to do.")
    ] = False,
) -> Output:
    """The state of the pipeline and its services; exit code 3 if a service is down.

    With `--check`, the required actions are listed, and exit code 4 says that there are any.
    """
    state, stuck = queries.status.status(desk), queries.stalled_jobs.stuck(desk)
    services = queries.health.look(desk)
    restored = [f"{need.title}: {need.detail}" for need in queries.overview.put_back(desk)]
    needs = queries.overview.overview(desk).needs if check else ()
    code = ACTION_REQUIRED if needs else 0
    return Output(
        {"status": state, "services": services, "stuck": stuck, "told": restored}
        | ({"needs": needs} if check else {}),
        [*output.status_lines(state, services, stuck), *restored, *output.need_lines(needs)],
        A_SERVICE_IS_DOWN if any(service.healthy is False for service in services) else code,
    )
