"""A training's run in MLflow, with its model in MLflow's own format."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mlflow.onnx
import onnx
from mlflow.models import Model

from core.adapters.mlflow.api import Tracking
from core.adapters.mlflow.artifacts import Artifacts
from core.adapters.mlflow.records import Metric, TrackedRun
from core.adapters.mlflow.signature import mlflow_signature
from core.adapters.mlflow.version_numbers import experiment_id
from core.domain.registry_names import JOB_TAG
from core.rules.model.contract import Contract

_FLAVOR_FOLDER = "model"
_ORIGIN = {"mlflow.source.name": "driftdesk", "mlflow.source.type": "JOB"}


class TrainingRun:
    """Logs runs in the experiment of one name."""

    def __init__(self, tracking: Tracking, artifacts: Artifacts, name: str) -> None:
        self._tracking, self._artifacts, self._name = tracking, artifacts, name

    @contextmanager
    def logged(
        self,
        model: bytes,
        signature: Contract | None,
        requirements: Sequence[str],
        *,
        job: str,
        tags: Mapping[str, str],
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        files: Mapping[str, bytes],
    ) -> Iterator[str]:
        """A run with its model, and `files` in its folder `training`; yields the model's id.

        The run ends with the block, as failed if that raises.
        """
        experiment = experiment_id(self._tracking, self._name)
        params = {key: str(value) for key, value in parameters.items()}
        with self._run(experiment, job, {**_ORIGIN, **tags, JOB_TAG: job}) as run:
            now = _now_ms()
            values = [Metric(key, float(value), now, 0) for key, value in metrics.items()]
            self._tracking.log(run.id, values, params)
            for name, content in files.items():
                self._artifacts.write(run.files, f"training/{name}", content)
            logged = self._tracking.create_model(
                experiment, _FLAVOR_FOLDER, run_id=run.id, params=params
            )
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary) / _FLAVOR_FOLDER
                mlflow.onnx.save_model(
                    onnx.load_from_string(model),
                    str(folder),
                    signature=mlflow_signature(signature) if signature else None,
                    pip_requirements=list(requirements),
                    save_as_external_data=False,
                    mlflow_model=Model(
                        artifact_path=logged.files,
                        model_uuid=logged.id,
                        model_id=logged.id,
                        run_id=run.id,
                    ),
                )
                self._artifacts.upload(folder, logged.files)
            self._tracking.finish_model(logged.id)
            yield logged.id

    @contextmanager
    def _run(self, experiment: str, name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
        run = self._tracking.create_run(experiment, name, tags, _now_ms())
        try:
            yield run
        except BaseException:
            with suppress(Exception):  # the first error counts; MLflow may be what is away
                self._tracking.end_run(run.id, "FAILED", _now_ms())
            raise
        self._tracking.end_run(run.id, "FINISHED", _now_ms())


def _now_ms() -> int:
    return int(time.time() * 1000)
