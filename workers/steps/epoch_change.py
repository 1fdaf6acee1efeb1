"""From one epoch to the next: the restart of the source, and what the end takes along, on record.

The rows of the epoch that ends stay in the table: `core.usecases.retention` removes them when they
are kept no longer.
"""

from __future__ import annotations

from core.adapters.store import Work
from core.domain.batches import EpochState
from core.domain.errors import SourceRefused
from core.domain.sources import NO_RESTART
from core.rules.data.epoch_ending import Ending
from core.rules.ops.notification import Event
from core.usecases.epoch_end import ending
from workers.runtime.job_run import Run
from workers.sources.port import Source


def restart(run: Run, source: Source, epoch: int, retain: int) -> None:
    """Start the source over, and put on record who did it, why, and what it takes along.

    `retain` is the number of closed epochs whose rows are kept.

    Raises:
        SourceUnavailable, SourceRefused: see `workers.sources.port`.
        LeaseLost: another run has taken over.
    """
    if not source.can_restart:
        raise SourceRefused(NO_RESTART)
    with run.store.begin() as work:
        run.fence(work)
        ends = ending(work, retain)
        # Before the restart, so that no run takes the new first batch for one of this epoch.
        work.batches.set_epoch(epoch, EpochState.EXHAUSTED)
        work.commit()
    counts = ends.counts if ends else ""
    run.say(f"Epoch {epoch} ends; restarting the source. {counts}".strip())
    run.progress(0.01, "restarting the source", always=True)
    run.still_held()
    source.restart(lambda _size, _announced: run.check())
    with run.store.begin() as work:
        run.fence(work)
        work.audit.add(
            run.job.actor,
            "restart source",
            f"epoch:{epoch}",
            reason=_why(run, epoch),
            details={"job": run.job.id} | (ends.to_json() if ends else {}),
        )
        work.commit()


def end(run: Run, work: Work, number: int, retain: int) -> Ending | None:
    """Put on record, and tell, that epoch `number` begins and what the one before takes along.

    Returns None where there was no epoch before.
    """
    ends = ending(work, retain)
    if ends is None:
        return None
    about = f"epoch:{ends.epoch}"
    found = work.audit.latest(1, subject=about, action="restart source", now=True)
    work.audit.add(
        run.job.actor,
        "begin epoch",
        f"epoch:{number}",
        reason=found[0].reason if found else "The source began again with its first batch.",
        details={"job": run.job.id, "ended": ends.to_json()},
    )
    sentence = f"Epoch {number} has begun. {ends.counts}"
    work.notifications.add(Event.EPOCH, f"epoch:{number}", sentence)
    return ends


def _why(run: Run, epoch: int) -> str:
    if run.job.args.get("restart_epoch") == epoch:  # a person asked for this end
        return str(run.job.args.get("reason") or "A restart was asked for.")
    return "The source has served its last batch, and SOURCE_RESTART=auto restarts it."
