"""What the commands share: options, opening the desk, printing, and waiting for a job.

A command is a function whose first parameter is `desk`; one that acts takes the `actor`, too, and
one that queues a job returns it. The options that go with each are added. The modules of this
folder import heavy modules inside the commands, so that `--help` starts at once.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_type_hints

import typer

from console.cli.following import follow
from console.cli.printing import say, tell
from console.desk import Desk
from core import VERSION
from core.domain.errors import (
    BadRow,
    ConfirmationRequired,
    DatasetError,
    DriftdeskError,
    ReasonRequired,
)
from core.domain.jobs import Job
from core.domain.safe_text import storable
from core.rules.access import roles

if TYPE_CHECKING:
    from core.adapters.store.timeouts import Timeouts
    from core.platform.settings import Settings
    from core.rules.data.epoch_ending import Ending

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the job to end.")]
Actor = Annotated[str, typer.Option(help="Who acts; the default is the setting ACTOR.")]
Reason = Annotated[str, typer.Option(help="Why; it goes on record.", callback=storable)]
Note = Annotated[str, typer.Option(help="The outcome; it goes on record.", callback=storable)]

MOST = 2**63 - 1
"""The largest number that every database holds."""

Epoch = Annotated[int | None, typer.Option(min=1, max=MOST, help="An earlier epoch's number.")]
Version = Annotated[int, typer.Argument(min=1, max=MOST, help="The version's number.")]
JobId = Annotated[int, typer.Argument(min=1, max=MOST, help="The job's number.")]
ScheduleId = Annotated[
    int, typer.Argument(min=1, max=MOST, help="The number in `driftdesk schedule list`.")
]

Yes = Annotated[
    bool, typer.Option("--yes", help="End an epoch without asking; the consequences are shown.")
]

_JSON, _WAIT, _ACTOR = (
    Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=option)
    for name, default, option in (
        ("as_json", False, AsJson), ("wait", False, Wait), ("actor", "", Actor),
    )
)  # fmt: skip

_command: ContextVar[str] = ContextVar("driftdesk.command", default="")


class Output(NamedTuple):
    """The result of a command: a value for `--json`, lines for people, and the exit code."""

    value: Any
    lines: Iterable[str]
    code: int = 0


class Commands(typer.Typer):
    """Commands of the console, which run at a desk where they take one."""

    def command(self, *arguments: Any, **options: Any) -> Callable[[Any], Any]:
        """Add a function as a command."""
        add = super().command(*arguments, **options)
        return lambda function: add(_at_desk(function))


def _at_desk(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as Typer sees it: without desk and actor, with the options that go with them."""
    hints = get_type_hints(function, include_extras=True)
    if "desk" not in hints:
        return function
    acts, returned = "actor" in hints, hints["return"]
    queues = Job in (returned, *get_args(returned))

    @wraps(function)
    def run(*, as_json: bool = False, wait: bool = False, actor: str = "", **own: Any) -> None:
        with at_desk(actor) as (desk, acting):
            result = function(desk, *((acting,) if acts else ()), **own)
            if isinstance(result, Job):
                follow(desk, result, wait=wait, as_json=as_json)
            else:
                tell(result.value, as_json=as_json, lines=lambda: result.lines)
                if result.code:
                    raise typer.Exit(result.code)

    options = [*([_WAIT] if queues else []), _JSON, *([_ACTOR] if acts else [])]
    own = [p for p in signature(function).parameters.values() if p.name not in ("desk", "actor")]
    parameters = [*(p.replace(annotation=hints[p.name]) for p in own), *options]
    vars(run)["__signature__"] = Signature(parameters)
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _print_version(asked: bool) -> None:  # noqa: FBT001 - Typer calls it with the option's value
    if asked:
        typer.echo(f"driftdesk {VERSION}")
        raise typer.Exit


def begin(
    context: typer.Context,
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Remember the name of the command, for its trace."""
    del version  # its callback has printed it
    _command.set(context.invoked_subcommand or "")


@contextmanager
def in_words() -> Iterator[None]:
    """Print an expected error as one sentence, and exit with code 1, or 2 for a dataset file."""
    try:
        yield
    except DriftdeskError as error:
        lines = [str(error)]
        if isinstance(error, BadRow):
            lines = [f"{field}: {rule}" for field, rule in error.problems.items()]
        elif isinstance(error, ReasonRequired):
            option = "--note" if _command.get() == "follow-ups" else "--reason"
            lines = [f"{error} Give it with {option}."]
        for line in lines:
            say(line, err=True)
        raise typer.Exit(2 if isinstance(error, DatasetError) else 1) from error


def configured() -> Settings:
    """The settings, after logging was set up by them.

    Raises:
        SettingsError: a value is impossible.
    """
    from core.platform.settings import read_settings

    settings = read_settings()
    configure(settings)
    return settings


def configure(settings: Settings) -> None:
    """Set up logging as the settings say."""
    # structlog imports Rich for coloured tracebacks, which are not used, and takes twice as long.
    with _hidden("rich"):
        from core.platform import log

    # A command reports in one sentence which service did not answer; retries are not logged.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    log.configure(settings.log_format, "cli", settings.secrets)


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Let imports in the block find no such module, unless it is imported already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def permitted(actor: str = "") -> tuple[Settings, roles.Actor]:
    """The settings, and who acts: this actor, or else the setting ACTOR.

    Raises:
        SettingsError: a value is impossible.
        NotAllowed: the actor may not see the desk.
    """
    from console.identity import command_line_actor

    settings = configured()
    acting = command_line_actor(settings, actor)
    acting.demand(roles.Right.SEE, settings.auth_contact)
    return settings, acting


@contextmanager
def at_desk(
    actor: str = "", timeouts: Timeouts | None = None
) -> Iterator[tuple[Desk, roles.Actor]]:
    """The desk for one command, and who acts; an expected error is printed, with exit code 1."""
    from console.identity import command_line_actor
    from core.platform import tracing

    with in_words():
        settings, _ = permitted(actor)
        tracing.start(settings.otel_exporter_otlp_endpoint, "cli")
        span = tracing.span(f"command {_command.get()}".strip())
        with Desk.opened(settings, timeouts) as desk, span:
            yield desk, command_line_actor(desk.settings, actor)


def confirm_end(ends: Ending | None, *, yes: bool) -> int | None:
    """Show the consequences of an epoch's end, and ask unless `yes`; returns the epoch.

    Raises:
        ConfirmationRequired: there is no terminal to ask on, or the answer was no.
    """
    if ends is None:
        return None
    consequences = f"{ends.coming} This ends epoch {ends.epoch}. {ends.counts}".strip()
    if not yes and not sys.stdin.isatty():
        raise ConfirmationRequired(f"{consequences} Confirm it with --yes.")
    say(consequences, err=True)
    if not yes and not typer.confirm("Continue?", err=True):
        raise ConfirmationRequired("Nothing was done.")
    return ends.epoch
