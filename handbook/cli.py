"""The command line, as Typer knows it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, get_args

import typer

from console.cli import app
from handbook.markdown import code, page, prose, table

_INTRO = """\
`.venv/bin/driftdesk` does what the pages do, through the same code. It reads the same
[settings](settings.md). A command that fails prints one sentence to stderr and ends with code 1;
a wrong option ends with code 2. With `--json` the answer is JSON on stdout."""

_HELP = "help"
_WORDS = {"str": "text", "int": "whole number", "float": "number", "Path": "path"}


def render() -> str:
    """The page: a section for each command, groups after the single ones."""
    found = list(commands())
    listed = table(
        ["command", "what it does"],
        [[f"[`{name}`](#{_anchor(name)})", prose(c.help)] for name, c in found],
    )
    return page("Command line", _INTRO, listed, *(_section(name, c) for name, c in found))


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its full name, such as `limits set`."""
    root: Any = typer.main.get_command(app)
    named = sorted(root.commands.items())
    yield from ((name, c) for name, c in named if not hasattr(c, "commands"))
    for group, inside in named:
        if hasattr(inside, "commands"):
            yield from ((f"{group} {name}", c) for name, c in inside.commands.items())


def usage(name: str, command: Any) -> str:
    """The line that shows how it is called."""
    words = [_shown(p) for p in command.params if p.param_type_name == "argument"]
    return " ".join(["driftdesk", name, *words, "[OPTIONS]"])


def _section(name: str, command: Any) -> str:
    rows = [
        [_names(p), _value(p), _default(p), p.help or ""]
        for p in command.params
        if p.name != _HELP and not p.hidden
    ]
    options = table(["", "value", "default", "what it is"], rows) if rows else ""
    head = f"## `driftdesk {name}`"
    return "\n\n".join([head, prose(command.help), f"```\n{usage(name, command)}\n```", options])


def _anchor(name: str) -> str:
    return f"driftdesk-{name.replace(' ', '-')}"


def _shown(parameter: Any) -> str:
    word = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return word if parameter.required else f"[{word}]"


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
        return "must be given"
    if getattr(parameter, "is_flag", False) or parameter.default in (None, ""):
        return ""
    return code(str(parameter.default))
