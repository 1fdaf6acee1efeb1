"""The command line: `driftdesk`, over the same actions and queries as the pages."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any

import typer

from console import actions, cli_limits, drifts, queries, words
from console import lines as lines_of
from console.desk import Desk
from core.errors import BadRow, DriftdeskError
from core.log import configure
from core.records import Job, JobState
from core.settings import read_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run and decide about a pipeline that retrains a model when its data drifts.",
)
app.add_typer(cli_limits.app, name="limits")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the job is over.")]
Actor = Annotated[str, typer.Option(help="Who acts; the default is the setting ACTOR.")]
Reason = Annotated[str, typer.Option(help="Why; it goes on record.")]

_ASK_EVERY = 0.3


@contextmanager
def _desk() -> Iterator[Desk]:
    """The desk for one command; what goes wrong becomes one sentence and exit code 1."""
    try:
        settings = read_settings()
        configure(settings.log_format, "cli")
        desk = Desk.make(settings)
        try:
            yield desk
        finally:
            desk.store.close()
    except BadRow as error:
        for field, rule in error.problems.items():
            typer.echo(f"{field}: {rule}", err=True)
        raise typer.Exit(1) from error
    except DriftdeskError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


def _print(value: Any, *, as_json: bool, lines: Callable[[], list[str]]) -> None:
    if as_json:
        typer.echo(json.dumps(_plain(value), ensure_ascii=False, indent=2))
    else:
        for line in lines():
            typer.echo(line)


def _follow(desk: Desk, job: Job, *, wait: bool, as_json: bool) -> None:
    """Print a job, after it is over where that was asked for; a bad end is exit code 1."""
    said = ""
    while wait and not job.state.is_over:
        if not as_json and job.stage and job.stage != said:
            said = job.stage
            typer.echo(f"  {job.progress:4.0%}  {said}", err=True)
        time.sleep(_ASK_EVERY)
        job = queries.job(desk, job.id)
    if wait:
        job = _follow_up(desk, job, as_json=as_json)
    _print(job, as_json=as_json, lines=lambda: [lines_of.job_line(job)])
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        raise typer.Exit(1)


def _follow_up(desk: Desk, job: Job, *, as_json: bool) -> Job:
    """Wait for the jobs that this one queued, too: drift after ingest, training after drift."""
    for key in ("drift_job", "train_job", "promote_job"):
        if follower := job.result.get(key):
            if not as_json:
                typer.echo(lines_of.job_line(job), err=True)
            after = queries.job(desk, int(follower))
            while not after.state.is_over:
                time.sleep(_ASK_EVERY)
                after = queries.job(desk, after.id)
            if after.state is JobState.FAILED:
                return after
            last = _follow_up(desk, after, as_json=as_json)
            if not as_json and last.id != job.id:
                typer.echo(lines_of.job_line(last), err=True)
    return job


def _actor(desk: Desk, actor: str) -> str:
    return actor or desk.settings.actor


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
    with _desk() as desk:
        job = actions.request_ingest(desk, _actor(desk, actor), restart=restart, then_train=train)
        _follow(desk, job, wait=wait, as_json=as_json)


@app.command()
def drift(
    *,
    show: Annotated[
        bool, typer.Option("--show", help="Print the newest report instead of queuing one.")
    ] = False,
    wait: Wait = False,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Compare the newest batch with the one before it, and with the champion's rows."""
    with _desk() as desk:
        if not show:
            job = actions.request_drift(desk, _actor(desk, actor))
            _follow(desk, job, wait=wait, as_json=as_json)
            if not wait:
                return
        reports = queries.reports(desk, 2)
        newest = [r for r in reports if r.batch_id == reports[0].batch_id]
        advice = drifts.view(desk, newest[0].batch_id).advice if newest else None
        if show or not as_json:
            _print(
                [_plain(r) | {"advice": advice.to_json() if advice else None} for r in newest],
                as_json=as_json,
                lines=lambda: lines_of.report_lines(newest, advice),
            )


