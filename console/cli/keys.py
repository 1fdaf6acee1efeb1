"""`driftdesk keys`: the API keys of serving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console import actions
from console.cli.shared import Commands, Output, of_the_desk
from console.desk import Desk
from core.rules.access.roles import Actor

if TYPE_CHECKING:
    from console.cli import answers

app = Commands(no_args_is_help=True, help="API keys of serving: add, list, remove.")

Name = Annotated[str, typer.Argument(help="Whose key it is.")]

Datasets = Annotated[
    list[str] | None, typer.Option("--for", help="A dataset that it is for, instead of all; again.")
]


@app.command()
@of_the_desk
def add(desk: Desk, actor: Actor, name: Name, for_: Datasets = None) -> Output[answers.Key]:
    """Create a key and print it once: only its digest is stored. Serving accepts it in a second."""
    datasets = tuple(for_ or ())
    key = actions.api_keys.add(desk, actor, name, datasets)
    made: answers.NewKey = {"name": name, "key": key}
    if datasets:
        made["datasets"] = list(datasets)
    return Output(made, [key])


@app.command("list")
@of_the_desk
def list_(desk: Desk) -> Output[answers.Keys]:
    """Every key's name, the start of its digest, and the datasets that it is for, if not all."""
    keys = actions.api_keys.names(desk)
    lines = [f"{digest}  {name}{_for(datasets)}" for name, digest, datasets in keys]
    documents: list[answers.ListedKey] = [
        {"name": name, "digest": digest, "datasets": list(datasets)}
        if datasets
        else {"name": name, "digest": digest}
        for name, digest, datasets in keys
    ]
    return Output(documents, lines or ["There are no keys."])


def _for(datasets: tuple[str, ...]) -> str:
    return f" for {', '.join(datasets)}" if datasets else ""


@app.command()
@of_the_desk
def remove(
    desk: Desk,
    actor: Actor,
    name: Name,
    digest: Annotated[str, typer.Argument(help="The start of one key's digest.")] = "",
) -> Output[answers.Removed]:
    """Remove the keys of a name, or one of them. Serving refuses them within a second."""
    count = actions.api_keys.remove(desk, actor, name, digest)
    return Output({"removed": count}, [f"Removed {count}."])
