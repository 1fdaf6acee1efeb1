"""Loading and checking a model file, and the on-disk cache of the last good one."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from core.adapters.onnx_runtime import Runtime
from core.domain.errors import BadRow, DriftdeskError, ModelRefused
from core.platform import tracing
from core.rules.model.contract import read_row
from serving.model.mlflow_rest import Champion

log = structlog.get_logger()

_WARM_UP = 20


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model that passed its checks; compared by identity, so each load is distinct.

    `trace` is the traceparent of its load, which spans of its answers link to.
    """

    version: int
    digest: str
    runtime: Runtime
    loaded_at: datetime
    registered_at: str
    trace: str = ""

    @property
    def champion(self) -> Champion:
        """The version and file that it was loaded as."""
        return Champion(self.version, self.digest, self.registered_at)


def load(model: bytes, champion: Champion, dataset: str) -> LoadedModel:
    """Check a model file and warm it up.

    Raises:
        ModelRefused: the file differs from the registered one, is not a driftdesk model or one of
            another dataset, does not reproduce its golden answers, or has no finite prediction
            for its default row.
    """
    version, digest = champion.version, champion.digest
    if hashlib.sha256(model).hexdigest() != digest:
        raise ModelRefused("the file's digest is not the one that was registered")
    try:
        runtime = _checked(model, dataset)
    except ModelRefused:
        raise
    except Exception as error:  # no model file may stop the live model
        raise ModelRefused(f"checking it failed: {type(error).__name__}: {error}") from error
    at = datetime.now(UTC)
    return LoadedModel(version, digest, runtime, at, champion.registered_at, tracing.here())


def _checked(model: bytes, dataset: str) -> Runtime:
    runtime = Runtime(model)
    contract = runtime.contract
    if contract.dataset != dataset:
        raise ModelRefused(f"it is a model of {contract.dataset}, but {dataset} is served here")
    try:
        inputs = read_row(contract, {f.name: f.default for f in contract.fields})
    except BadRow as error:
        raise ModelRefused(f"its own defaults break its contract: {error}") from error
    for _ in range(_WARM_UP):
        (answer,) = runtime.predict_rows([inputs])
    if not is_finite(answer):
        raise ModelRefused("its prediction for its default row is not finite")
    if contract.interval:
        contract.interval.bounds(answer)
    runtime.check_golden()
    return runtime


def is_finite(prediction: float | list[float]) -> bool:
    """Whether a prediction is a finite number, or has one for each class."""
    if isinstance(prediction, float):
        return math.isfinite(prediction)
    return all(map(math.isfinite, prediction))


class ModelCache:
    """The last good model on local disk, for a start without the registry."""

    def __init__(self, folder: Path, dataset: str) -> None:
        self._folder = folder
        self._dataset = dataset
        self._metadata = folder / "live.json"

    def _file(self, champion: Champion) -> Path:
        return self._folder / f"{champion.digest}.onnx"

    def put(self, model: bytes | None, champion: Champion, *, confirmed: bool = False) -> None:
        """Replace the cached model atomically; without `model` only its metadata is rewritten.

        `confirmed`: the desk's record names it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        kept = self._file(champion)
        if model is not None:
            self._write(kept, model)
        elif not kept.exists():
            return
        metadata = asdict(champion) | {"confirmed": confirmed}
        self._write(self._metadata, json.dumps(metadata).encode())
        for old in self._folder.glob("*.onnx"):
            if old != kept:
                old.unlink(missing_ok=True)

    def _write(self, path: Path, content: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise

    def clear(self) -> None:
        """Remove the cached model: nothing is to be served."""
        self._metadata.unlink(missing_ok=True)

    def get(self) -> tuple[LoadedModel, bool] | None:
        """The cached model, if it passes its checks, and whether the record had confirmed it."""
        try:
            stored = json.loads(self._metadata.read_bytes())
            champion = Champion(
                int(stored["version"]), str(stored["digest"]), str(stored.get("registered_at", ""))
            )
            model = load(self._file(champion).read_bytes(), champion, self._dataset)
            return model, stored.get("confirmed") is True
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, DriftdeskError) as error:
            log.warning("the cached model cannot be used", reason=str(error))
            return None
