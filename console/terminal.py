"""What every command of `driftdesk` shares: options, the desk, printing, and waiting for a job."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any

import typer

from console import lines as lines_of
from console import queries
from console.desk import Desk
from console.identity import command_line_actor
from console.jsonable import jsonable
from core import roles, trace
from core.errors import BadRow, DriftdeskError
from core.log import configure
from core.printable import name_of, printable, printable_json, storable
from core.records import Job, JobState
from core.roles import Right
from core.settings import read_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the job is over.")]
Actor = Annotated[str, typer.Option(help="Who acts; the default is the setting ACTOR.")]
Reason = Annotated[str, typer.Option(help="Why; it goes on record.", callback=storable)]
Note = Annotated[str, typer.Option(help="What you found; it goes on record.", callback=storable)]

_ASK_EVERY = 0.3

_command: ContextVar[str] = ContextVar("driftdesk.command", default="")


def begin(context: typer.Context) -> None:
    """Remember which command is run, for its trace."""
    _command.set(context.invoked_subcommand or "")


@contextmanager
def in_words() -> Iterator[None]:
    """What goes wrong becomes one sentence and exit code 1."""
    try:
        yield
    except BadRow as error:
        for field, rule in error.problems.items():
            say(f"{field}: {rule}", err=True)
        raise typer.Exit(1) from error
    except DriftdeskError as error:
        say(str(error), err=True)
        raise typer.Exit(1) from error


def say(line: str, *, err: bool = False) -> None:
    """Print one line, whatever is in it: text from data moves no cursor and adds no line."""
    typer.echo(printable(line), err=err)


@contextmanager
def at_desk(actor: str = "") -> Iterator[Desk]:
    """The desk for one command; what goes wrong becomes one sentence and exit code 1.

    Who is named, or else ACTOR, must be one who may see the desk.
    """
    with in_words():
        settings = read_settings()
        configure(settings.log_format, "cli", settings.secrets)
        trace.start(settings.otel_exporter_otlp_endpoint, "cli")
        command_line_actor(settings, actor).demand(Right.SEE, settings.auth_contact)
        span = trace.span(f"command {_command.get()}".strip())
        with Desk.opened(settings) as desk, span:
            yield desk


def tell(value: Any, *, as_json: bool, lines: Callable[[], list[str]]) -> None:
    """Print a value as JSON for programs, or as lines for people."""
    if as_json:
        typer.echo(printable_json(json.dumps(jsonable(value), ensure_ascii=False, indent=2)))
    else:
        for line in lines():
            say(line)


def follow(desk: Desk, job: Job, *, wait: bool, as_json: bool) -> None:
    """Print a job, after it is over where that was asked for; a bad end is exit code 1."""
    said = ""
    while wait and not job.state.is_over:
        if not as_json and job.stage and job.stage != said:
            said = job.stage
            say(f"  {job.progress:4.0%}  {said}", err=True)
        time.sleep(_ASK_EVERY)
        job = queries.job(desk, job.id)
    if wait:
        job = _follow_up(desk, job, as_json=as_json)
    tell(job, as_json=as_json, lines=lambda: [lines_of.job_line(job)])
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        raise typer.Exit(1)


def _follow_up(desk: Desk, job: Job, *, as_json: bool) -> Job:
    """Wait for the jobs that this one queued, too: drift after ingest, training after drift."""
    for key in ("drift_job", "train_job", "promote_job"):
        if follower := job.result.get(key):
            if not as_json:
                say(lines_of.job_line(job), err=True)
            after = queries.job(desk, int(follower))
            while not after.state.is_over:
                time.sleep(_ASK_EVERY)
                after = queries.job(desk, after.id)
            if after.state is JobState.FAILED:
                return after
            last = _follow_up(desk, after, as_json=as_json)
            if not as_json and last.id != job.id:
                say(lines_of.job_line(last), err=True)
    return job


def who(desk: Desk, actor: str) -> roles.Actor:
    """Who acts: who was named, or who the settings say, with the role of that name.

    Raises:
        BadInput: that is no name.
    """
    return command_line_actor(desk.settings, name_of(actor) if actor else actor)
