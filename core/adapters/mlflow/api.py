"""The verbs of MLflow's REST API that driftdesk uses, typed.

Each raises `rest.Refusal`, `rest.NotMlflow` or urllib3's errors; `errors.translated` makes
sentences of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.adapters.mlflow import records
from core.adapters.mlflow.records import (
    Experiment,
    LoggedModel,
    Metric,
    ModelVersion,
    RegisteredModel,
    TrackedRun,
    pairs,
    parsed,
)
from core.adapters.mlflow.rest import NotMlflow, Refusal, Rest
from core.domain.registry_names import NO_ALIAS, NOT_FOUND

_PAGE = 500
_METRICS_AT_ONCE = 500
_PARAMS_AT_ONCE = 100
"""MLflow's limits of one request."""

_EXISTS = "RESOURCE_ALREADY_EXISTS"


class ModelRegistry:
    """The verbs about one registered model."""

    def __init__(self, rest: Rest, name: str) -> None:
        self._rest, self._name = rest, name

    def model(self) -> RegisteredModel:
        """The registered model."""
        answer = self._rest.get("registered-models/get", name=self._name).get("registered_model")
        model = parsed(records.registered_model, answer, self._name)
        if model.name != self._name:
            raise NotMlflow(f"requested {self._name}, got {model.name!r}")
        return model

    def create(self) -> None:
        """Create the registered model, unless it exists."""
        try:
            self._rest.send("POST", "registered-models/create", name=self._name)
        except Refusal as refusal:
            if refusal.code != _EXISTS:
                raise

    def describe(self, description: str) -> None:
        """Set the registered model's description."""
        self._rest.send(
            "PATCH", "registered-models/update", name=self._name, description=description
        )

    def tag(self, key: str, value: str) -> None:
        """Set a tag of the registered model."""
        self._rest.send("POST", "registered-models/set-tag", name=self._name, key=key, value=value)

    def aliased(self, alias: str) -> ModelVersion | None:
        """The version that an alias names; None if the model has no such alias."""
        try:
            answer = self._rest.get("registered-models/alias", name=self._name, alias=alias)
        except Refusal as refusal:
            if refusal.code != NO_ALIAS:
                raise
            return None
        return parsed(records.model_version, answer.get("model_version"), self._name)

    def set_alias(self, alias: str, version: int) -> None:
        """Let an alias name this version."""
        self._rest.send(
            "POST", "registered-models/alias", name=self._name, alias=alias, version=str(version)
        )

    def delete_alias(self, alias: str) -> None:
        """Delete an alias."""
        self._rest.send("DELETE", "registered-models/alias", name=self._name, alias=alias)

    def versions(self) -> Iterator[ModelVersion]:
        """Every version, page by page."""
        token = None
        while True:
            answer = self._rest.get(
                "model-versions/search",
                filter=f"name = '{self._name}'",
                max_results=_PAGE,
                page_token=token,
            )
            for item in answer.get("model_versions") or ():
                yield parsed(records.model_version, item, self._name)
            if not (token := answer.get("next_page_token")):
                return

    def version(self, number: int) -> ModelVersion:
        """One version."""
        answer = self._rest.get("model-versions/get", name=self._name, version=number)
        return parsed(records.model_version, answer.get("model_version"), self._name)

    def register(
        self,
        model_id: str,
        tags: Mapping[str, str],
        *,
        run_id: str | None = None,
        description: str | None = None,
    ) -> int:
        """Register a logged model as the next version; returns its number."""
        answer = self._rest.send(
            "POST",
            "model-versions/create",
            name=self._name,
            source=f"models:/{model_id}",
            run_id=run_id,
            tags=pairs(tags),
            description=description,
            model_id=model_id,
        )
        return parsed(records.model_version, answer.get("model_version"), self._name).version

    def delete_version(self, number: int) -> None:
        """Delete a version; its number is not assigned again."""
        self._rest.send("DELETE", "model-versions/delete", name=self._name, version=str(number))

    def tag_version(self, number: int, key: str, value: str) -> None:
        """Set a tag of a version."""
        self._rest.send(
            "POST",
            "model-versions/set-tag",
            name=self._name,
            version=str(number),
            key=key,
            value=value,
        )

    def move(self, number: int, stage: str, *, alone: bool = False) -> None:
        """Move a version to a stage; `alone` archives those that are in it."""
        self._rest.send(
            "POST",
            "model-versions/transition-stage",
            name=self._name,
            version=str(number),
            stage=stage,
            archive_existing_versions=alone,
        )

    def files(self, number: int) -> str:
        """The URI of a version's artifacts."""
        answer = self._rest.get("model-versions/get-download-uri", name=self._name, version=number)
        return str(answer.get("artifact_uri") or "")


