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

from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModelOutput, Metric, Param

from core.adapters.mlflow.client_errors import file_missing, require_experiment
from core.adapters.mlflow.registry import Registry
from core.domain.errors import Missing, NotEmpty, RegistryUnavailable
from core.domain.registry_names import DIGEST_TAG, JOB_TAG, MODEL_FILE

_ORIGIN_TAG = "driftdesk.restored"
_NOT_CARRIED = {"mlflow.log-model.history", _ORIGIN_TAG}
_STAGELESS = "None"
_MOST = 500

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
        self._client = registry.client

    def model(self) -> dict[str, Any]:
        """The registered model's own tags and aliases; empty if there is none yet."""
        try:
            with self._registry.asking():
                model = self._client.get_registered_model(self._name)
        except Missing:
            return {}
        return {
            "description": model.description or "",
            "tags": dict(model.tags),
            "aliases": {alias: int(v) for alias, v in model.aliases.items()},
        }

    def versions(self) -> list[Version]:
        """Every version, oldest first, without its files."""
        with self._registry.asking():
            return [
                self._about(v)
                for v in sorted(self._registry.every_version(), key=lambda v: int(v.version))
            ]

    def _about(self, version: Any) -> Version:
        run = self._client.get_run(version.run_id) if version.run_id else None
        model = self._client.get_logged_model(version.model_id) if version.model_id else None
        return {
            "version": int(version.version),
            "description": version.description or "",
            "tags": {k: v for k, v in version.tags.items() if k != _ORIGIN_TAG},
            "stage": str(version.current_stage),
            "run": self._about_run(run) if run else None,
            "model": {
                "name": model.name,
                "type": model.model_type,
                "tags": {k: v for k, v in model.tags.items() if not k.startswith("mlflow.")},
                "params": dict(model.params),
            }
            if model
            else None,
        }

    def _about_run(self, run: Any) -> dict[str, Any]:
        return {
            "name": run.info.run_name,
            "status": run.info.status,
            "start": run.info.start_time,
            "end": run.info.end_time,
            "tags": {k: v for k, v in run.data.tags.items() if k not in _NOT_CARRIED},
            "params": dict(run.data.params),
            "metrics": [
                [m.key, m.value, m.timestamp, m.step]
                for key in sorted(run.data.metrics)
                for m in self._client.get_metric_history(run.info.run_id, key)
            ],
        }

    def download(self, version: int, folder: Path) -> Path:
        """Download a version's files into a folder; returns their path.

        Raises:
            FileMissing: the artifact store has no model file of this version.
        """
        with self._registry.asking():
            is_ours = DIGEST_TAG in self._client.get_model_version(self._name, str(version)).tags
        try:
            with self._registry.asking():
                uri = self._client.get_model_version_download_uri(self._name, str(version))
                where = download_artifacts(
                    artifact_uri=uri, dst_path=str(folder), tracking_uri=self._uri
                )
        except (Missing, RegistryUnavailable) as error:
            files = self._registry.files(version)
            if not files or (is_ours and MODEL_FILE not in files):
                raise file_missing(self._name, version) from error
            raise
        if is_ours and not (Path(where) / MODEL_FILE).exists():
            raise file_missing(self._name, version)
        return Path(where)

    def lacking(self, wanted: Sequence[Version]) -> list[Version]:
        """The versions that do not exist yet.

        Raises:
            NotEmpty: a number belongs to another model, or can no longer be assigned.
        """
        versions = [v for v in self._registry.every_version() if not _is_placeholder(v)]
        existing = {int(v.version): dict(v.tags) for v in versions}
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
        with self._registry.asking():
            experiment = self._experiment()
            mark = f"{origin}:{number}"
            self._forget(experiment, mark)
            run_id = self._put_run(experiment, version["run"] or {}, mark)
            logged = version["model"] or {}
            model = self._client.create_logged_model(
                experiment,
                name=logged.get("name") or "model",
                source_run_id=run_id,
                tags=logged.get("tags"),
                params=logged.get("params"),
                model_type=logged.get("type"),
            )
            self._client.log_model_artifacts(model.model_id, str(files))
            self._client.finalize_logged_model(model.model_id, "READY")
            self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
            self._ensure_model()
            assigned = self._register(model.model_id, version, run_id, mark)
            while assigned < number:  # MLflow does not expose its next number
                self._client.delete_model_version(self._name, str(assigned))
                assigned = self._register(model.model_id, version, run_id, mark)
            if assigned != number:
                self._client.delete_model_version(self._name, str(assigned))
                raise self._used_up(number)

    def _register(self, model_id: str, version: Version, run_id: str, mark: str) -> int:
        registered = self._client.create_model_version(
            self._name,
            source=f"models:/{model_id}",
            run_id=run_id,
            tags=version["tags"] | {_ORIGIN_TAG: mark},
            description=version["description"],
            model_id=model_id,
        )
        return int(registered.version)

    def _experiment(self) -> str:
        require_experiment(self._client, self._name)
        experiment = self._client.get_experiment_by_name(self._name)
        if experiment:
            return str(experiment.experiment_id)
        return str(self._client.create_experiment(self._name))

    def _forget(self, experiment: str, mark: str) -> None:
        """Delete what an interrupted attempt created for a version."""
        runs = self._client.search_runs([experiment], f"tags.`{_ORIGIN_TAG}` = '{mark}'")
        for run in runs:
            self._client.delete_run(run.info.run_id)
        for version in self._registry.every_version():
            if _is_placeholder(version) and version.tags[_ORIGIN_TAG] == mark:
                self._client.delete_model_version(self._name, version.version)

    def _put_run(self, experiment: str, run: dict[str, Any], mark: str) -> str:
        created = self._client.create_run(
            experiment,
            start_time=run.get("start"),
            tags=dict(run.get("tags") or {}) | {_ORIGIN_TAG: mark},
            run_name=run.get("name"),
        )
        run_id = str(created.info.run_id)
        metrics = [Metric(*values) for values in run.get("metrics") or []]
        params = [Param(key, value) for key, value in (run.get("params") or {}).items()]
        for start in range(0, len(metrics), _MOST):
            self._client.log_batch(run_id, metrics=metrics[start : start + _MOST])
        for start in range(0, len(params), 100):
            self._client.log_batch(run_id, params=params[start : start + 100])
        end = run.get("end") or int(time.time() * 1000)
        self._client.set_terminated(run_id, run.get("status") or "FINISHED", end)
        return run_id

    def _ensure_model(self) -> None:
        try:
            with self._registry.asking():
                self._client.get_registered_model(self._name)
        except Missing:
            self._client.create_registered_model(self._name)

    def settle(self, model: dict[str, Any], versions: Sequence[Version]) -> None:
        """Restore tags, stages and aliases; the aliases last."""
        if not model:
            return
        with self._registry.asking():
            self._ensure_model()
            for key, value in model["tags"].items():
                self._client.set_registered_model_tag(self._name, key, value)
            if model["description"]:
                self._client.update_registered_model(self._name, model["description"])
            now = {int(v.version): v.current_stage for v in self._registry.every_version()}
            for version in versions:
                number, stage = version["version"], version["stage"]
                if now.get(number) != stage and not (number not in now or stage == _STAGELESS):
                    self._client.transition_model_version_stage(self._name, str(number), stage)
            before = self._client.get_registered_model(self._name).aliases
            for alias in set(before) - set(model["aliases"]):
                self._client.delete_registered_model_alias(self._name, alias)
            for alias, number in model["aliases"].items():
                self._client.set_registered_model_alias(self._name, alias, str(number))


def _identity(tags: Mapping[str, str]) -> tuple[str, str]:
    return tags.get(DIGEST_TAG, ""), tags.get(JOB_TAG, "")


def _is_placeholder(version: Any) -> bool:
    """Whether it is a placeholder that advanced MLflow's version counter."""
    mark = version.tags.get(_ORIGIN_TAG, "")
    return bool(mark) and mark.rpartition(":")[2] != str(version.version)
