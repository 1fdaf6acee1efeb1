"""The command line: `driftdesk`, over the same actions and queries as the pages."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from console import (
    actions,
    cli_decide,
    cli_keys,
    cli_limits,
    cli_notify,
    cli_operate,
    cli_record,
    cli_schedules,
    drifts,
    queries,
    traffic,
)
from console import lines as lines_of
from console.health import look
from console.jsonable import jsonable
from console.predict_command import predict_file, prediction_lines, typed_row
from console.terminal import Actor, AsJson, Reason, Wait, at_desk, begin, follow, tell, who
from core.errors import BadRow

_WINDOWS = 10
"""How many windows of live traffic are printed."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run and decide about a pipeline that retrains a model when its data drifts.",
    callback=begin,
)
app.add_typer(cli_schedules.app, name="schedule")
app.add_typer(cli_limits.app, name="limits")
app.add_typer(cli_keys.app, name="keys")
app.command("notify-test")(cli_notify.notify_test)


@app.command()
def ingest(
    *,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start the source over, in a new epoch.")
    ] = False,
    train: Annotated[
        bool, typer.Option("--train", help="Carry on: train if the batch has drifted.")
    ] = False,
    wait: Wait = False,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Queue the next batch of the data API; its comparison follows by itself."""
    with at_desk(actor) as desk:
        job = actions.request_ingest(desk, who(desk, actor), restart=restart, then_train=train)
        follow(desk, job, wait=wait, as_json=as_json)


@app.command()
def drift(
    *,
    show: Annotated[
        bool, typer.Option("--show", help="Print the newest report instead of queuing one.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Print the newest windows of live traffic instead.")
    ] = False,
    wait: Wait = False,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Compare the newest batch with the one before it, and with the champion's rows."""
    with at_desk(actor) as desk:
        if live:
            now, windows = traffic.waiting(desk), traffic.windows(desk, _WINDOWS)
            tell(
                {"next": now, "windows": windows},
                as_json=as_json,
                lines=lambda: lines_of.window_lines(now, windows),
            )
            return
        if not show:
            job = actions.request_drift(desk, who(desk, actor))
            follow(desk, job, wait=wait, as_json=as_json)
            if not wait:
                return
        reports = queries.reports(desk, 2)
        newest = [r for r in reports if r.batch_id == reports[0].batch_id]
        advice = drifts.view(desk, newest[0].batch_id).advice if newest else None
        if show or not as_json:
            tell(
                [jsonable(r) | {"advice": advice.to_json() if advice else None} for r in newest],
                as_json=as_json,
                lines=lambda: lines_of.report_lines(newest, advice),
            )


@app.command()
def train(
    *, reason: Reason = "", wait: Wait = False, as_json: AsJson = False, actor: Actor = ""
) -> None:
    """Queue training on the current epoch's rows."""
    with at_desk(actor) as desk:
        job = actions.request_train(desk, who(desk, actor), reason=reason)
        follow(desk, job, wait=wait, as_json=as_json)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Where everything stands."""
    with at_desk() as desk:
        now = queries.status(desk)
        services = look(desk)
        tell(
            {"status": now, "services": services},
            as_json=as_json,
            lines=lambda: lines_of.status_lines(now, services),
        )


@app.command()
def candidates(*, as_json: AsJson = False) -> None:
    """Every version that was proposed, and where it stands."""
    with at_desk() as desk:
        found = queries.promotions(desk)
        tell(found, as_json=as_json, lines=lambda: lines_of.candidate_lines(found))


@app.command()
def cancel(job_id: int, *, as_json: AsJson = False, actor: Actor = "") -> None:
    """Cancel a job that waits or runs."""
    with at_desk(actor) as desk:
        job = actions.cancel(desk, who(desk, actor), job_id)
        tell(job, as_json=as_json, lines=lambda: [lines_of.job_line(job)])


@app.command()
def retry(job_id: int, *, wait: Wait = False, as_json: AsJson = False, actor: Actor = "") -> None:
    """Ask once more for a job that failed or was cancelled."""
    with at_desk(actor) as desk:
        job = actions.retry(desk, who(desk, actor), job_id)
        follow(desk, job, wait=wait, as_json=as_json)


@app.command()
def predict(
    fields: Annotated[
        list[str] | None, typer.Argument(help="Fields as name=value; the others stay empty.")
    ] = None,
    *,
    row: Annotated[str, typer.Option("--row", help="The whole row as JSON instead.")] = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Also say what pushed the answer up or down.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--csv", help="Predict every row of this CSV file instead.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the results go; the default is stdout.")
    ] = None,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Ask the served model for one prediction, or for one for each row of a CSV file."""
    with at_desk(actor) as desk:
        if file is not None:
            rejected = predict_file(desk, who(desk, actor), file, out)
            raise typer.Exit(1 if rejected else 0)
        asked = typed_row(desk, _row(fields or [], row))
        answer = actions.predict(desk, who(desk, actor), asked, explain=explain)
        tell(answer, as_json=as_json, lines=lambda: prediction_lines(desk, answer, asked))


@app.command()
def feedback(
    prediction_id: Annotated[str, typer.Argument(help="The id that the answer carried.")],
    actual: Annotated[float, typer.Argument(help="What it turned out to be.")],
    *,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Say what an answer should have been; the error over time is made of it."""
    with at_desk(actor) as desk:
        actions.give_feedback(desk, who(desk, actor), prediction_id, actual)
        said = {"prediction_id": prediction_id, "actual": actual}
        tell(said, as_json=as_json, lines=lambda: ["Kept."])


def _row(fields: list[str], row: str) -> dict[str, Any]:
    try:
        asked = json.loads(row) if row else {}
    except ValueError as error:
        raise BadRow({"--row": "must be JSON"}) from error
    if not isinstance(asked, dict):
        raise BadRow({"--row": "must be a JSON object"})
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals:
            raise BadRow({field: "must be name=value"})
        asked[name] = value
    return asked


@app.command()
def log(job_id: int, *, as_json: AsJson = False) -> None:
    """The lines that a job wrote."""
    with at_desk() as desk:
        lines = queries.job_log(desk, job_id)
        tell(
            lines,
            as_json=as_json,
            lines=lambda: [f"{line.at:%H:%M:%S} {line.level:<7} {line.message}" for line in lines],
        )


for command in (*cli_decide.COMMANDS, *cli_record.COMMANDS, *cli_operate.COMMANDS):
    app.command()(command)


def main() -> None:
    """Entry of the `driftdesk` command."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
