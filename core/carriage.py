"""Carrying registered models from one MLflow to another, with their numbers.

MLflow numbers versions itself, one after the other, and never again uses a number: so a version is
put where its number is the next one, and numbers that were deleted are used up and deleted again.
What a version is made of is stored first and the version registered last, so one that exists is
whole, and a carriage that was broken off is simply begun again.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModelOutput, Metric, Param
from mlflow.tracking import MlflowClient

from core.errors import Missing, NotEmpty
from core.registry import DIGEST_TAG, JOB_TAG, Registry, translated

_ORIGIN_TAG = "driftdesk.restored"
_NOT_CARRIED = {"mlflow.log-model.history", _ORIGIN_TAG}
_STAGELESS = "None"
_MOST = 500

Version = dict[str, Any]
"""A version as JSON takes it: number, tags, stage, its run and its logged model."""


class Carriage:
    """One registered model in one MLflow, taken out or put in.

    Every verb raises `RegistryUnavailable` when MLflow is away.
    """

    def __init__(self, registry: Registry) -> None:
        self._uri = registry.uri
        self._name = registry.name
        self._client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with warnings.catch_warnings(), translated(self._uri):
            warnings.simplefilter("ignore", FutureWarning)  # stages, which we mirror
            yield

    # Out

    def model(self) -> dict[str, Any]:
        """The registered model's own tags and aliases; empty if there is none yet."""
        try:
            with self._asking():
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
        with self._asking():
            return [self._about(v) for v in sorted(self._search(), key=lambda v: int(v.version))]

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
        """Fetch a version's files into a folder; returns where they lie."""
        with self._asking():
            uri = self._client.get_model_version_download_uri(self._name, str(version))
            where = download_artifacts(
                artifact_uri=uri, dst_path=str(folder), tracking_uri=self._uri
            )
        return Path(where)

    # In

    def lacking(self, wanted: Sequence[Version]) -> list[Version]:
        """Those that are not there yet.

        Raises:
            NotEmpty: a number is taken by another model, or cannot be given any more.
        """
        there = {v["version"]: v for v in self._there()}
        highest = max(there, default=0)
        lacking = []
        for version in wanted:
            number = version["version"]
            if number in there:
                if _identity(there[number]) != _identity(version):
                    raise NotEmpty(
                        f"MLflow at {self._uri} holds another model as version {number} of "
                        f"{self._name}. Restore into an empty MLflow, or set another MODEL_NAME."
                    )
            elif number < highest:
                raise self._used_up(number)
            else:
                lacking.append(version)
        return lacking

    def _there(self) -> list[Version]:
        with self._asking():
            found = [v for v in self._search() if not _is_stray(v)]
            return [{"version": int(v.version), "tags": dict(v.tags)} for v in found]

    def _used_up(self, number: int) -> NotEmpty:
        return NotEmpty(
            f"MLflow at {self._uri} has given out number {number} of {self._name} before and will "
            "not do so again. Restore into an empty MLflow, or set another MODEL_NAME."
        )

    def put(self, version: Version, files: Path, origin: str) -> None:
        """Store a version with its files and register it under its number.

        `origin` names the backup: what a broken-off attempt from it left behind is removed.

        Raises:
            NotEmpty: the number cannot be given any more.
        """
        number = int(version["version"])
        with self._asking():
            experiment = self._experiment()
            mark = f"{origin}:{number}"
            self._forget(experiment, mark)
            run_id = self._put_run(experiment, version["run"] or {}, mark)
            told = version["model"] or {}
            model = self._client.create_logged_model(
                experiment,
                name=told.get("name") or "model",
                source_run_id=run_id,
                tags=told.get("tags"),
                params=told.get("params"),
                model_type=told.get("type"),
            )
            self._client.log_model_artifacts(model.model_id, str(files))
            self._client.finalize_logged_model(model.model_id, "READY")
            self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
            self._ensure_model()
            made = self._register(model.model_id, version, run_id, mark)
            while made < number:  # MLflow does not tell which number is next: this uses them up
                self._client.delete_model_version(self._name, str(made))
                made = self._register(model.model_id, version, run_id, mark)
            if made != number:
                self._client.delete_model_version(self._name, str(made))
                raise self._used_up(number)

    def _register(self, model_id: str, version: Version, run_id: str, mark: str) -> int:
        made = self._client.create_model_version(
            self._name,
            source=f"models:/{model_id}",
            run_id=run_id,
            tags=version["tags"] | {_ORIGIN_TAG: mark},
            description=version["description"],
            model_id=model_id,
        )
        return int(made.version)

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._name)
        return str(found.experiment_id if found else self._client.create_experiment(self._name))

    def _forget(self, experiment: str, mark: str) -> None:
        """Take away what was made for a version in an attempt that was broken off."""
        left = self._client.search_runs([experiment], f"tags.`{_ORIGIN_TAG}` = '{mark}'")
        for run in left:
            self._client.delete_run(run.info.run_id)
        for version in self._search():
            if _is_stray(version) and version.tags[_ORIGIN_TAG] == mark:
                self._client.delete_model_version(self._name, version.version)

    def _put_run(self, experiment: str, told: dict[str, Any], mark: str) -> str:
        run = self._client.create_run(
            experiment,
            start_time=told.get("start"),
            tags=dict(told.get("tags") or {}) | {_ORIGIN_TAG: mark},
            run_name=told.get("name"),
        )
        run_id = str(run.info.run_id)
        metrics = [Metric(*values) for values in told.get("metrics") or []]
        params = [Param(key, value) for key, value in (told.get("params") or {}).items()]
        for start in range(0, len(metrics), _MOST):
            self._client.log_batch(run_id, metrics=metrics[start : start + _MOST])
        for start in range(0, len(params), 100):
            self._client.log_batch(run_id, params=params[start : start + 100])
        end = told.get("end") or int(time.time() * 1000)
        self._client.set_terminated(run_id, told.get("status") or "FINISHED", end)
        return run_id

    def _ensure_model(self) -> None:
        try:
            with translated(self._uri):
                self._client.get_registered_model(self._name)
        except Missing:
            self._client.create_registered_model(self._name)

    def settle(self, model: dict[str, Any], versions: Sequence[Version]) -> None:
        """Let tags, stages and aliases be what they were; the aliases last."""
        if not model:
            return
        with self._asking():
            self._ensure_model()
            for key, value in model["tags"].items():
                self._client.set_registered_model_tag(self._name, key, value)
            if model["description"]:
                self._client.update_registered_model(self._name, model["description"])
            now = {int(v.version): v.current_stage for v in self._search()}
            for version in versions:
                number, stage = version["version"], version["stage"]
                if now.get(number) != stage and not (number not in now or stage == _STAGELESS):
                    self._client.transition_model_version_stage(self._name, str(number), stage)
            before = self._client.get_registered_model(self._name).aliases
            for alias in set(before) - set(model["aliases"]):
                self._client.delete_registered_model_alias(self._name, alias)
            for alias, number in model["aliases"].items():
                self._client.set_registered_model_alias(self._name, alias, str(number))

    def _search(self) -> list[Any]:
        """Every version as MLflow has it, page by page."""
        found: list[Any] = []
        token = None
        while token or not found:
            page = self._client.search_model_versions(
                f"name = '{self._name}'", max_results=_MOST, page_token=token
            )
            found += page
            token = page.token
            if not token:
                break
        return found


def _identity(version: Version) -> tuple[str, str]:
    tags = version["tags"]
    return tags.get(DIGEST_TAG, ""), tags.get(JOB_TAG, "")


def _is_stray(version: Any) -> bool:
    """Whether it only used up a number on the way to its own."""
    mark = version.tags.get(_ORIGIN_TAG, "")
    return bool(mark) and mark.rpartition(":")[2] != str(version.version)
