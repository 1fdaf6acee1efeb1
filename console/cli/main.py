"""The command line: `driftdesk`, over the same actions and queries as the pages."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console import actions, queries
from console.cli import (
    audit,
    batches,
    comparison,
    datasets,
    decisions,
    examples,
    fleet,
    keys,
    limits,
    maintenance,
    notifications,
    output,
    quarantine,
    rows,
    schedules,
    sources,
    status,
)
from console.cli import shared as options
from console.cli.following import confirm_end, follow
from console.cli.printing import say, tell
from console.cli.shared import (
    Commands,
    Epoch,
    JobId,
    Output,
    Reason,
    Yes,
    at_desk,
    begin,
)
from console.desk import Desk
from console.text.as_json import jsonable
from console.text.file_check import check_lines
from core.domain.errors import BadInput
from core.domain.jobs import Job
from core.domain.sources import takes_uploads
from core.rules.access.roles import Actor

if TYPE_CHECKING:
    from console.cli import answers

PIPELINE, PREDICT, DECIDE, RECORD, OPERATE = "Pipeline", "Predict", "Decide", "Record", "Operate"
"""The panels of `driftdesk --help`."""

_WINDOWS = 10  # of live traffic are printed

app = Commands(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Run and decide about a pipeline that retrains a model when its data drifts.",
    callback=begin,
)
app.add_typer(batches.app, name="batch", rich_help_panel=PIPELINE)
app.add_typer(rows.app, name="rows", rich_help_panel=PIPELINE)
app.add_typer(quarantine.app, name="quarantine", rich_help_panel=PIPELINE)
app.add_typer(sources.app, name="source", rich_help_panel=PIPELINE)
app.add_typer(datasets.app, name="dataset", rich_help_panel=PIPELINE)
app.add_typer(limits.app, name="limits", rich_help_panel=DECIDE)
app.add_typer(schedules.app, name="schedule", rich_help_panel=OPERATE)
app.add_typer(keys.app, name="keys", rich_help_panel=OPERATE)


@app.command(rich_help_panel=PIPELINE)
def ingest(
    desk: Desk,
    actor: Actor,
    file: Annotated[
        Path | None, typer.Argument(help="A file to upload as the next batch.", dir_okay=False)
    ] = None,
    *,
    restart: Annotated[
        bool, typer.Option("--restart", help="Restart the source in a new epoch.")
    ] = False,
    train: Annotated[bool, typer.Option("--train", help="Train if the batch drifted.")] = False,
    reason: Reason = "",
    yes: Yes = False,
) -> Job:
    """Queue the ingest of the next batch, or of a file; its drift check follows automatically.

    A file's first rows are checked before, as `driftdesk dataset check` does: a file that cannot be
    read is refused, and the reasons of rows that would be quarantined are printed.

    If the ingest is known to end the epoch, the command shows which rows leave training and asks
    for confirmation.
    """
    if file is not None:
        if restart:
            raise BadInput("A file is not asked of the source: leave out --restart, or FILE.")
        if takes_uploads(desk.dataset.source):
            _check_file(desk, file)
        return actions.uploads.upload_path(desk, actor, file, then_train=train)
    ends = confirm_end(queries.status.ends(desk, restart=restart), yes=yes)
    return actions.pipeline.request_ingest(
        desk, actor, restart=restart, then_train=train, ends=ends, reason=reason
    )


def _check_file(desk: Desk, file: Path) -> None:
    """Say which of a file's first rows would be quarantined.

    Raises:
        BadInput: it cannot be read.
    """
    most = desk.settings.file_max_mb * 1_000_000
    check = actions.file_checks.check_path(file, desk.dataset, most)
    if check.valid < check.rows:
        for line in check_lines(check, desk.dataset.name):
            say(line, err=True)


@app.command(rich_help_panel=PIPELINE)
def drift(
    *,
    show: Annotated[
        bool, typer.Option("--show", help="Print the newest report instead of queuing one.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Print the newest windows of live traffic instead.")
    ] = False,
    wait: options.Wait = False,
    as_json: options.AsJson = False,
    actor: options.Actor = "",
    dataset: options.DatasetName = "",
) -> None:
    """Compare the newest batch with the one before it and with the champion's training rows."""
    with at_desk(actor, dataset=dataset) as (desk, acting):
        if not show and not live:
            job = actions.pipeline.request_drift(desk, acting)
            follow(desk, job, wait=wait, as_json=as_json)
            if not wait or as_json:
                return
        value, lines, _ = _windows(desk) if live else _newest_reports(desk)
        tell(value, as_json=as_json, lines=lambda: lines)


