"""Uploads: a file of a person becomes the next batch."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from console.actions.access import needs
from console.actions.file_checks import format_named
from console.actions.queueing import submit
from console.desk import Desk
from core.adapters.spool import SpoolFolder, open_spool
from core.domain.errors import BadInput, DiskRefused, SourceRefused, SpoolUnavailable
from core.domain.jobs import Job, JobKind
from core.domain.sources import UPLOADING, takes_uploads
from core.rules.access.roles import Actor, Right
from core.rules.data.spool_names import named
from core.usecases import decisions

PAGE_MB = 1_024
"""The largest file that the page takes, in megabytes: the console holds it in memory."""

_CHUNK = 1 << 20
_LONGEST_NAME = 200


@needs(Right.RUN)
def upload(desk: Desk, actor: Actor, file: BinaryIO, name: str, *, then_train: bool = False) -> Job:
    """Copy a file into the spool, and queue the ingest that stores it as the next batch.

    The file gets its final name in the transaction that requests the job, so an ingest that is
    open meanwhile cannot take it. The batch belongs to the current epoch.

    Raises:
        SourceRefused: the source numbers its batches, so a file would take the number of one.
        BadInput: the name says no format, or the file is empty or larger than FILE_MAX_MB.
        DiskRefused, SpoolUnavailable: the spool cannot be written.
        JobUnderWay: another ingest is open; the file is not kept.
    """
    if not takes_uploads(desk.dataset.source):
        raise SourceRefused(
            "This dataset's data API numbers its batches, and a file would take the number of the "
            'next one. Set kind = "upload" in the section [source] of the dataset file.'
        )
    written_as, compression = format_named(name)
    spool, key = open_spool(desk.settings), uuid.uuid4().hex
    of = desk.dataset.name if desk.settings.datasets else ""
    staging = named(of, f"{key}{UPLOADING}")
    most = desk.settings.file_max_mb * 1_000_000
    with _written(spool, staging, file, most), desk.store.begin(by=actor) as work:
        epoch = work.batches.epoch()
        number = epoch.number if epoch else 1
        whole = named(of, f"e{number}-{key}.{written_as.value}{compression}")
        args: dict[str, Any] = {"upload": whole, "origin": name[:_LONGEST_NAME]}
        if then_train:
            args["then_train"] = True
        job, _ = decisions.request(work, JobKind.INGEST, args, actor=actor.name)
        spool.rename(staging, whole)
        work.commit()
    return submit(desk, job)


@needs(Right.RUN)
def upload_path(desk: Desk, actor: Actor, path: Path, *, then_train: bool = False) -> Job:
    """Upload a file of this machine.

    Raises:
        BadInput: it cannot be read, or see `upload`.
        DiskRefused, SpoolUnavailable, JobUnderWay: see `upload`.
    """
    try:
        opened = path.open("rb")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error
    with opened:
        return upload(desk, actor, opened, path.name, then_train=then_train)


@contextmanager
def _written(spool: SpoolFolder, name: str, file: BinaryIO, most: int) -> Iterator[None]:
    """The copy of a file, durably in the spool; deleted if it still has this name afterwards."""
    staging = spool.local / name
    try:
        try:
            staging.parent.mkdir(parents=True, exist_ok=True)
            with staging.open("xb") as copy:
                size = 0
                while block := file.read(_CHUNK):
                    size += len(block)
                    if size > most:
                        raise BadInput(
                            f"The file has more than {most / 1e6:,.0f} MB. Raise FILE_MAX_MB, "
                            "or divide it."
                        )
                    copy.write(block)
                copy.flush()
                os.fsync(copy.fileno())
        except OSError as error:
            raise DiskRefused(
                f"The file could not be copied into the spool ({error.strerror}). Make room in "
                "DATA_DIR, or check its permissions."
            ) from error
        if not size:
            raise BadInput("The file is empty.")
        spool.put(name)
        yield
    finally:
        with suppress(OSError, SpoolUnavailable):  # where nothing could be written, nothing is left
            spool.release(name)
            spool.delete(name)
