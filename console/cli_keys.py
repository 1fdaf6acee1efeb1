"""`driftdesk keys`: who may call serving."""

from __future__ import annotations

from typing import Annotated

import typer

from console import keys
from console.terminal import Actor, AsJson, at_desk, tell, who

app = typer.Typer(no_args_is_help=True, help="API keys of serving: add, list, remove.")

Name = Annotated[str, typer.Argument(help="Whose key it is.")]


@app.command()
def add(name: Name, *, as_json: AsJson = False, actor: Actor = "") -> None:
    """Make a key and print it, once: only its digest is kept. Serving knows it within a second."""
    with at_desk(actor) as desk:
        key = keys.add(desk, who(desk, actor), name)
        tell({"name": name, "key": key}, as_json=as_json, lines=lambda: [key])


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Every key's name and the start of its digest."""
    with at_desk() as desk:
        found = [{"name": name, "digest": start} for name, start in keys.names(desk)]
        tell(
            found,
            as_json=as_json,
            lines=lambda: [f"{k['digest']}  {k['name']}" for k in found] or ["There are no keys."],
        )


@app.command()
def remove(
    name: Name,
    digest: Annotated[str, typer.Argument(help="The start of one key's digest.")] = "",
    *,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Take a name's keys away, or one of them. Serving refuses them within a second."""
    with at_desk(actor) as desk:
        count = keys.remove(desk, who(desk, actor), name, digest)
        tell({"removed": count}, as_json=as_json, lines=lambda: [f"Removed {count}."])
