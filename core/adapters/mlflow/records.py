"""What MLflow's REST API answers, as records; anything else raises `NotMlflow`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from core.adapters.mlflow.rest import NotMlflow

_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A registered model; `aliases` maps each alias to its version."""

    name: str
    description: str
    tags: dict[str, str]
    aliases: dict[str, int]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a registered model; `created_ms` is in milliseconds since 1970, UTC."""

    version: int
    stage: str
    run_id: str
    model_id: str
    description: str
    tags: dict[str, str]
    created_ms: int


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment, which may be deleted."""

    id: str
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Metric:
    """One value of a metric; `timestamp` is in milliseconds since 1970, UTC."""

    key: str
    value: float
    timestamp: int
    step: int

    def as_json(self) -> dict[str, Any]:
        """As MLflow reads it: JSON has no number for what is not finite."""
        value: float | str = self.value
        if not math.isfinite(self.value):
            infinite = "Infinity" if self.value > 0 else "-Infinity"
            value = "NaN" if math.isnan(self.value) else infinite
        return {"key": self.key, "value": value, "timestamp": self.timestamp, "step": self.step}


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run; `metrics` has the latest value of each, `start` and `end` are milliseconds, UTC."""

    id: str
    experiment: str
    name: str
    status: str
    start: int | None
    end: int | None
    files: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A logged model; `files` is the URI of its artifacts."""

    id: str
    name: str
    type: str
    files: str
    tags: dict[str, str]
    params: dict[str, str]


def pairs(values: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Tags or parameters as MLflow takes them."""
    return [{"key": key, "value": str(value)} for key, value in (values or {}).items()]


def parsed(read: Callable[[Any], _Record], answer: Any, what: str) -> _Record:
    """What `read` makes of an answer.

    Raises:
        NotMlflow: the answer is not one of MLflow's.
    """
    try:
        return read(answer)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise NotMlflow(f"requested {what}, got {str(answer)[:200]}") from error


def registered_model(answer: Any) -> RegisteredModel:
    """From `registered_model`."""
    return RegisteredModel(
        str(answer["name"]),
        _text(answer, "description"),
        _map(answer.get("tags")),
        {str(alias["alias"]): int(alias["version"]) for alias in answer.get("aliases") or ()},
    )


def model_version(answer: Any) -> ModelVersion:
    """From `model_version`."""
    return ModelVersion(
        int(answer["version"]),
        _text(answer, "current_stage") or "None",
        _text(answer, "run_id"),
        _text(answer, "model_id"),
        _text(answer, "description"),
        _map(answer.get("tags")),
        int(answer.get("creation_timestamp") or 0),
    )


def experiment(answer: Any) -> Experiment:
    """From `experiment`."""
    return Experiment(str(answer["experiment_id"]), answer["lifecycle_stage"] == "deleted")


def metric(answer: Any) -> Metric:
    """From an item of `metrics`."""
    return Metric(
        str(answer["key"]),
        float(answer["value"]),
        int(answer.get("timestamp") or 0),
        int(answer.get("step") or 0),
    )


def tracked_run(answer: Any) -> TrackedRun:
    """From `run`."""
    info, data = answer["info"], answer.get("data") or {}
    return TrackedRun(
        str(info["run_id"]),
        _text(info, "experiment_id"),
        _text(info, "run_name"),
        _text(info, "status"),
        _number(info, "start_time"),
        _number(info, "end_time"),
        _text(info, "artifact_uri"),
        _map(data.get("tags")),
        _map(data.get("params")),
        {m.key: m.value for m in map(metric, data.get("metrics") or ())},
    )


def logged_model(answer: Any) -> LoggedModel:
    """From `model`."""
    info, data = answer["info"], answer.get("data") or {}
    return LoggedModel(
        str(info["model_id"]),
        _text(info, "name"),
        _text(info, "model_type"),
        _text(info, "artifact_uri"),
        _map(info.get("tags")),
        _map(data.get("params")),
    )


def _map(items: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    return {str(item["key"]): str(item.get("value") or "") for item in items or ()}


def _text(answer: Any, name: str) -> str:
    return str(answer.get(name) or "")


def _number(answer: Any, name: str) -> int | None:
    return int(answer[name]) if answer.get(name) else None
