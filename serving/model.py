"""The live model: how it is loaded and checked, kept on this disk, and swapped."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from core import trace
from core.contract import read_row
from core.errors import BadRow, DriftdeskError, ModelRefused
from core.runtime import Runtime
from serving.champion import Champion

log = structlog.get_logger()

_WARM_UP = 20


@dataclass(frozen=True, slots=True, eq=False)
class LiveModel:
    """A model that passed its checks and may answer; each load is another one.

    `trace` is the traceparent of its load: what is answered by it was led to by that.
    """

    version: int
    digest: str
    runtime: Runtime
    loaded_at: datetime
    registered_at: str
    trace: str = ""


class Source(Protocol):
    """Where champions come from."""

    def champion(self) -> Champion | None:
        """What is to be served, or None for nothing."""

    def download(self, champion: Champion) -> bytes:
        """The file of that version."""


def load(model: bytes, champion: Champion, dataset: str) -> LiveModel:
    """Check a file and make it ready to answer.

    Raises:
        ModelRefused: the file is not the registered one, is no model of ours or one of another
            dataset, does not give the answers that it was published with, or answers its own
            default row with something that is no number.
    """
    if hashlib.sha256(model).hexdigest() != champion.digest:
        raise ModelRefused("the file's digest is not the one that was registered")
    try:
        runtime = _tried(model, dataset)
    except ModelRefused:
        raise
    except Exception as error:  # whatever a file does to us, the live model goes on
        raise ModelRefused(f"trying it failed: {type(error).__name__}: {error}") from error
    return LiveModel(
        champion.version,
        champion.digest,
        runtime,
        datetime.now(UTC),
        champion.registered_at,
        trace.here(),
    )


def _tried(model: bytes, dataset: str) -> Runtime:
    runtime = Runtime(model)
    contract = runtime.contract
    if contract.dataset != dataset:
        raise ModelRefused(f"it is a model of {contract.dataset}, and {dataset} is served here")
    try:
        inputs = read_row(contract, {f.name: f.default for f in contract.fields})
    except BadRow as error:
        raise ModelRefused(f"its own defaults break its contract: {error}") from error
    for _ in range(_WARM_UP):
        (answer,) = runtime.predict_rows([inputs])
    if not math.isfinite(answer):
        raise ModelRefused("it answers its own defaults with no finite number")
    if contract.interval:
        contract.interval.bounds(answer)
    runtime.check_golden()
    return runtime


class Shelf:
    """The last good model, on this machine's own disk, for a start without the registry."""

    def __init__(self, folder: Path, dataset: str) -> None:
        self._folder = folder
        self._dataset = dataset

    def put(self, model: bytes, champion: Champion) -> None:
        """Keep this one in the place of the last; a crash in between leaves the last."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write(f"{champion.digest}.onnx", model)
        note = asdict(champion)
        self._write("live.json", json.dumps(note).encode())
        for old in self._folder.glob("*.onnx"):
            if old.stem != champion.digest:
                old.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self._folder / name)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise

    def clear(self) -> None:
        """Forget it: nothing is to be served."""
        (self._folder / "live.json").unlink(missing_ok=True)

    def get(self) -> LiveModel | None:
        """The kept model, if there is one that still passes its checks."""
        try:
            note = json.loads((self._folder / "live.json").read_bytes())
            champion = Champion(
                int(note["version"]), str(note["digest"]), str(note.get("registered_at", ""))
            )
            content = (self._folder / f"{champion.digest}.onnx").read_bytes()
            return load(content, champion, self._dataset)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, DriftdeskError) as error:
            log.warning("the kept model cannot be used", reason=str(error))
            return None
