"""What the commands share: options, opening the desk, printing, and waiting for a job.

A command is a function whose first parameter is `desk`; one that acts takes the `actor`, too, and
one that queues a job returns it. The options that go with each are added, such as `--dataset`. A
command `of_the_desk` concerns no single dataset; one about several takes a `view` instead. The
modules of this folder import heavy modules inside the commands, so that `--help` starts at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import Parameter, Signature, signature
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any, Generic, NamedTuple, TypeVar, get_type_hints

import typer

from console.cli.following import follow
from console.cli.printing import about, say, tell
from console.cli.view import View
from console.desk import Desk
from core import VERSION
from core.domain.errors import (
    BadRow,
    DatasetError,
    DriftdeskError,
    ReasonRequired,
)
from core.domain.jobs import Job
from core.domain.safe_text import storable
from core.platform.hidden_imports import hidden
from core.rules.access import roles

if TYPE_CHECKING:
    from core.adapters.store.timeouts import Timeouts
    from core.platform.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the job to end.")]
Actor = Annotated[str, typer.Option(help="Who acts; the default is the setting ACTOR.")]
DatasetName = Annotated[
    str,
    typer.Option(
        "--dataset",
        envvar="DRIFTDESK_DATASET",
        show_envvar=False,
        help="The dataset; needed where there are several. Default: DRIFTDESK_DATASET.",
    ),
]
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

NamedDataset = Annotated[str, typer.Argument(metavar="NAME", help="The dataset's name.")]

_JSON, _WAIT, _ACTOR, _DATASET = (
    Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=option)
    for name, default, option in (
        ("as_json", False, AsJson), ("wait", False, Wait), ("actor", "", Actor),
        ("dataset", "", DatasetName),
    )
)  # fmt: skip

T = TypeVar("T")
_F = TypeVar("_F", bound=Callable[..., Any])

_command: ContextVar[str] = ContextVar("driftdesk.command", default="")


class Output(NamedTuple, Generic[T]):
    """The result of a command: a value for `--json`, lines for people, and the exit code.

    The type of the value is one of `console.cli.answers`.
    """

    value: T
    lines: Iterable[str]
    code: int = 0


class Commands(typer.Typer):
    """Commands of the console, which run at a desk where they take one."""

    def command(self, *arguments: Any, **options: Any) -> Callable[[Any], Any]:
        """Add a function as a command."""
        add = super().command(*arguments, **options)
        return lambda function: add(_at_desk(function))


def of_the_desk(function: _F) -> _F:
    """Mark a command that concerns the whole desk: it takes no dataset, and a role for all."""
    vars(function)["of_the_desk"] = True
    return function


def dataset_as_argument(function: _F) -> _F:
    """Mark a command that names its dataset as an argument, since it acts on the dataset itself."""
    vars(function)["dataset_as_argument"] = True
    return function


def _at_desk(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as Typer sees it: without desk and actor, with the options that go with them."""
    hints, returned = _hints(function)
    first = next((name for name in ("desk", "view") if name in hints), None)
    if first is None:
        return function
    acts = "actor" in hints
    queues = "Job" in [alternative.strip() for alternative in returned.split("|")]
    names_dataset = first == "desk" and not hasattr(function, "of_the_desk")

    def standing(actor: str, dataset: str) -> AbstractContextManager[tuple[Any, roles.Actor]]:
        if first == "view":
            return in_view(actor)
        return at_desk(actor, dataset=dataset, whole=not names_dataset)

    @wraps(function)
    def run(*, as_json: bool = False, wait: bool = False, actor: str = "", **own: Any) -> None:
        dataset = own.pop("dataset", "") if names_dataset else ""
        with standing(actor, dataset) as (place, acting):
            result = function(place, *((acting,) if acts else ()), **own)
            if isinstance(result, Job):
                follow(place, result, wait=wait, as_json=as_json)
            else:
                tell(result.value, as_json=as_json, lines=lambda: result.lines)
                if result.code:
                    raise typer.Exit(result.code)

    options = [*([_WAIT] if queues else []), _JSON, *([_ACTOR] if acts else [])]
    own = [p for p in signature(function).parameters.values() if p.name not in (first, "actor")]
    parameters = [*(p.replace(annotation=hints[p.name]) for p in own), *options]
    if hasattr(function, "dataset_as_argument"):
        parameters.insert(0, Parameter("dataset", Parameter.KEYWORD_ONLY, annotation=NamedDataset))
    elif names_dataset:
        parameters.append(_DATASET)
    vars(run)["__signature__"] = Signature(parameters)
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _hints(function: Callable[..., Any]) -> tuple[dict[str, Any], str]:
    """The types of a function's parameters, and the text of the one that it returns.

    What it returns is only for the reference; to load it would make each start slow.
    """
    parameters = FunctionType(function.__code__, function.__globals__)
    parameters.__annotations__ = dict(function.__annotations__)
    returned = str(parameters.__annotations__.pop("return", ""))
    return get_type_hints(parameters, include_extras=True), returned


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
    token = about.set("")
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
    finally:
        about.reset(token)


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
    with hidden("rich"):
        from core.platform import log

    # A command reports in one sentence which service did not answer; retries are not logged.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    log.configure(settings.log_format, "cli", settings.secrets)


def permitted(actor: str = "") -> tuple[Settings, roles.Actor]:
    """The settings, and who acts: this actor, or else the setting ACTOR; the role is for all.

    Raises:
        SettingsError: a value is impossible.
        NotAllowed: the actor may see nothing of the desk.
    """
    from console.identity import command_line_actor

    settings = configured()
    acting = command_line_actor(settings, actor)
    if not acting.may(roles.Right.SEE):
        View.opened(settings, actor)
    return settings, acting


@contextmanager
def in_view(
    actor: str = "", timeouts: Timeouts | None = None
) -> Iterator[tuple[View, roles.Actor]]:
    """The datasets that the actor may see, and who acts; an expected error is printed.

    The role of the actor is the one for all datasets; `View.actor` has that for one.
    """
    from core.platform import tracing

    with in_words():
        settings = configured()
        view = View.opened(settings, actor, timeouts)
        tracing.start(settings.otel_exporter_otlp_endpoint, "cli")
        try:
            with tracing.span(f"command {_command.get()}".strip()):
                yield view, view.actor()
        finally:
            view.close()


@contextmanager
def at_desk(
    actor: str = "", timeouts: Timeouts | None = None, *, dataset: str = "", whole: bool = False
) -> Iterator[tuple[Desk, roles.Actor]]:
    """The desk for one command, and who acts; an expected error is printed, with exit code 1.

    It is the desk of `dataset`, or with `whole` one for what concerns every dataset.
    """
    from console.identity import command_line_actor

    with in_view(actor, timeouts) as (view, acting):
        if whole:
            acting.demand(roles.Right.SEE, view.settings.auth_contact)
            yield view.any_desk(), acting
        else:
            desk = view.desk(dataset)
            yield desk, command_line_actor(desk.settings, actor, desk.dataset.name)
