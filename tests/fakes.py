"""Fakes that keep the same promises as the real adapters; `tests/contract` holds them to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from core.adapters.mlflow.records import TrackedRun
from core.adapters.mlflow.registry import RegisteredVersion, digest_of
from core.adapters.mlflow.version_numbers import replaced
from core.adapters.rq_queue import LINES, QUEUES, QueueFacts, WorkerInfo, entry_id
from core.domain.errors import (
    Missing,
    ModelRefused,
    QueueRefused,
    QueueUnavailable,
    RegistryUnavailable,
    ServingUnavailable,
)
from core.domain.jobs import JobKind
from core.domain.registry_names import JOB_TAG
from core.rules.model.contract import Contract
from core.rules.model.unusual_values import unusual_given


class FakeRegistry:
    """A registry in memory."""

    name = "fake"

    def __init__(self) -> None:
        self._models: dict[int, bytes] = {}
        self._digests: dict[int, str] = {}
        self._jobs: dict[int, str] = {}
        self._champion: int | None = None
        self._stages: dict[int, str] = {}
        self.kept: dict[int, dict[str, bytes]] = {}
        """The files that came with each version's run."""
        self.metrics: dict[int, dict[str, float]] = {}
        self.parameters: dict[int, dict[str, str]] = {}
        self.away = False

    def _check(self) -> None:
        if self.away:
            raise RegistryUnavailable("MLflow at nowhere did not answer.")

    def publish(
        self,
        model: bytes,
        *,
        job: str,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        signature: Any,
        requirements: Sequence[str],
        fence: Callable[[], None] = lambda: None,
        above: int = 0,
        files: Mapping[str, bytes] | None = None,
    ) -> int:
        self.require_ready(above)
        for version, digest in self._digests.items():
            if digest == digest_of(model) and self._jobs[version] == job:
                return version
        fence()
        version = self._next()
        self._models[version] = model
        self._digests[version] = digest_of(model)
        self._jobs[version] = job
        self.kept[version] = dict(files or {})
        self.metrics[version] = dict(metrics)
        self.parameters[version] = {key: str(value) for key, value in parameters.items()}
        return version

    def log_metrics(self, version: int, metrics: Mapping[str, float]) -> None:
        self._check()
        self.fetch(version)
        self.metrics[version] |= metrics

    def training_run(self, version: int) -> TrackedRun | None:
        self.fetch(version)
        tags = {JOB_TAG: self._jobs[version]}
        return TrackedRun(
            f"run{version}", "7", "", "FINISHED", 0, 0, "", tags, self.parameters[version], {}
        )

    def _next(self) -> int:
        return max(self._models, default=0) + 1

    def require_ready(self, above: int) -> None:
        self._check()
        if self._next() <= above:
            raise replaced("fake", self._next(), above)

    def require_experiment(self) -> None:
        self._check()

    def counted(self) -> int | None:
        self._check()
        return max(self._models, default=None)

    def has_file(self, version: int) -> bool:
        self._check()
        return version in self._models

    def versions(self) -> list[RegisteredVersion]:
        self._check()
        return [
            RegisteredVersion(
                v, self._stages.get(v, "None"), "run", self._digests[v], v == self._champion
            )
            for v in sorted(self._models, reverse=True)
        ]

    def champion(self) -> int | None:
        self._check()
        return self._champion

    def set_champion(self, version: int | None) -> None:
        self._check()
        if version is not None and version not in self._models:
            raise Missing(f"no version {version}")
        for v, stage in self._stages.items():
            if stage == "Production":
                self._stages[v] = "Archived"
        if version is not None:
            self._stages[version] = "Production"
        self._champion = version

    def fetch(self, version: int) -> bytes:
        self._check()
        if version not in self._models:
            raise Missing(f"no version {version}")
        if digest_of(self._models[version]) != self._digests[version]:
            raise ModelRefused("changed")
        return self._models[version]

    def try_artifacts(self) -> None:
        self._check()

    def replace(self, version: int, model: bytes) -> None:
        """Replace the file and the tag of a registered version, as a person could in MLflow."""
        self._models[version], self._digests[version] = model, digest_of(model)

    def tamper(self, version: int) -> None:
        self._models[version] += b"x"


