"""Transfers registered models between MLflow servers and keeps their version numbers.

MLflow assigns version numbers in sequence and never reuses one. A version is therefore created when
its number is next; placeholders that are deleted again fill the gaps. Files and run are stored
before the version is registered, so an existing version is complete and an interrupted transfer can
simply be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.adapters.mlflow.errors import file_missing, translated
from core.adapters.mlflow.records import Metric, ModelVersion, TrackedRun
from core.adapters.mlflow.registry import Registry
from core.adapters.mlflow.version_numbers import experiment_id
from core.domain.errors import Missing, NotEmpty, RegistryUnavailable
from core.domain.registry_names import DIGEST_TAG, JOB_TAG, MODEL_FILE

_ORIGIN_TAG = "driftdesk.restored"
_NOT_CARRIED = {"mlflow.log-model.history", _ORIGIN_TAG}
_STAGELESS = "None"

Version = dict[str, Any]
"""A version as JSON: number, tags, stage, its run and its logged model."""


class Carriage:
    """Exports or imports one registered model of one MLflow server.

    Every verb raises `RegistryUnavailable` when MLflow is away.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._uri = registry.uri
        self._name = registry.name
        self._api = registry.api
        self._tracking = registry.tracking
        self._artifacts = registry.artifacts

    def model(self) -> dict[str, Any]:
        """The registered model's own tags and aliases; empty if there is none yet."""
        try:
            with translated(self._uri):
                model = self._api.model()
        except Missing:
            return {}
        return {
            "description": model.description,
            "tags": dict(model.tags),
            "aliases": dict(model.aliases),
        }

    def versions(self) -> list[Version]:
        """Every version, oldest first, without its files."""
        with translated(self._uri):
            versions = sorted(self._registry.every_version(), key=lambda v: v.version)
            return [self._about(v) for v in versions]

    def _about(self, version: ModelVersion) -> Version:
        run = self._tracking.run(version.run_id) if version.run_id else None
        model = self._tracking.model(version.model_id) if version.model_id else None
        return {
            "version": version.version,
            "description": version.description,
            "tags": {k: v for k, v in version.tags.items() if k != _ORIGIN_TAG},
            "stage": version.stage,
            "run": self._about_run(run) if run else None,
            "model": {
                "name": model.name,
                "type": model.type,
                "tags": {k: v for k, v in model.tags.items() if not k.startswith("mlflow.")},
                "params": dict(model.params),
            }
            if model
            else None,
        }

    def _about_run(self, run: TrackedRun) -> dict[str, Any]:
        return {
            "name": run.name,
            "status": run.status,
            "start": run.start,
            "end": run.end,
            "tags": {k: v for k, v in run.tags.items() if k not in _NOT_CARRIED},
            "params": dict(run.params),
            "metrics": [
                [m.key, m.value, m.timestamp, m.step]
                for key in sorted(run.metrics)
                for m in self._tracking.history(run.id, key)
            ],
        }

    def download(self, version: int, folder: Path) -> Path:
        """Download a version's files into a folder; returns their path.

        Raises:
            FileMissing: the artifact store has no model file of this version.
        """
        with translated(self._uri):
            is_ours = DIGEST_TAG in self._api.version(version).tags
        try:
            with translated(self._uri):
                self._artifacts.download(self._api.files(version), folder)
        except (Missing, RegistryUnavailable) as error:
            files = self._registry.files(version)
            if not files or (is_ours and MODEL_FILE not in files):
                raise file_missing(self._name, version) from error
            raise
        stored = {file.name for file in folder.iterdir()}
        if not stored or (is_ours and MODEL_FILE not in stored):
            raise file_missing(self._name, version)
        return folder

    def lacking(self, wanted: Sequence[Version]) -> list[Version]:
        """The versions that do not exist yet.

        Raises:
            NotEmpty: a number belongs to another model, or can no longer be assigned.
        """
        versions = [v for v in self._registry.every_version() if not _is_placeholder(v)]
        existing = {v.version: v.tags for v in versions}
        highest = max(existing, default=0)
        lacking = [version for version in wanted if version["version"] not in existing]
        for version in wanted:
            number = version["version"]
            if number in existing and _identity(existing[number]) != _identity(version["tags"]):
                raise NotEmpty(
                    f"MLflow at {self._uri} holds another model as version {number} of "
                    f"{self._name}. Restore into an empty MLflow, or set another MODEL_NAME."
                )
            if number not in existing and number < highest:
                raise self._used_up(number)
        return lacking

    def _used_up(self, number: int) -> NotEmpty:
        return NotEmpty(
            f"MLflow at {self._uri} has given out number {number} of {self._name} before and will "
            "not do so again. Restore into an empty MLflow, or set another MODEL_NAME."
        )

    def put(self, version: Version, files: Path, origin: str) -> None:
        """Store a version with its files and register it under its number.

        `origin` names the backup; leftovers of an interrupted attempt from it are removed.

        Raises:
            NotEmpty: the number can no longer be assigned.
        """
        number = int(version["version"])
        with translated(self._uri):
            experiment = experiment_id(self._tracking, self._name)
            mark = f"{origin}:{number}"
            self._forget(experiment, mark)
            run_id = self._put_run(experiment, version["run"] or {}, mark)
            logged = version["model"] or {}
            model = self._tracking.create_model(
                experiment,
                logged.get("name") or "model",
                run_id=run_id,
                tags=logged.get("tags"),
                params=logged.get("params"),
                kind=logged.get("type"),
            )
            self._artifacts.upload(files, model.files)
            self._tracking.finish_model(model.id)
            self._api.create()
            assigned = self._register(model.id, version, run_id, mark)
            while assigned < number:  # MLflow does not expose its next number
                self._api.delete_version(assigned)
                assigned = self._register(model.id, version, run_id, mark)
            if assigned != number:
                self._api.delete_version(assigned)
                raise self._used_up(number)

    def _register(self, model_id: str, version: Version, run_id: str, mark: str) -> int:
        tags = version["tags"] | {_ORIGIN_TAG: mark}
        return self._api.register(model_id, tags, run_id=run_id, description=version["description"])

    def _forget(self, experiment: str, mark: str) -> None:
        """Delete what an interrupted attempt created for a version."""
        for run_id in self._tracking.runs(experiment, f"tags.`{_ORIGIN_TAG}` = '{mark}'"):
            self._tracking.delete_run(run_id)
        for version in self._registry.every_version():
            if _is_placeholder(version) and version.tags[_ORIGIN_TAG] == mark:
                self._api.delete_version(version.version)

    def _put_run(self, experiment: str, run: dict[str, Any], mark: str) -> str:
        now = int(time.time() * 1000)
        tags = dict(run.get("tags") or {}) | {_ORIGIN_TAG: mark}
        created = self._tracking.create_run(
            experiment, run.get("name"), tags, run.get("start") or now
        )
        metrics = [Metric(*values) for values in run.get("metrics") or []]
        self._tracking.log(created.id, metrics, run.get("params"))
        self._tracking.end_run(created.id, run.get("status") or "FINISHED", run.get("end") or now)
        return created.id

    def settle(self, model: dict[str, Any], versions: Sequence[Version]) -> None:
        """Restore tags, stages and aliases; the aliases last."""
        if not model:
            return
        with translated(self._uri):
            self._api.create()
            for key, value in model["tags"].items():
                self._api.tag(key, value)
            if model["description"]:
                self._api.describe(model["description"])
            now = {v.version: v.stage for v in self._registry.every_version()}
            for version in versions:
                number, stage = version["version"], version["stage"]
                if now.get(number) != stage and not (number not in now or stage == _STAGELESS):
                    self._api.move(number, stage)
            for alias in set(self._api.model().aliases) - set(model["aliases"]):
                self._api.delete_alias(alias)
            for alias, number in model["aliases"].items():
                self._api.set_alias(alias, number)


def _identity(tags: Mapping[str, str]) -> tuple[str, str]:
    return tags.get(DIGEST_TAG, ""), tags.get(JOB_TAG, "")


def _is_placeholder(version: ModelVersion) -> bool:
    """Whether it is a placeholder that advanced MLflow's version counter."""
    mark = version.tags.get(_ORIGIN_TAG, "")
    return bool(mark) and mark.rpartition(":")[2] != str(version.version)
