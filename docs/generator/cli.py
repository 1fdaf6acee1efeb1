"""The command line reference, from Typer's commands."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, get_args

import typer

from console.cli.examples import EXAMPLES
from console.cli.main import app
from docs.generator.markdown import blocks, code, prose, table

_INTRO = """\
# Command line

`.venv/bin/driftdesk` offers the actions of the console's pages and reads the same
[settings](settings.md). With `--json` the output is JSON; [cli.schema.json](cli.schema.json) has
its JSON Schema under the name of each command. Without it, lines fit 80 columns where names and
reasons are short. Colours appear on a terminal only, and not if `NO_COLOR` is set.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | not done: one sentence on stderr says why |
| 1 | also: `doctor` found a fault; the job of `--wait` failed; `dataset check` found invalid rows |
| 2 | an option or argument is invalid, or the dataset file is |
| 3 | `status`: a service is down |
| 4 | `status --check`: no service is down, but a person has something to do |
| 130 | interrupted by Ctrl-C |

`driftdesk --install-completion` sets up completion with the Tab key in bash, zsh, fish or
PowerShell; `--show-completion` prints it instead. `driftdesk --version` prints the version."""

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
    examples = "\n".join(f"driftdesk {example}" for example in EXAMPLES[name])
    usage, shown_examples = (f"```\n{text}\n```" for text in (usage, examples))
    heading = f"## `driftdesk {name}`"
    return blocks(heading, prose(command.help), usage, options, "Examples:", shown_examples)


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