class FakeQueue:
    """A line that nobody works off."""

    def __init__(self) -> None:
        self.entries: list[tuple[JobKind, int, int]] = []
        self.beats: dict[str, datetime] = {}
        self.crew: list[WorkerInfo] = []
        self.cancels: set[tuple[int, int]] = set()
        self.away = False
        self.refuses = ""

    def submit(self, kind: JobKind, job_id: int, attempt: int, dataset: str = "") -> None:
        self.try_write()
        self.entries.append((kind, job_id, attempt))

    def drop(self, kind: JobKind, job_id: int, attempt: int) -> None:
        if (kind, job_id, attempt) in self.entries:
            self.entries.remove((kind, job_id, attempt))

    def waiting(self) -> set[str]:
        self.ping()
        return {entry_id(*entry) for entry in self.entries}

    def announce_cancel(self, job_id: int, attempt: int) -> None:
        self.try_write()
        self.cancels.add((job_id, attempt))

    def is_cancel_announced(self, job_id: int, attempt: int) -> bool:
        self.ping()
        return (job_id, attempt) in self.cancels

    def lengths(self) -> dict[str, int]:
        lines = [QUEUES[kind] for kind, _, _ in self.entries]
        return {name: lines.count(name) for name in LINES}

    def workers(self) -> list[WorkerInfo]:
        self.ping()
        return self.crew

    def beat(self, name: str, at: datetime) -> None:
        self.ping()
        self.beats[name] = at

    def reconcilers(self) -> dict[str, datetime]:
        self.ping()
        latest = max(self.beats.values(), default=None)
        self.beats = {
            n: at for n, at in self.beats.items() if latest and latest - at <= timedelta(hours=1)
        }
        return dict(self.beats)

    def try_write(self) -> None:
        self.ping()
        if self.refuses:
            raise QueueRefused(self.refuses)

    def ping(self) -> str:
        if self.away:
            raise QueueUnavailable("Redis did not answer.")
        return "9.1"

    def facts(self) -> QueueFacts:
        return QueueFacts("Valkey", self.ping(), True, "noeviction", 0.0)


class FakeServing:
    """A serving API with or without a model."""

    def __init__(self) -> None:
        self.urls = ("http://127.0.0.1:1",)
        self.about: dict[str, Any] = {}
        self.away = False
        self.asked: list[dict[str, Any]] = []
        self.actors: list[str] = []
        self.beside: dict[str, Any] = {}
        self.told: list[tuple[str, float | str]] = []

    def feedback(self, prediction_id: str, actual: float | str) -> None:
        self.told.append((prediction_id, actual))

    def model(self, url: str = "") -> dict[str, Any]:
        if self.away:
            raise ServingUnavailable("Serving at nowhere did not answer.")
        return self.about

    def state(self, url: str = "") -> dict[str, Any]:
        return self.model(url)

    def refresh(self, url: str, secret: str) -> bool:
        return False

    def predict(
        self, row: dict[str, Any], *, explain: bool = False, actor: str = ""
    ) -> dict[str, Any]:
        if self.away:
            raise ServingUnavailable("Serving at nowhere did not answer.")
        self.asked.append(row)
        self.actors.append(actor)
        answer = {"prediction": 250_000.0, "model_version": 3, "prediction_id": "p-1"}
        if self.about:
            contract = Contract.from_json(json.dumps(self.about["contract"]))
            answer["warnings"] = unusual_given(contract, row)
        return answer | self.beside

    def predict_batch(
        self, rows: Sequence[dict[str, Any]], *, actor: str = ""
    ) -> list[dict[str, Any]]:
        return [self.predict(row, actor=actor) for row in rows]
