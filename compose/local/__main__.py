"""Run the whole system here: `python -m compose.local`, or `make run`."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compose.local import checks
from compose.local.children import (
    CannotStart,
    Child,
    Surroundings,
    children,
    chosen,
    read_surroundings,
)
from compose.local.life import Timing
from compose.local.output import Terminal, columns
from compose.local.remains import write_json
from compose.local.supervisor import Supervisor
from core.platform import running_system


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped; returns the exit code."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m compose.local", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only check, and list what would run")
    parser.add_argument("--demo", action="store_true", help="three datasets to try driftdesk with")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run only these")
    parser.add_argument("--data-dir", type=Path, help="the folder of all state (.data)")
    options = parser.parse_args(arguments)
    try:
        around = read_surroundings(os.environ, Path(".env"), options.data_dir)
        if options.demo:
            around = with_demo(around)
        wanted = chosen(children(around), options.only)
        if options.check:
            return check(around, wanted)
        return start(around, wanted, began, Timing())
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return 1


def with_demo(around: Surroundings) -> Surroundings:
    """The surroundings with the demo's datasets, whose files are written where they are not there.

    Raises:
        CannotStart: other datasets are set, or the files cannot be written.
    """
    from compose import demo  # noqa: PLC0415 - it needs pandas and scikit-learn

    for name in ("DATASET", "DATASETS", "MODEL_NAME"):
        if name in around.env:
            raise CannotStart(f"--demo has datasets of its own: unset {name}, or leave --demo out.")
    checks.may_write(around.data_dir)
    try:
        folder = demo.prepare(around.data_dir / "demo")
    except OSError as error:
        raise CannotStart(f"The demo's files cannot be written: {error}.") from error
    return replace(around, env={**around.env, "DATASETS": str(folder)})


def check(around: Surroundings, wanted: Sequence[Child]) -> int:
    """List what would run, and what prevents it."""
    rows = [(child.name, shlex.join(child.command)) for child in wanted]
    sys.stdout.write(f"Would run, in {around.data_dir}:\n{columns(rows)}\n")
    checks.may_write(around.data_dir)
    with checks.exclusive(around.data_dir):
        if left := checks.leftovers(around.data_dir):
            pids = ", ".join(map(str, sorted(left)))
            sys.stdout.write(f"An earlier run has left processes, which would be ended: {pids}.\n")
        else:
            checks.ports_are_free(wanted)
        for warning in checks.given_services_answer(around):
            sys.stdout.write(f"{warning}\n")
    sys.stdout.write("Nothing prevents the start.\n")
    return 0


def start(around: Surroundings, wanted: Sequence[Child], began: float, timing: Timing) -> int:
    """Check, then run until stopped; returns the exit code.

    `began` is the monotonic time of the start.

    Raises:
        CannotStart: a check failed or a child cannot be brought up; nothing is left running.
    """
    # A shell starts a background job with SIGINT ignored; it must stop us all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    terminal = Terminal(sys.stdout, [child.name for child in wanted], os.environ)
    checks.may_write(around.data_dir)
    with checks.exclusive(around.data_dir):
        ready_file = around.data_dir / "ready.json"
        ready_file.unlink(missing_ok=True)
        if count := checks.clear_leftovers(around.data_dir):
            terminal.say(f"An earlier run had left {count} processes; they are ended.")
        checks.ports_are_free(wanted)
        for warning in checks.given_services_answer(around):
            terminal.say(warning)
        for folder in ("redis", "mlflow/artifacts", "logs", "ready"):
            (around.data_dir / folder).mkdir(parents=True, exist_ok=True)
        supervisor = Supervisor(wanted, around, terminal, timing)

        def announce() -> None:
            seconds = round(time.monotonic() - began, 1)
            links = _links(around)
            listed = columns(list(links.items()))
            terminal.say(f"\n{listed}\n\nReady in {seconds:g} s. Ctrl-C stops.")
            ready = {"pid": os.getpid(), "seconds": seconds, "children": supervisor.pids}
            write_json(ready_file, ready | {"urls": links})

        running_system.write(around.data_dir, around.env)
        try:
            asyncio.run(supervisor.run(announce))
        finally:
            ready_file.unlink(missing_ok=True)
            running_system.remove(around.data_dir)
    return 0


def _links(around: Surroundings) -> dict[str, str]:
    cli = Path(sys.executable).with_name("driftdesk")
    shown = cli.relative_to(Path.cwd()) if cli.is_relative_to(Path.cwd()) else cli
    # The command line finds the addresses by the record in the data folder.
    set_here = []
    if "DATASET" in around.env and "DATASET" not in around.from_file:
        set_here.append(f"DATASET={shlex.quote(around.env['DATASET'])}")
    if around.data_dir != Path(".data").absolute():
        set_here.append(f"DATA_DIR={shlex.quote(str(around.data_dir))}")
    return {
        "Console": around.ports["CONSOLE_PORT"].url,
        "Serving": f"{around.env['SERVING_URL']}/docs",
        "MLflow": around.env["MLFLOW_TRACKING_URI"],
        "Data API": around.env["DATA_API_URL"],
        "Command line": " ".join([*set_here, str(shown), "status"]),
        "Logs": str(around.data_dir / "logs"),
    }


if __name__ == "__main__":
    sys.exit(main())
