"""The worker program: `python -m workers migrate | run --queue NAME | reconcile | check-source`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from core.adapters.rq_queue import LINES, WORK
from core.domain.errors import DatasetError, DriftdeskError, SchemaMismatch, StoreUnavailable
from core.platform import tracing
from core.platform.dataset_folder import DatasetFolder, Datasets
from core.platform.log import configure
from core.platform.settings import Settings, model_name_of, read_settings

if TYPE_CHECKING:
    from workers.reconciler.datasets import Datasets as Tended

_RECONCILE_SECONDS = 2.0
_PROGRAMS = {"run": "worker"}
"""What a part is called on log lines and in traces, where that is not its own name."""

log = structlog.get_logger()


def main(arguments: list[str] | None = None) -> int:
    """Run one part of the program; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("migrate", help="bring the database to the shape this version needs")
    run = parts.add_parser("run", help="serve one queue")
    run.add_argument("--queue", choices=LINES, default=WORK)
    parts.add_parser("reconcile", help="put back on its way what was left behind")
    checked = parts.add_parser("check-source", help="print as JSON what the next batch would be")
    checked.add_argument("--dataset", default="", help="of which dataset, where there are several")
    chosen = parser.parse_args(arguments)
    try:
        settings = read_settings()
        configure(settings.log_format, _PROGRAMS.get(chosen.part, chosen.part), settings.secrets)
        if chosen.part == "migrate":
            _migrate(settings)
        elif chosen.part == "run":
            _run(settings, chosen.queue)
        elif chosen.part == "check-source":
            _check_source(settings, chosen.dataset)
        else:
            _reconcile(settings)
    except DriftdeskError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the sentence that the operator reads
        return 2 if isinstance(error, DatasetError) else 1
    return 0


def _migrate(settings: Settings) -> None:
    """Bring the database and the table of each usable dataset to the shape of this version.

    Raises:
        DatasetError: no dataset can be used.
    """
    from core.adapters.store.migrate import migrate  # noqa: PLC0415 - only this part needs Alembic

    datasets = _usable(settings)
    for name, problem in datasets.problems.items():
        log.warning("a dataset file is left out", file=name, reason=problem)
    names = list(datasets.usable)
    try:
        changes = migrate(settings.database, list(datasets.usable.values()), settings.actor)
    except DatasetError as error:
        if not settings.datasets:
            raise
        _migrate_each(settings, datasets, error)
        return
    for name, change in zip(names, changes, strict=True):
        about = {"dataset": name} if settings.datasets else {}
        log.info("the database is ready", rows=change.says, **about)


def _migrate_each(settings: Settings, datasets: Datasets, reason: DatasetError) -> None:
    """Prepare each dataset by itself, because one of them is wrong.

    Raises:
        DatasetError: all are, or the database could not be migrated: then `reason`.
    """
    from core.adapters.store.migrate import prepare_dataset  # noqa: PLC0415

    ready = 0
    for name, dataset in datasets.usable.items():
        try:
            (change,) = prepare_dataset(settings.database, dataset, settings.actor)
        except SchemaMismatch:
            raise reason from None
        except DatasetError as error:
            log.warning("a dataset is left out", dataset=name, reason=str(error))
            continue
        ready += 1
        log.info("the database is ready", rows=change.says, dataset=name)
    if not ready:
        raise reason


def _usable(settings: Settings) -> Datasets:
    """The dataset files, of which one or more can be used.

    Raises:
        DatasetError: none can.
        SettingsError: MODEL_NAME is set on a desk with several.
    """
    datasets = DatasetFolder(settings).read()
    if not datasets.usable:
        raise DatasetError(datasets.why_none)
    model_name_of(settings, next(iter(datasets.usable.values())), bool(settings.datasets))
    return datasets


def _refuse_other_schemas(settings: Settings) -> None:
    """Start on a database of this version alone; one that is away is waited for.

    With several datasets one whose table does not fit is no reason: its jobs wait.

    Raises:
        SchemaMismatch: it must be migrated first, or is newer than this version.
        DatasetError: no dataset can be used.
    """
    from core.adapters.store import Store  # noqa: PLC0415 - to migrate, the tables alone will do

    store = Store.open(settings.database, next(iter(_usable(settings).usable.values())))
    try:
        opened = store.desk() if settings.datasets else store.read()
        with opened:
            log.debug("the database fits")
    except SchemaMismatch:
        raise
    except StoreUnavailable as error:
        log.warning("the database does not answer yet", reason=str(error))
    finally:
        store.close()


def _run(settings: Settings, queue: str) -> None:
    from workers.runtime.worker import serve  # noqa: PLC0415 - only this part needs RQ's worker

    _refuse_other_schemas(settings)
    serve(settings, queue, ready=ready, alive=alive)


def _check_source(settings: Settings, name: str) -> None:
    from core.adapters.store import Store  # noqa: PLC0415
    from core.adapters.store.timeouts import LOOKING  # noqa: PLC0415
    from workers.steps.check_source import check  # noqa: PLC0415

    dataset = DatasetFolder(settings).read().choose(name, settings.default_dataset)
    store = Store.open(settings.database, dataset, LOOKING)
    try:
        print(json.dumps(check(store, settings)))  # noqa: T201 - what was asked for
    finally:
        store.close()


def _reconcile(settings: Settings) -> None:
    from workers.reconciler.datasets import Datasets as Tended  # noqa: PLC0415
    from workers.reconciler.periodic_tasks import Duty, Rota  # noqa: PLC0415
    from workers.reconciler.reconcile import beat, duties  # noqa: PLC0415
    from workers.runtime.temp_files import Scratch  # noqa: PLC0415

    _refuse_other_schemas(settings)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    scratch = Scratch()  # models that are scored are fetched into files
    scratch.open()
    datasets = Tended(settings, lambda tended: rota.cover(
        [duty for services in tended.values() for duty in duties(services)]
    ))  # fmt: skip
    look = Duty("look at the datasets", datasets.look)
    rota = Rota((look,), stop)
    queue = datasets.anchor.queue
    tracing.start(settings.otel_exporter_otlp_endpoint, "reconcile")
    if settings.metrics_port:
        _offer(settings, datasets)
    look.turn()  # before it is said to be up, so that no job waits for the next look
    beat(queue)  # and so that no check reports a missing reconciler
    ready()
    alive()
    rota.start()
    stuck: list[str] = []
    while not stop.wait(_RECONCILE_SECONDS):
        scratch.keep()
        before, stuck = stuck, rota.stuck()
        if stuck and stuck != before:
            log.error("a duty does not come back; waiting to be started again", duties=stuck)
        if not stuck:  # failing is no reason to be started again, standing still is
            beat(queue)
            alive()
    rota.join(_RECONCILE_SECONDS)
    scratch.close()
    tracing.stop()


def _offer(settings: Settings, datasets: Tended) -> None:
    """Offer the pipelines' metrics."""
    from core.platform.metrics_endpoint import expose, new_registry  # noqa: PLC0415 - only where they are wanted
    from workers.runtime.metrics import Pipeline  # noqa: PLC0415

    registry = new_registry()
    queue = datasets.anchor.queue
    registry.register(Pipeline(lambda: [s.store for s in datasets.tended.values()], queue))
    expose(registry, settings.metrics_host, settings.metrics_port)


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
