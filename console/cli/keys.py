"""`driftdesk keys`: the API keys of serving."""

from __future__ import annotations

from typing import Annotated

import typer

from console import actions
from console.cli.shared import Commands, Output, of_the_desk
from console.desk import Desk
from core.rules.access.roles import Actor

app = Commands(no_args_is_help=True, help="API keys of serving: add, list, remove.")

Name = Annotated[str, typer.Argument(help="Whose key it is.")]


@app.command()
@of_the_desk
def add(desk: Desk, actor: Actor, name: Name) -> Output:
    """Create a key and print it once: only its digest is stored. Serving accepts it in a second."""
    key = actions.api_keys.add(desk, actor, name)
    return Output({"name": name, "key": key}, [key])


@app.command("list")
@of_the_desk
def list_(desk: Desk) -> Output:
    """Every key's name and the start of its digest."""
    keys = actions.api_keys.names(desk)
    lines = [f"{digest}  {name}" for name, digest in keys] or ["There are no keys."]
    return Output([{"name": name, "digest": digest} for name, digest in keys], lines)


@app.command()
@of_the_desk
def remove(
    desk: Desk,
    actor: Actor,
    name: Name,
    digest: Annotated[str, typer.Argument(help="The start of one key's digest.")] = "",
) -> Output:
    """Remove the keys of a name, or one of them. Serving refuses them within a second."""
    count = actions.api_keys.remove(desk, actor, name, digest)
    return Output({"removed": count}, [f"Removed {count}."])
