"""Run the whole system here: `python -m compose.local`, or `make run`."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compose.local import checks
from compose.local.children import Child, Surroundings, children, chosen, read_surroundings
from compose.local.errors import CannotStart
from compose.local.life import Patience
from compose.local.output import Terminal, columns
from compose.local.remains import write_json
from compose.local.supervisor import Supervisor

_NEIGHBOURS = {
    "Console": ("CONSOLE", ""),
    "Serving": ("SERVING_URL", "/docs"),
    "MLflow": ("MLFLOW_TRACKING_URI", ""),
    "Data API": ("DATA_API_URL", ""),
}
_CLI_DEFAULTS = {
    "REDIS_URL": "redis://127.0.0.1:6380/0",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:5000",
    "DATA_API_URL": "http://127.0.0.1:8010",
    "SERVING_URL": "http://127.0.0.1:8000",
}
"""What the command line assumes where nothing is set."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped; returns the exit code."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m compose.local", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only check, and say what would run")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these alone")
    parser.add_argument("--without", nargs="+", metavar="NAME", help="run all but these")
    parser.add_argument("--data-dir", type=Path, help="where everything is kept (.data)")
    told = parser.parse_args(arguments)
    try:
        around = read_surroundings(os.environ, Path(".env"), told.data_dir)
        wanted = chosen(children(around), told.only, told.without)
        if told.check:
            return check(around, wanted)
        return start(around, wanted, began=began)
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return 1


def check(around: Surroundings, wanted: Sequence[Child]) -> int:
    """Say what would run, and what stands in its way."""
    rows = [(child.name, shlex.join(child.command)) for child in wanted]
    sys.stdout.write(f"Would run, in {around.data_dir}:\n{columns(rows)}\n")
    checks.may_write(around.data_dir)
    with checks.alone(around.data_dir):
        if left := checks.leftovers(around.data_dir):
            pids = ", ".join(map(str, sorted(left)))
            sys.stdout.write(f"An earlier run has left processes, which would be ended: {pids}.\n")
        else:
            checks.ports_are_free(wanted)
        for warning in checks.neighbours_answer(around):
            sys.stdout.write(f"{warning}\n")
    sys.stdout.write("Nothing stands in the way.\n")
    return 0


def start(
    around: Surroundings,
    wanted: Sequence[Child],
    *,
    patience: Patience | None = None,
    began: float | None = None,
) -> int:
    """Check, then run until stopped; returns the exit code.

    Raises:
        CannotStart: a check failed or a child cannot be brought up; nothing is left running.
    """
    began = time.monotonic() if began is None else began
    terminal = Terminal(sys.stdout, [child.name for child in wanted], os.environ)
    checks.may_write(around.data_dir)
    with checks.alone(around.data_dir):
        ready_file = around.data_dir / "ready.json"
        ready_file.unlink(missing_ok=True)
        if count := checks.clear_leftovers(around.data_dir):
            terminal.say(f"An earlier run had left {count} processes; they are ended.")
        checks.ports_are_free(wanted)
        for warning in checks.neighbours_answer(around):
            terminal.say(warning)
        for folder in ("redis", "mlflow/artifacts", "logs"):
            (around.data_dir / folder).mkdir(parents=True, exist_ok=True)
        try:
            asyncio.run(_run(around, wanted, terminal, patience, _Ready(ready_file, began)))
        finally:
            ready_file.unlink(missing_ok=True)
    return 0


@dataclass(frozen=True, slots=True)
class _Ready:
    """Where to say that all is up, and since when we work on it."""

    path: Path
    began: float


async def _run(
    around: Surroundings,
    wanted: Sequence[Child],
    terminal: Terminal,
    patience: Patience | None,
    place: _Ready,
) -> None:
    supervisor = Supervisor(
        wanted,
        data_dir=around.data_dir,
        env=around.env,
        terminal=terminal,
        patience=patience,
    )

    def announce() -> None:
        seconds = round(time.monotonic() - place.began, 1)
        links = _links(around)
        terminal.say(
            "\n".join(
                ["", columns(list(links.items())), "", f"Ready in {seconds:g} s. Ctrl-C stops."]
            )
        )
        write_json(
            place.path,
            {"pid": os.getpid(), "seconds": seconds, "children": supervisor.pids, "urls": links},
        )

    await supervisor.run(announce)


def _links(around: Surroundings) -> dict[str, str]:
    urls = dict(around.env) | {"CONSOLE": f"http://127.0.0.1:{around.ports['CONSOLE_PORT'].number}"}
    links = {what: urls[variable] + path for what, (variable, path) in _NEIGHBOURS.items()}
    cli = Path(sys.executable).with_name("driftdesk")
    set_here = [
        f"{name}={around.env[name]}"
        for name, assumed in _CLI_DEFAULTS.items()
        if around.env[name] != assumed and name not in around.from_file
    ]
    if around.data_dir != Path(".data").absolute():
        set_here.append(f"DATA_DIR={around.data_dir}")
    shown = cli.relative_to(Path.cwd()) if cli.is_relative_to(Path.cwd()) else cli
    links["Command line"] = " ".join([*set_here, str(shown), "status"])
    links["Logs"] = str(around.data_dir / "logs")
    return links


if __name__ == "__main__":
    sys.exit(main())
