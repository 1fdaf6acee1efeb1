"""Reads the quarantined rows of a stored batch again, after a reading rule changed.

Rows that are valid now are added to the batch: rows, counts, profile, the record and the job's end
in one transaction. Such a job is an ingest, so nothing else stores rows at the same time. What is
not in the quarantine as a whole cannot be read again and stays there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pyarrow as pa

from core.adapters.readers import parse
from core.adapters.store import Work
from core.domain.batches import KEPT_CONTENTS, Batch, QuarantinedRow
from core.domain.dataset import Dataset
from core.domain.job_results import RowsReadAgain
from core.domain.jobs import Job, JobState
from core.domain.profiles import ColumnProfile
from core.rules.data.batch_ledger import require_quarantine_readable
from core.rules.data.profile import Profiler
from core.usecases.follow_up_jobs import compare_after
from workers.runtime.job_run import Run
from workers.steps.cancellable import given_up_at_once

_BREAKS = re.compile(r"[\r\n]")


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """The outcome of reading: valid rows and their numbers, and new reasons of the others."""

    rows: list[pa.RecordBatch]
    numbers: list[int]
    reasons: dict[int, str]


@dataclass(frozen=True, slots=True)
class ReadQuarantine:
    """What the step needs; `is_cancel_announced` is asked while rows load."""

    dataset: Dataset
    submit: Callable[[int], None]
    is_cancel_announced: Callable[[Job], bool]

    def __call__(self, run: Run, batch_id: int) -> None:
        """Read the quarantine of a batch again.

        Raises:
            Missing: there is no such batch.
            IllegalTransition: its rows may not change any more, or changed meanwhile.
        """
        with run.store.read() as work:
            batch = _readable(work, batch_id)
            kept = work.batches.quarantined(batch.id, KEPT_CONTENTS)
        run.about(epoch=batch.epoch, batch=batch.number)
        run.progress(0.1, f"reading the quarantine of batch {batch.number}", always=True)
        profiler = Profiler(self.dataset)
        again = self._read(run, [row for row in kept if _can_be_read(row)], profiler)
        profiles: tuple[ColumnProfile, ...] = ()
        if again.numbers:
            self._add_stored(run, batch, profiler)
            profiles = profiler.finish()
        run.progress(0.7, f"storing {len(again.numbers):,} rows", always=True)
        with run.store.begin() as work:
            with given_up_at_once(run, work, self.is_cancel_announced):
                _readable(work, batch_id)
                work.rows.load(batch.epoch, batch.id, again.rows)
                work.quarantine.store_again(batch, again.numbers, again.reasons, profiles)
            queued = self._finish(run, work, batch, again)
        for job_id in queued:
            self.submit(job_id)

    def _read(self, run: Run, rows: list[QuarantinedRow], profiler: Profiler) -> ReadAgain:
        again = ReadAgain([], [], {})
        numbers = np.array([row.row_number for row in rows], np.int32)
        before = {row.row_number: row.reason for row in rows}
        with NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            # A row of a JSON document may span lines; a line break is never part of a value.
            file.writelines(f"{_BREAKS.sub(' ', row.content)}\n" for row in rows)
            file.flush()
            for chunk in parse.chunks(Path(file.name), self.dataset, profiler, lambda _: None):
                run.check()
                if chunk.rows.num_rows:
                    again.rows.append(_renumbered(chunk.rows, numbers))
                    again.numbers.extend(again.rows[-1]["row_number"].to_pylist())
                for row in chunk.quarantined:
                    number = int(numbers[row.row_number])
                    if row.reason != before[number]:
                        again.reasons[number] = row.reason
        return again

    def _add_stored(self, run: Run, batch: Batch, profiler: Profiler) -> None:
        """Add the rows that the batch has already, one column at a time."""
        with run.store.read() as work:
            for column in self.dataset.columns:
                for held_out in (False, True):
                    run.check()
                    values = work.rows.columns([column.name], held_out=held_out, batch_id=batch.id)[
                        column.name
                    ]
                    texts = column.is_text
                    profiler.add(column.name, [v or None for v in values] if texts else values)

    def _finish(self, run: Run, work: Work, batch: Batch, again: ReadAgain) -> list[int]:
        """Put the outcome on record, and ask for the comparisons that it changes."""
        added, left = len(again.numbers), batch.quarantined - len(again.numbers)
        note = f"Batch {batch.number} of epoch {batch.epoch}: {added:,} quarantined rows stored, "
        note += f"{left:,} still in quarantine."
        jobs = [compare_after(work, run.job, other) for other in _compared(work, batch, added)]
        if added and (versions := work.lineage.versions_of(batch.id)):
            named = ", ".join(map(str, versions))
            note += f" Version {named} was trained on this batch without them."
        if any(job.state is JobState.RUNNING for job in jobs):
            note += " A comparison was running meanwhile; compare the batch again."
        details = {"epoch": batch.epoch, "batch": batch.number, "added": added, "left": left}
        about = f"batch:{batch.epoch}/{batch.number}"
        work.audit.add(run.job.actor, "read quarantine", about, details=details)
        work.jobs.log(run.job.id, note)
        first = jobs[0].id if jobs else None
        result = RowsReadAgain(batch.number, batch.id, batch.epoch, added, left, note, first)
        run.complete(work, result)
        return [job.id for job in jobs]


def _readable(work: Work, batch_id: int) -> Batch:
    batch, epoch = work.batches.get(batch_id), work.batches.epoch()
    require_quarantine_readable(batch, epoch.number if epoch else 0)
    return batch


def _can_be_read(row: QuarantinedRow) -> bool:
    """Whether the row is kept with its values: not cut, not raw text of another format."""
    if not row.is_whole:
        return False
    try:
        return isinstance(json.loads(row.content), dict | list)
    except (ValueError, RecursionError):
        return False


def _renumbered(
    rows: pa.RecordBatch, numbers: np.ndarray[tuple[int], np.dtype[np.int32]]
) -> pa.RecordBatch:
    """Rows with the numbers that they had in their file."""
    place = rows.schema.get_field_index("row_number")
    original = pa.array(numbers[rows.column(place).to_numpy()], pa.int32())
    return rows.set_column(place, rows.schema.field(place), original)


def _compared(work: Work, batch: Batch, added: int) -> list[int]:
    """The batches whose comparisons the added rows change: this one, and those that refer to it."""
    return [batch.id, *work.drift.referring_to(batch.id)] if added else []
