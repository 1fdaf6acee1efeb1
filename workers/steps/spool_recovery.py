"""What earlier ingests left in the spool: entered in the ledger, or cleared away.

Ingest jobs run one at a time, so files that lie here when one begins are left over: answers
that arrived whole are entered, answers that did not are noted as interrupted, and files that a
killed run had prepared are deleted. Doing it twice changes nothing.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from uuid import uuid4

import structlog

from core.adapters.spool import SpoolFile, SpoolFolder
from core.domain.batches import DELIVERY_UNKNOWN, Batch, BatchState
from core.domain.errors import SpoolUnavailable
from core.domain.safe_text import printable
from core.domain.sources import UPLOADING, Format
from core.rules.data.spool_names import named, owner, plain
from workers.runtime.job_run import Run
from workers.sources.port import LONGEST_ORIGIN, Received
from workers.steps.batch_attempts import EXCUSED

PART = ".part"
LOST = ".lost"

KEPT_BYTES = 1_000_000
"""Bytes that are kept of an answer which did not come back whole, for a person to look at."""

KEPT_FILES = 100
"""Files of such answers that are kept, the newest."""

_UPLOAD_SECONDS = 3600
"""An upload that has not grown for so long was broken off."""

_DONE = (BatchState.STORED, BatchState.REPEATED)
"""States after which the bytes are not needed any more; others keep their spool file."""

_SUFFIX = "|".join(Format)
_PART_NAME = re.compile(r"(?:.*--)?e(\d{1,9})-[0-9a-z]+\.part")
_ASKED_AGAIN = re.compile(r"(?:.*--)?e\d{1,9}-s[0-9a-f]+\..*")
"""Answers of a source that is asked again; uploads and answers of a data API have no s."""

_WHOLE_NAME = re.compile(rf"(?:.*--)?e(\d{{1,9}})-[0-9a-z]+\.({_SUFFIX})(?:\.gz|\.zst)?")
_LOOKS_WHOLE = re.compile(rf".*\.({_SUFFIX})(?:\.gz|\.zst)?")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Spool:
    """The spool, as the one running ingest sees it.

    `asks_once` says whether the source may count an incomplete answer as delivered. `dataset` is
    the name that its files carry, empty on a desk with only one. `is_foreign` says of a file
    without a name whether it belongs to another dataset.
    """

    folder: SpoolFolder
    asks_once: bool = True
    dataset: str = ""
    is_foreign: Callable[[str], bool] = lambda _name: False

    def enter_leftovers(self, run: Run) -> None:
        """Bring spool and ledger together, before anything new is asked for.

        Raises:
            SpoolUnavailable: SPOOL_URL does not answer.
        """
        for staging in self.folder.local.glob("*.arrow"):
            if self._is_own(staging.name):
                staging.unlink(missing_ok=True)
        self._send_held_back(run)
        files = self._files()
        wholes = self._answers(files, _LOOKS_WHOLE, _WHOLE_NAME)
        arrived = {_stem(whole.name) for whole in wholes}
        for part in self._answers(files, re.compile(r".*\.part"), _PART_NAME):
            if _stem(part.name) in arrived or not self.asks_once:
                self.folder.delete(part.name)  # it is whole, or the source is asked for it again
            else:
                self.interrupted(run, part.name, "The ingest ended while it received this answer.")
        for whole in wholes:
            self._adopt(run, whole)
        self._clear()

    @contextmanager
    def announced(self, epoch: int) -> Iterator[Path]:
        """The file for an answer that is about to be asked for; other workers learn of it.

        If this process dies, the next ingest finds the announcement and puts on record that an
        answer may be lost.
        """
        name = f"e{epoch}-{'' if self.asks_once else 's'}{uuid4().hex}{PART}"
        part = self.folder.local / named(self.dataset, name)
        if self.asks_once:
            self.folder.announce(part.name)
        try:
            yield part
        except BaseException:  # a cancel too; it goes on to whoever asked
            if self.asks_once and not part.exists() and not list(self._whole_of(part)):
                with suppress(OSError, SpoolUnavailable):  # the next ingest says that none is lost
                    self.folder.delete(part.name)
            raise

    def take(self, run: Run, epoch: int, received: Received) -> Batch:
        """Give an answer that is whole on disk its final name, and enter it.

        Between the two, an answer of a data API is found by the next ingest. Of another source the
        origin would be unknown, so such an answer is deleted, and asked for again.

        Raises:
            FileNotFoundError: another run has entered it.
            LeaseLost: another run has taken over.
            SpoolUnavailable: SPOOL_URL does not answer; an answer of a data API is kept here, and
                the next ingest of this host sends it there.
        """
        whole = received.path.with_suffix(received.suffix)
        self.folder.enter(received.path, whole.name)
        return self._note(run, epoch, whole.name, received)

    def _note(self, run: Run, epoch: int, name: str, received: Received) -> Batch:
        with run.store.begin() as work:
            run.fence(work)
            batch = work.batches.receive(
                epoch,
                received.content_hash,
                name,
                received.size,
                origin=received.origin,
                written_as=received.format,
                watermark=received.watermark,
            )
            work.commit()
        origin = f" from {printable(received.origin)}" if received.origin else ""
        run.say(f"Received {received.size:,} bytes as {name}{origin}.")
        return batch

    def interrupted(self, run: Run, name: str, why: str) -> None:
        """Enter an answer that did not come back whole; what is known of it is said, no more."""
        part = self.folder.local / name
        size = part.stat().st_size if part.exists() else None
        came = "What came is on another host." if size is None else f"{size:,} bytes came."
        note = why if DELIVERY_UNKNOWN in why else f"{why} {came} {DELIVERY_UNKNOWN}"
        with run.store.begin() as work:
            run.fence(work)
            if work.batches.received(name) is None:
                batch = work.batches.receive(_epoch_of(name), "", name, size or 0)
                work.batches.close(batch, BatchState.INTERRUPTED, note=note)
            work.commit()
        if size is not None:
            lost = part.rename(part.with_suffix(LOST))
            if size > KEPT_BYTES:
                os.truncate(lost, KEPT_BYTES)
            self.folder.put(lost.name)
            self.folder.release(lost.name)
        self.folder.delete(name)
        run.say(note, "warning")

    def _whole_of(self, part: Path) -> Iterator[Path]:
        return (f for f in part.parent.glob(f"{part.stem}.*") if _WHOLE_NAME.fullmatch(f.name))

    def _send_held_back(self, run: Run) -> None:
        """Settle what an earlier run of this host left here and not where all workers look.

        An answer that is whole, and that the ledger lacks or waits for, is sent there. The rest was
        entered by another host, or is asked for again.
        """
        there = {file.name for file in self.folder.files()}
        here = [f for f in self.folder.local.iterdir() if f.name not in there]
        for file in [f for f in here if self._is_own(f.name)]:
            if not (_WHOLE_NAME.fullmatch(file.name) or _PART_NAME.fullmatch(file.name)):
                continue
            with run.store.read() as work:
                entry = work.batches.received(file.name)
            waits = entry is None or entry.state is BatchState.RECEIVED
            if waits and not (file.suffix == PART or _ASKED_AGAIN.fullmatch(file.name)):
                self.folder.put(file.name)
            else:
                file.unlink(missing_ok=True)

    def _files(self) -> list[SpoolFile]:
        """The files of this dataset."""
        return [file for file in self.folder.files() if self._is_own(file.name)]

    def _is_own(self, name: str) -> bool:
        """Whether a file is of this dataset: by its name, or, without one, by the ledgers."""
        of = owner(name)
        return of == self.dataset if of or not self.dataset else not self.is_foreign(name)

    def _answers(
        self, files: list[SpoolFile], like: re.Pattern[str], name: re.Pattern[str]
    ) -> list[SpoolFile]:
        """The answers with such a name, oldest first; files that only look like one are left."""
        files = [f for f in files if like.fullmatch(f.name)]
        for strange in [f for f in files if not name.fullmatch(f.name)]:
            log.warning("not an answer of the source; left alone", file=strange.name)
        return sorted((f for f in files if name.fullmatch(f.name)), key=lambda f: f.modified)

    def _adopt(self, run: Run, whole: SpoolFile) -> None:
        with run.store.read() as work:
            known = work.batches.received(whole.name)
        if (known and known.state in _DONE) or (not known and _ASKED_AGAIN.fullmatch(whole.name)):
            self.folder.delete(whole.name)
            return
        if known is None:
            with run.interruptible(), self.folder.borrowed(whole.name) as path:
                size = path.stat().st_size
                with path.open("rb") as file:
                    content_hash = file_digest(file, "sha256").hexdigest()
            origin = _uploaded_as(run, whole.name)
            if not origin:
                run.say(f"Found {whole.name}, which an earlier run received.")
            written_as = _WHOLE_NAME.fullmatch(whole.name)
            self._note(
                run,
                _epoch_of(whole.name),
                whole.name,
                Received(
                    self.folder.local / whole.name,
                    size,
                    content_hash,
                    Format(written_as[2]) if written_as else Format.JSON,
                    origin=origin,
                ),
            )

    def _clear(self) -> None:
        """Delete markers without an answer, broken-off uploads, and old interrupted answers."""
        files = sorted(self._files(), key=lambda f: f.modified)
        names = {file.name for file in files}
        lost = [file.name for file in files if file.name.endswith(LOST)]
        old = [
            file.name
            for file in files
            if (file.name.endswith(EXCUSED) and file.name.removesuffix(EXCUSED) not in names)
            or (file.name.endswith(UPLOADING) and time.time() - file.modified > _UPLOAD_SECONDS)
        ]
        for name in old + lost[:-KEPT_FILES]:
            with suppress(OSError):  # an upload may be finished this moment
                self.folder.delete(name)


def is_upload(batch: Batch) -> bool:
    """Whether a person uploaded it: it has a name, and no source can be asked for it again."""
    return bool(batch.origin) and not _ASKED_AGAIN.fullmatch(batch.spool)


def _uploaded_as(run: Run, whole: str) -> str:
    """The name of the file that a person uploaded as this one; empty if it is not known."""
    if run.job.args.get("upload") != whole:
        return ""
    return str(run.job.args.get("origin", ""))[:LONGEST_ORIGIN]


def _epoch_of(name: str) -> int:
    """The epoch that a spool file's name carries."""
    return int(plain(name).split("-", 1)[0].removeprefix("e"))


def _stem(name: str) -> str:
    return name.split(".", 1)[0]