@app.command()
def train(
    *, reason: Reason = "", wait: Wait = False, as_json: AsJson = False, actor: Actor = ""
) -> None:
    """Queue training on the current epoch's rows."""
    with _desk() as desk:
        job = actions.request_train(desk, _actor(desk, actor), reason=reason)
        _follow(desk, job, wait=wait, as_json=as_json)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Where everything stands."""
    with _desk() as desk:
        now = queries.status(desk)
        services = queries.services(desk)
        _print(
            {"status": now, "services": services},
            as_json=as_json,
            lines=lambda: lines_of.status_lines(now, services),
        )


@app.command()
def candidates(*, as_json: AsJson = False) -> None:
    """Every version that was proposed, and where it stands."""
    with _desk() as desk:
        found = queries.promotions(desk)
        _print(found, as_json=as_json, lines=lambda: lines_of.candidate_lines(found))


@app.command()
def approve(
    version: int,
    *,
    reason: Reason = "",
    wait: Wait = False,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Approve a candidate: it becomes champion, and serving answers with it."""
    with _desk() as desk:
        job = actions.approve(desk, _actor(desk, actor), version, reason=reason)
        _follow(desk, job, wait=wait, as_json=as_json)


@app.command()
def reject(
    version: int, *, reason: Reason = "", as_json: AsJson = False, actor: Actor = ""
) -> None:
    """Turn a candidate down; needs a reason."""
    with _desk() as desk:
        promotion = actions.reject(desk, _actor(desk, actor), version, reason=reason)
        _print(promotion, as_json=as_json, lines=lambda: [f"version {version}: rejected"])


@app.command()
def force(
    version: int,
    *,
    reason: Reason = "",
    wait: Wait = False,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Promote any version of the registry, whatever was recommended; needs a reason."""
    with _desk() as desk:
        job = actions.force(desk, _actor(desk, actor), version, reason=reason)
        _follow(desk, job, wait=wait, as_json=as_json)


@app.command()
def rollback(
    *, reason: Reason = "", wait: Wait = False, as_json: AsJson = False, actor: Actor = ""
) -> None:
    """Go back to the version that was live before; needs a reason."""
    with _desk() as desk:
        job = actions.roll_back(desk, _actor(desk, actor), reason=reason)
        _follow(desk, job, wait=wait, as_json=as_json)


@app.command()
def cancel(job_id: int, *, as_json: AsJson = False, actor: Actor = "") -> None:
    """Cancel a job that waits or runs."""
    with _desk() as desk:
        job = actions.cancel(desk, _actor(desk, actor), job_id)
        _print(job, as_json=as_json, lines=lambda: [lines_of.job_line(job)])


@app.command()
def retry(job_id: int, *, wait: Wait = False, as_json: AsJson = False, actor: Actor = "") -> None:
    """Ask once more for a job that failed or was cancelled."""
    with _desk() as desk:
        job = actions.retry(desk, _actor(desk, actor), job_id)
        _follow(desk, job, wait=wait, as_json=as_json)


@app.command()
def predict(
    fields: Annotated[
        list[str] | None, typer.Argument(help="Fields as name=value; the others stay empty.")
    ] = None,
    *,
    row: Annotated[str, typer.Option("--row", help="The whole row as JSON instead.")] = "",
    as_json: AsJson = False,
) -> None:
    """Ask the served model for one prediction."""
    with _desk() as desk:
        asked = _row(fields or [], row)
        answer = actions.predict(desk, asked)
        _print(
            answer,
            as_json=as_json,
            lines=lambda: [
                f"{answer['prediction']:,.2f}",
                f"version {answer['model_version']}, prediction {answer['prediction_id']}",
            ],
        )


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
    with _desk() as desk:
        lines = queries.job_log(desk, job_id)
        _print(
            lines,
            as_json=as_json,
            lines=lambda: [f"{line.at:%H:%M:%S} {line.level:<7} {line.message}" for line in lines],
        )


@app.command()
def audit(
    *,
    subject: Annotated[str, typer.Option(help="Only this subject, such as version:3.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Who did what, when and why, newest first."""
    with _desk() as desk:
        events = queries.audit(desk, limit, subject=subject)
        now = datetime.now(UTC)
        _print(
            events,
            as_json=as_json,
            lines=lambda: (
                [
                    f"{words.ago(e.at, now):>12}  {e.actor}  {e.action}  {e.subject}  {e.reason}"
                    for e in events
                ]
                or ["Nothing is on record yet."]
            ),
        )


def main() -> None:
    """Entry of the `driftdesk` command."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
