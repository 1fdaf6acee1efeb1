"""`driftdesk dataset list`, `show`, `disable` and `enable`: the datasets of this desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console import actions, queries
from console.cli.printing import say
from console.cli.shared import Output, Reason, dataset_as_argument
from console.cli.view import View
from console.desk import Desk
from core.rules.access.roles import Actor

if TYPE_CHECKING:
    from console.cli import answers

Name = Annotated[str, typer.Argument(help="The dataset's name; needed if there are several.")]


def list_(view: View) -> Output[answers.Datasets]:
    """The datasets of this desk; those that are wrong or disabled with the reason."""
    found, unknown = queries.dataset_files.listed(
        view.fleet, view.names, with_files=bool(view.problems)
    )
    width = max((len(item.name) for item in found), default=0)
    lines = [
        f"{item.name:<{width}}  {item.state:<8}  {item.reason or item.title}" for item in found
    ]
    if unknown:
        say(unknown, err=True)
    return Output(found, lines or ["There is no dataset file yet."])


def show(view: View, name: Name = "") -> Output[answers.Dataset]:
    """What the file of a dataset says, and by which names other services know the dataset."""
    of, unknown = queries.dataset_files.described(view.fleet, view.choose(name))
    if unknown:
        say(unknown, err=True)
    rows = {
        "name": of.listed.name,
        "title": of.listed.title,
        "state": of.listed.state + (f": {of.listed.reason}" if of.listed.reason else ""),
        "file": f"{of.listed.file} ({of.listed.digest[:12]})",
        "predicts": f"{of.target} ({of.task})",
        "columns": str(of.columns),
        "source": of.source,
        "recipe": of.recipe,
        "model": f"{of.model} in MLflow",
        "serving": of.predict,
    }
    return Output(of, [f"{title:<10}{says}" for title, says in rows.items()])


@dataset_as_argument
def disable(desk: Desk, actor: Actor, *, reason: Reason = "") -> Output[answers.KnownDataset]:
    """Disable a dataset: no job, schedule or duty runs; needs a reason. Its model still answers."""
    known = actions.datasets.disable(desk, actor, reason=reason)
    return Output(known, [f"{known.name} is disabled: its jobs and schedules wait."])


@dataset_as_argument
def enable(desk: Desk, actor: Actor) -> Output[answers.KnownDataset]:
    """Enable a dataset that was disabled; the jobs that waited go on."""
    known = actions.datasets.enable(desk, actor)
    return Output(known, [f"{known.name} is enabled."])


COMMANDS = {"list": list_, "show": show, "disable": disable, "enable": enable}
