"""The worker program: `python -m workers migrate | run --queue NAME | reconcile`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

import structlog

from core.dataset import load
from core.errors import DriftdeskError
from core.log import configure
from core.queue import DESK, WORK
from core.settings import Settings, read_settings

_RECONCILE_SECONDS = 2.0

log = structlog.get_logger()


def main(arguments: list[str] | None = None) -> int:
    """Run one part of the program; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("migrate", help="bring the database to the shape this version needs")
    run = parts.add_parser("run", help="serve one queue")
    run.add_argument("--queue", choices=[WORK, DESK], default=WORK)
    parts.add_parser("reconcile", help="put back on its way what was left behind")
    chosen = parser.parse_args(arguments)
    try:
        settings = read_settings()
        configure(settings.log_format, chosen.part)
        if chosen.part == "migrate":
            _migrate(settings)
        elif chosen.part == "run":
            _run(settings, chosen.queue)
        else:
            _reconcile(settings)
    except DriftdeskError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the sentence that the operator reads
        return 1
    return 0


def _migrate(settings: Settings) -> None:
    from core.store.schema import migrate  # noqa: PLC0415 - only this part needs Alembic

    migrate(settings.database, load(settings.dataset_path))
    log.info("the database is ready")


def _run(settings: Settings, queue: str) -> None:
    from workers.worker import serve  # noqa: PLC0415 - only this part needs RQ's worker

    serve(settings, queue, ready=ready, alive=alive)


def _reconcile(settings: Settings) -> None:
    from workers.reconcile import reconcile  # noqa: PLC0415
    from workers.wiring import Wiring  # noqa: PLC0415

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    wiring = Wiring.make(settings)
    ready()
    alive()
    while not stop.wait(_RECONCILE_SECONDS):
        alive()
        try:
            reconcile(wiring)
        except DriftdeskError as error:
            log.warning("could not look", reason=str(error))


def ready() -> None:
    """Tell whoever started us that we are up, by the file named in READY_FILE."""
    if path := os.environ.get("READY_FILE"):
        Path(path).touch()


def alive() -> None:
    """Tell whoever looks at the age of the file named in LIVE_FILE that we are still at work."""
    if path := os.environ.get("LIVE_FILE"):
        Path(path).touch()


if __name__ == "__main__":
    sys.exit(main())
