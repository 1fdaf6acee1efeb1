"""The live model: how it is loaded and checked, kept on this disk, and swapped."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from core.contract import read_row
from core.errors import BadRow, DriftdeskError, Missing, ModelRefused
from core.runtime import Runtime
from serving.champion import Champion

log = structlog.get_logger()

_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A model that passed its checks and may answer."""

    version: int
    digest: str
    runtime: Runtime
    loaded_at: datetime


class Source(Protocol):
    """Where champions come from."""

    def champion(self) -> Champion | None:
        """What is to be served, or None for nothing."""

    def download(self, champion: Champion) -> bytes:
        """The file of that version."""


def load(model: bytes, champion: Champion) -> LiveModel:
    """Check a file and make it ready to answer.

    Raises:
        ModelRefused: the file is not the registered one, is no model of ours, or answers its
            own default row with something that is no number.
    """
    if hashlib.sha256(model).hexdigest() != champion.digest:
        raise ModelRefused("the file's digest is not the one that was registered")
    runtime = Runtime(model)
    row = {f.name: f.default for f in runtime.contract.fields}
    try:
        inputs = read_row(runtime.contract, row)
    except BadRow as error:
        raise ModelRefused(f"its own defaults break its contract: {error}") from error
    for _ in range(_WARM_UP):
        (answer,) = runtime.predict_rows([inputs])
    if not math.isfinite(answer):
        raise ModelRefused("it answers its own defaults with no finite number")
    return LiveModel(champion.version, champion.digest, runtime, datetime.now(UTC))


class Shelf:
    """The last good model, on this machine's own disk, for a start without the registry."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, model: bytes, champion: Champion) -> None:
        """Keep this one in the place of the last; a crash in between leaves the last."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write(f"{champion.digest}.onnx", model)
        note = {"version": champion.version, "digest": champion.digest}
        self._write("live.json", json.dumps(note).encode())
        for old in self._folder.glob("*.onnx"):
            if old.stem != champion.digest:
                old.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._folder / name)

    def clear(self) -> None:
        """Forget it: nothing is to be served."""
        (self._folder / "live.json").unlink(missing_ok=True)

    def get(self) -> LiveModel | None:
        """The kept model, if there is one that still passes its checks."""
        try:
            note = json.loads((self._folder / "live.json").read_bytes())
            champion = Champion(int(note["version"]), str(note["digest"]))
            return load((self._folder / f"{champion.digest}.onnx").read_bytes(), champion)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, DriftdeskError) as error:
            log.warning("the kept model cannot be used", reason=str(error))
            return None


class Slot:
    """The one place that says which model answers.

    `live` is read once per request and swapped by a single assignment, so every request is
    answered whole by one version. `refused` tells which version was not taken, and why.
    """

    def __init__(self, source: Source, shelf: Shelf) -> None:
        self._source = source
        self._shelf = shelf
        self.live: LiveModel | None = None
        self.refused: dict[str, object] | None = None
        self.trouble = ""

    def warm_start(self) -> None:
        """Answer with the kept model until the registry has been asked."""
        self.live = self._shelf.get()
        if self.live:
            log.info("serving the kept model", version=self.live.version)

    def refresh(self) -> None:
        """Follow the alias. Whatever goes wrong, the live model stays and the reason is kept."""
        try:
            champion = self._source.champion()
        except Missing as error:
            # Before the first training that is as it should be; later the live model stays.
            self._note(str(error) if self.live else "")
            return
        except DriftdeskError as error:
            self._note(str(error))
            return
        self._note("")
        if champion is None:
            if self.live:
                log.warning("the registry names no champion any more", version=self.live.version)
                self._shelf.clear()
            self.live = None
            return
        live = self.live
        if live and (live.version, live.digest) == (champion.version, champion.digest):
            self.refused = None
            return
        try:
            model = self._source.download(champion)
            self.live = load(model, champion)
        except DriftdeskError as error:
            self._refuse(champion, error)
            return
        self.refused = None
        log.info("live", version=champion.version, before=live.version if live else None)
        try:
            self._shelf.put(model, champion)
        except OSError as error:
            log.warning("the model cannot be kept on this disk", reason=str(error))

    def _refuse(self, champion: Champion, error: DriftdeskError) -> None:
        reason = str(error)
        if error.retryable:
            self._note(reason)
        elif self.refused is None or self.refused["version"] != champion.version:
            log.error("refused", version=champion.version, reason=reason)
        if not error.retryable:
            self.refused = {"version": champion.version, "reason": reason}

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.warning("registry trouble", reason=trouble)
        self.trouble = trouble
