"""What must hold once the system has come to rest, whatever happened before."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlalchemy as sa

from core.adapters.store.tables import predictions, rows_table
from core.domain.batches import BatchState
from core.domain.errors import DriftdeskError
from core.domain.jobs import JobState
from tests.campaign.people import Clients, Operator
from tests.campaign.system import System
from tests.stacks import wait_for

REST_SECONDS = 150.0
"""How long the system may take until no job is open and every replica says what is live."""

_DONE = (BatchState.STORED, BatchState.REPEATED)
_UNFORESEEN = re.compile(r"Something unexpected happened|Traceback")
_LOT = 500


def come_to_rest(system: System) -> list[str]:
    """Wait until nothing is under way; returns what is still under way when time is over."""
    try:
        wait_for("work is under way", lambda: not list(_unrest(system)), REST_SECONDS)
    except TimeoutError:
        return [f"still not at rest: {reason}" for reason in _unrest(system)]
    return []


def _unrest(system: System) -> Iterator[str]:
    try:
        with system.desk.store.read() as work:
            for job in work.jobs.open():
                yield f"job {job.id} ({job.kind}) is {job.state}, attempt {job.attempt}"
            live = work.promotions.live()
        champion = system.desk.registry.champion()
        answering = {url: system.desk.serving.model(url).get("version") for url in system.serving}
    except DriftdeskError as error:
        yield str(error)
        return
    recorded = live.version if live else None
    if champion != recorded:
        yield f"the record says version {recorded} is live, and the alias names {champion}"
    for url, version in answering.items():
        if version != recorded:
            yield f"the record says version {recorded} is live, and {url} answers with {version}"


def broken(system: System, operator: Operator, clients: Clients) -> list[str]:
    """Every invariant that does not hold, as sentences; the system must be at rest."""
    return [
        *_rows(system),
        *_jobs(system),
        *_chain(system),
        *_predictions(system, clients.taken()),
        *_files(system),
        *(f"process {pid} belongs to no program that runs" for pid in system.programs.strays()),
        *(f"the operator saw a traceback: {text}" for text in operator.escaped),
        *(f"a client got {text}" for text in clients.wrong),
    ]


def _rows(system: System) -> Iterator[str]:
    """Each stored batch has all of its rows once, unless it says that they were removed."""
    table = rows_table(system.desk.dataset)
    with system.desk.store.engine.connect() as connection:
        counts = {
            row.batch_id: (row.count_, row.distinct_)
            for row in connection.execute(
                sa.select(
                    table.c.batch_id,
                    sa.func.count().label("count_"),
                    sa.func.count(table.c.row_number.distinct()).label("distinct_"),
                ).group_by(table.c.batch_id)
            )
        }
    with system.desk.store.read() as work:
        batches = [b for b in work.batches.ledger(5_000) if b.state is BatchState.STORED]
    sizes = system.api_sizes()
    for batch in batches:
        count, distinct = counts.pop(batch.id, (0, 0))
        name = f"batch {batch.number} of epoch {batch.epoch} (id {batch.id})"
        if batch.number is None or batch.rows != sizes[batch.number]:
            yield f"{name} has {batch.rows} rows on record; another number was served"
        if batch.rows_removed_at is not None and count == distinct <= batch.stored:
            continue  # the rest goes a lot at a time
        if (count, distinct) != (batch.stored, batch.stored):
            yield f"{name} has {count} rows ({distinct} distinct) of {batch.stored}"
    for batch_id, (count, _) in counts.items():
        yield f"{count} rows belong to batch id {batch_id}, which is not stored"


def _jobs(system: System) -> Iterator[str]:
    """No job tells the operator of an error that nobody foresaw, and none tells two ends."""
    with system.desk.store.read() as work:
        for job in work.jobs.recent(5_000):
            if _UNFORESEEN.search(job.error):
                yield f"job {job.id} ({job.kind}) failed with an unforeseen error: {job.error}"
            if job.state is JobState.SUCCEEDED and job.error:
                yield f"job {job.id} ({job.kind}) succeeded and says: {job.error}"


def _chain(system: System) -> Iterator[str]:
    with system.desk.store.read() as work:
        if found := work.audit.verify():
            yield f"the audit trail's chain is broken: {found}"


def _predictions(system: System, ids: set[str]) -> Iterator[str]:
    """Each acknowledged prediction is on record; its id is the key, so it is there once."""
    missing = set(ids)

    def all_there() -> bool:
        with system.desk.store.engine.connect() as connection:
            lot = sorted(missing)
            for start in range(0, len(lot), _LOT):
                known = predictions.c.id.in_(lot[start : start + _LOT])
                query = sa.select(predictions.c.id).where(known)
                missing.difference_update(connection.execute(query).scalars())
        return not missing

    try:
        wait_for("acknowledged predictions are missing", all_there, REST_SECONDS)
    except TimeoutError:
        yield f"{len(missing)} of {len(ids)} acknowledged predictions are not on record"


def _temporary(system: System) -> set[str]:
    folder = system.disk / "tmp"
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.name not in (".lock", ".ses") and not path.name.startswith("driftdesk-worker-")
    }


def _files(system: System) -> Iterator[str]:
    """The spool holds only files that the ledger names and still needs; nothing else is left."""
    with system.desk.store.read() as work:
        needed = {b.spool for b in work.batches.ledger(5_000) if b.state not in _DONE}
    spool = system.desk.settings.spool
    for path in sorted(spool.iterdir()) if spool.exists() else []:
        lost = path.suffix == ".lost" and path.with_suffix(".part").name in needed
        if path.name not in needed and not lost:
            yield f"the spool has {path.name}, which the ledger does not need"
    left = _temporary(system)

    def gone() -> bool:  # the reconciler may just be fetching a model to score
        left.intersection_update(_temporary(system))
        return not left

    try:
        wait_for("temporary files are left", gone)
    except TimeoutError:
        yield from (f"a temporary file is left: {path}" for path in sorted(left))