def _windows(desk: Desk) -> Output[answers.LiveTraffic]:
    progress = queries.live_traffic.waiting(desk)
    windows = queries.live_traffic.windows(desk, _WINDOWS)
    return Output({"next": progress, "windows": windows}, output.window_lines(progress, windows))


def _newest_reports(desk: Desk) -> Output[answers.Reports]:
    """The newest batch's reports, with its recommendation and verdict."""
    reports = queries.status.reports(desk, 2)
    newest = [r for r in reports if r.batch_id == reports[0].batch_id]
    view = queries.drift.view(desk, newest[0].batch_id) if newest else None
    advice = view.advice.to_json() if view and view.advice else None
    both = {"advice": advice, "verdict": jsonable(view.verdict) if view else None}
    return Output(
        [jsonable(r) | both for r in newest], output.report_lines(newest, desk.dataset, view)
    )


@app.command(rich_help_panel=PIPELINE)
def train(desk: Desk, actor: Actor, *, reason: Reason = "", epoch: Epoch = None) -> Job:
    """Queue training on the current epoch's rows, except those of held batches."""
    return actions.pipeline.request_train(desk, actor, reason=reason, epoch=epoch)


@app.command(rich_help_panel=PIPELINE)
def cancel(desk: Desk, actor: Actor, job_id: JobId) -> Output[answers.Job]:
    """Cancel a queued or running job."""
    job = actions.pipeline.cancel(desk, actor, job_id)
    return Output(job, [output.job_line(job)])


@app.command(rich_help_panel=PIPELINE)
def retry(desk: Desk, actor: Actor, job_id: JobId) -> Job:
    """Retry a failed or cancelled job."""
    return actions.pipeline.retry(desk, actor, job_id)


@app.command(rich_help_panel=PREDICT)
def predict(
    desk: Desk,
    actor: Actor,
    fields: Annotated[
        list[str] | None, typer.Argument(help="Fields as name=value; missing ones are empty.")
    ] = None,
    *,
    row: Annotated[str, typer.Option("--row", help="The whole row as JSON instead.")] = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Also show the feature contributions.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--csv", help="Predict every row of this CSV file instead.")
    ] = None,
    ignore_extra: Annotated[
        bool, typer.Option("--ignore-extra", help="Ignore columns that the model does not take.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file for the results; default: stdout.")
    ] = None,
) -> Output[answers.Prediction]:
    """Predict one row, or every row of a CSV file, with the live model."""
    from console.cli.predict import predict_file, predict_row

    if file is None:
        return predict_row(desk, actor, fields or [], row, explain=explain)
    rejected = predict_file(desk, actor, file, out, ignore_extra=ignore_extra)
    raise typer.Exit(1 if rejected else 0)


@app.command(rich_help_panel=PREDICT)
def feedback(
    desk: Desk,
    actor: Actor,
    prediction_id: Annotated[str, typer.Argument(help="The id of the answer, or its beginning.")],
    actual: Annotated[str, typer.Argument(help="The actual value, or the class.")],
) -> Output[answers.Feedback]:
    """Report the actual value of a prediction, for the error over time."""
    actual_value = actual if desk.dataset.task.is_classifier else _number(actual)
    given = actions.predictions.give_feedback(desk, actor, prediction_id, actual_value)
    note = "Feedback saved." + ("" if given.on_record else " It counts once that id is on record.")
    value: answers.Feedback = {
        "prediction_id": given.prediction_id, "actual": actual_value, "on_record": given.on_record
    }  # fmt: skip
    return Output(value, [note])


def _number(text: str) -> float:
    from core.rules.data.typed_values import read_number

    try:
        return read_number(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}.", param_hint="'ACTUAL'") from None


@app.command(rich_help_panel=RECORD)
def log(desk: Desk, job_id: JobId) -> Output[answers.Log]:
    """Show the log of a job."""
    lines = queries.status.job_log(desk, queries.status.job(desk, job_id).id)
    return Output(
        lines, [f"{line.at:%Y-%m-%d %H:%M:%S} UTC {line.level:<7} {line.message}" for line in lines]
    )


for panel, commands in (
    (PIPELINE, (status.status, fleet.search, comparison.compare)),
    (DECIDE, decisions.COMMANDS),
    (RECORD, audit.COMMANDS),
    (OPERATE, (*maintenance.COMMANDS, fleet.costs, notifications.notify_test)),
):
    for command in commands:
        app.command(rich_help_panel=panel)(command)
examples.add_examples(app)


def main() -> None:
    """Entry of the `driftdesk` command."""
    # Imports make many objects and no garbage; collecting often took a fifth of `status`.
    gc.set_threshold(50_000, 50, 50)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