class Tracking:
    """The verbs about experiments, runs and logged models."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def experiment(self, name: str) -> Experiment | None:
        """An experiment by its name, also a deleted one."""
        try:
            answer = self._rest.get("experiments/get-by-name", experiment_name=name)
        except Refusal as refusal:
            if refusal.code != NOT_FOUND:
                raise
            return None
        return parsed(records.experiment, answer.get("experiment"), name)

    def create_experiment(self, name: str) -> str:
        """Create an experiment; returns its id."""
        answer = self._rest.send("POST", "experiments/create", name=name)
        return parsed(lambda said: str(said["experiment_id"]), answer, name)

    def create_run(
        self, experiment: str, name: str | None, tags: Mapping[str, str], start: int
    ) -> TrackedRun:
        """Create a run that started at `start`, in milliseconds, UTC."""
        answer = self._rest.send(
            "POST",
            "runs/create",
            experiment_id=experiment,
            run_name=name,
            start_time=start,
            tags=pairs(tags),
        )
        return parsed(records.tracked_run, answer.get("run"), "a run")

    def end_run(self, run_id: str, status: str, end: int) -> None:
        """End a run as FINISHED, FAILED or KILLED, at `end` in milliseconds, UTC."""
        self._rest.send("POST", "runs/update", run_id=run_id, status=status, end_time=end)

    def run(self, run_id: str) -> TrackedRun:
        """One run."""
        answer = self._rest.get("runs/get", run_id=run_id)
        return parsed(records.tracked_run, answer.get("run"), run_id)

    def runs(self, experiment: str, where: str) -> list[str]:
        """The ids of at most 1,000 runs that match a filter."""
        answer = self._rest.send(
            "POST", "runs/search", experiment_ids=[experiment], filter=where, max_results=1000
        )
        return [parsed(records.tracked_run, run, where).id for run in answer.get("runs") or ()]

    def delete_run(self, run_id: str) -> None:
        """Delete a run."""
        self._rest.send("POST", "runs/delete", run_id=run_id)

    def log(
        self, run_id: str, metrics: Sequence[Metric], params: Mapping[str, str] | None = None
    ) -> None:
        """Log metrics and parameters with a run."""
        for start in range(0, len(metrics), _METRICS_AT_ONCE):
            some = [m.as_json() for m in metrics[start : start + _METRICS_AT_ONCE]]
            self._rest.send("POST", "runs/log-batch", run_id=run_id, metrics=some)
        listed = pairs(params)
        for start in range(0, len(listed), _PARAMS_AT_ONCE):
            some = listed[start : start + _PARAMS_AT_ONCE]
            self._rest.send("POST", "runs/log-batch", run_id=run_id, params=some)

    def history(self, run_id: str, key: str) -> list[Metric]:
        """Every value of a metric, in the order of MLflow."""
        answer = self._rest.get("metrics/get-history", run_id=run_id, metric_key=key)
        return [parsed(records.metric, item, key) for item in answer.get("metrics") or ()]

    def create_model(
        self,
        experiment: str,
        name: str,
        *,
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        kind: str | None = None,
    ) -> LoggedModel:
        """Create a logged model, the output of a run if one is named."""
        listed = pairs(params)
        answer = self._rest.send(
            "POST",
            "logged-models",
            experiment_id=experiment,
            name=name,
            source_run_id=run_id,
            tags=pairs(tags),
            params=listed[:_PARAMS_AT_ONCE],
            model_type=kind or None,
        )
        model = parsed(records.logged_model, answer.get("model"), name)
        for start in range(_PARAMS_AT_ONCE, len(listed), _PARAMS_AT_ONCE):
            some = listed[start : start + _PARAMS_AT_ONCE]
            self._rest.send(
                "POST", f"logged-models/{model.id}/params", model_id=model.id, params=some
            )
        if run_id:
            output: list[dict[str, Any]] = [{"model_id": model.id, "step": 0}]
            self._rest.send("POST", "runs/outputs", run_id=run_id, models=output)
        return model

    def model(self, model_id: str) -> LoggedModel:
        """One logged model."""
        answer = self._rest.get(f"logged-models/{model_id}")
        return parsed(records.logged_model, answer.get("model"), model_id)

    def finish_model(self, model_id: str) -> None:
        """Let a logged model be ready: its files are stored."""
        self._rest.send(
            "PATCH", f"logged-models/{model_id}", model_id=model_id, status="LOGGED_MODEL_READY"
        )

    def delete_model(self, model_id: str) -> None:
        """Delete a logged model."""
        self._rest.send("DELETE", f"logged-models/{model_id}", model_id=model_id)
