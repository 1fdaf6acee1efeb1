"""The command line reference, from Typer's commands."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, get_args

import typer

from console.cli.main import app
from docs.generator.markdown import blocks, code, prose, table

_INTRO = """\
# Command line

`.venv/bin/driftdesk` offers the actions of the console's pages and reads the same
[settings](settings.md). A command that fails prints one sentence to stderr and exits with code 1;
an invalid option exits with code 2. `status` exits with code 3 if a service is down; `doctor` with
code 1 if a check fails. With `--json` the output is JSON."""

_WORDS = {"str": "text", "int": "whole number", "float": "number", "Path": "path"}


def render() -> str:
    """The page: a section for each command, grouped ones last."""
    named = list(commands())
    overview = table(
        ["command", "description"],
        [[f"[`{n}`](#driftdesk-{n.replace(' ', '-')})", prose(c.help)] for n, c in named],
    )
    return blocks(_INTRO, overview, *(_section(n, c) for n, c in named))


def commands() -> Iterator[tuple[str, Any]]:
    """All commands by full name, such as `limits set`."""
    root: Any = typer.main.get_command(app)
    for name, command in sorted(
        root.commands.items(), key=lambda c: (hasattr(c[1], "commands"), c)
    ):
        if hasattr(command, "commands"):
            yield from ((f"{name} {inner}", c) for inner, c in command.commands.items())
        else:
            yield name, command


def _section(name: str, command: Any) -> str:
    shown = [p for p in command.params if p.name != "help" and not p.hidden]
    rows = [[_names(p), _value(p), _default(p), p.help or ""] for p in shown]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    words = [p.name.upper() + ("..." if p.nargs == -1 else "") for p in arguments]
    words = [w if p.required else f"[{w}]" for p, w in zip(arguments, words, strict=True)]
    usage = " ".join(["driftdesk", name, *words, "[OPTIONS]"])
    options = table(["", "value", "default", "description"], rows) if rows else ""
    return blocks(f"## `driftdesk {name}`", prose(command.help), f"```\n{usage}\n```", options)


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return code(parameter.name.upper())
    return ", ".join(code(o) for o in [*parameter.opts, *parameter.secondary_opts])


def _value(parameter: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return "flag"
    kind: Any = parameter.type_descriptor.annotation
    kind = next(iter(get_args(kind)), kind)
    if issubclass(kind, StrEnum):
        return " or ".join(code(value) for value in kind)
    word = _WORDS[kind.__name__]
    return f"{word}s" if parameter.nargs == -1 or parameter.multiple else word


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if getattr(parameter, "is_flag", False) or parameter.default in (None, ""):
        return ""
    return code(str(parameter.default))
