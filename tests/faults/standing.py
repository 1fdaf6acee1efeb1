"""A worker whose steps stand still on purpose: `python -m tests.faults.standing HOW FILE`.

The first attempt of a job touches FILE and then does what HOW says; later ones end at once.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from core.adapters.rq_queue import TRAIN
from core.domain.job_results import VersionProposed
from core.domain.jobs import JobKind
from core.platform.settings import read_settings
from workers.container import Container
from workers.runtime import watchdog
from workers.runtime.job_run import Run
from workers.runtime.watchdog import GRACE, Cause
from workers.runtime.worker import serve

LONG = 3600.0


def deaf(run: Run, reached: Path) -> None:
    """Wait without ever asking whether the job is still wanted."""
    reached.touch()
    time.sleep(LONG)


def holding(run: Run, reached: Path) -> None:
    """Hold the interpreter: no other thread of the process gets a turn."""
    reached.touch()
    re.match(r"(a+)+$", "a" * 60 + "b")


def committing(run: Run, reached: Path) -> None:
    """Stand in the last transaction, with the job's row locked and its end written."""
    with run.store.begin() as work:
        run.fence(work)
        work.jobs.log(run.job.id, "The work succeeded.")
        reached.touch()
        time.sleep(LONG)
        run.complete(work, VersionProposed(run.job.attempt))


def dawdling(run: Run, reached: Path) -> None:
    """Work on until the job is no longer wanted, and listen all the time."""
    reached.touch()
    while True:
        run.progress(0.5, "working", always=True)
        time.sleep(0.05)


STEPS = {"deaf": deaf, "holding": holding, "committing": committing, "dawdling": dawdling}


def main() -> None:
    """Serve the queue of trainings with the step that was asked for."""
    watchdog.GRACES[Cause.OVERTAKEN] = GRACE  # such a process never ends by itself here
    step, reached = STEPS[sys.argv[1]], Path(sys.argv[2])

    def of(_wiring: Container, _kind: JobKind) -> Callable[[Run], None]:
        def run_it(run: Run) -> None:
            if run.job.attempt == 1 and not run.job.args:
                step(run, reached)
                return
            with run.store.begin() as work:
                run.complete(work, VersionProposed(run.job.attempt))

        return run_it

    Container.step = of  # type: ignore[method-assign, assignment]
    serve(read_settings(), TRAIN, ready=lambda: None, alive=lambda: None)


if __name__ == "__main__":
    main()
