"""The model registry in MLflow.

The alias `champion` names the live version: an alias always names one version, and moving it is
one statement. The stage Production mirrors it for people who look at MLflow only.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.adapters.mlflow.api import ModelRegistry, Tracking
from core.adapters.mlflow.artifacts import Artifacts
from core.adapters.mlflow.errors import file_missing, translated
from core.adapters.mlflow.records import Metric, ModelVersion, TrackedRun
from core.adapters.mlflow.rest import Rest
from core.adapters.mlflow.version_numbers import (
    counted,
    every_version,
    replaced,
    require_experiment,
    require_numbers,
    use_up,
)
from core.domain.basic_auth import Login
from core.domain.errors import Missing, ModelRefused, RegistryUnavailable
from core.domain.registry_names import CHAMPION, DIGEST_TAG, JOB_TAG, MODEL_FILE, TRACE_TAG
from core.platform import tracing

if TYPE_CHECKING:
    from core.rules.model.contract import Contract


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A model version as the registry has it."""

    version: int
    stage: str
    run_id: str
    digest: str
    is_champion: bool


def digest_of(model: bytes) -> str:
    """The digest that names a model file: SHA-256, in hex."""
    return hashlib.sha256(model).hexdigest()


class Registry:
    """One registered model of one MLflow.

    Every method raises `RegistryUnavailable` if MLflow is unavailable or refuses the login.
    """

    def __init__(self, uri: str, name: str, login: Login | None = None) -> None:
        rest = Rest(uri, login)
        self.uri = uri
        self.name = name
        self.api = ModelRegistry(rest, name)
        self.tracking = Tracking(rest)
        self.artifacts = Artifacts(rest)

    def publish(
        self,
        model: bytes,
        *,
        job: str,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        signature: Contract | None,
        requirements: Sequence[str],
        fence: Callable[[], None] = lambda: None,
        above: int = 0,
        files: Mapping[str, bytes] | None = None,
    ) -> int:
        """Log a training run with its model and `files`, and register it; returns the version.

        Idempotent: a retried job finds the version that it published before. `fence` is called
        before each write and raises if this run lost its lease; of two attempts that still register
        the same file, the lower version stays. The new number must be `above` all on record.

        Raises:
            RegistryReplaced: the new number would not be above it; nothing was published.
            ModelRefused: the stored file differs from the one that was sent.
        """
        digest = digest_of(model)
        if published := self._published_by(job, digest):
            return published[0]
        # Only where models are published are MLflow's package and onnx installed.
        from core.adapters.mlflow.training_run import TrainingRun  # noqa: PLC0415

        self.require_ready(above)
        with translated(self.uri):
            fence()
            training = TrainingRun(self.tracking, self.artifacts, self.name)
            with training.logged(
                model, signature, requirements, job=job, tags=tags,
                parameters=parameters, metrics=metrics, files=files or {},
            ) as model_id:  # fmt: skip
                fence()
                self.api.create()
                try:
                    version = self.api.register(model_id, {DIGEST_TAG: digest, JOB_TAG: job})
                finally:  # the version may exist although the answer was lost
                    first = self._keep_first(job, digest)
        version = first or version
        if version <= above:  # the registered model was renamed or deleted since the check
            with translated(self.uri):
                self.api.delete_version(version)
            raise replaced(self.name, version, above)
        self.fetch(version)
        return version

    def log_metrics(self, version: int, metrics: Mapping[str, float]) -> None:
        """Add metrics to a version's run; raises `Missing` if there is none."""
        with translated(self.uri):
            run, now = self.api.version(version).run_id, round(1000 * time.time())
            self.tracking.log(run, [Metric(name, value, now, 0) for name, value in metrics.items()])

    def training_run(self, version: int) -> TrackedRun | None:
        """The run that a version was published from; None if it names none.

        Raises:
            Missing: there is no such version, or its run was deleted for good.
        """
        with translated(self.uri):
            run = self.api.version(version).run_id
            return self.tracking.run(run) if run else None

    def require_ready(self, above: int) -> None:
        """Check that a model can be published with a number above the highest on record.

        Raises:
            RegistryUnavailable: the experiment was deleted.
            RegistryReplaced: the number would not be above it.
        """
        with translated(self.uri):
            require_experiment(self.tracking, self.name)
            require_numbers(self.api, self.tracking, self.name, above)

    def require_experiment(self) -> None:
        """Raise `RegistryUnavailable` if this model's experiment was deleted."""
        with translated(self.uri):
            require_experiment(self.tracking, self.name)

    def counted(self) -> int | None:
        """The highest version number that MLflow has assigned; None without a registered model."""
        with translated(self.uri):
            return counted(self.api)

    def continue_numbers(self, above: int) -> int:
        """Advance MLflow's version counter to `above`; returns how many numbers it skipped."""
        with translated(self.uri):
            return use_up(self.api, self.tracking, self.name, above)

    def _keep_first(self, job: str, digest: str) -> int | None:
        """Delete all versions of this job and file except the lowest, which is returned."""
        published = self._published_by(job, digest)
        with translated(self.uri):
            for version in published[1:]:
                self.api.delete_version(version)
        return next(iter(published), None)

    def _published_by(self, job: str, digest: str) -> list[int]:
        """The versions that this job registered with this file, the lowest first."""
        return sorted(
            version.version
            for version in self.every_version()
            if version.tags.get(JOB_TAG) == job and version.tags.get(DIGEST_TAG) == digest
        )

    def every_version(self) -> list[ModelVersion]:
        """Every version, as MLflow has it."""
        with translated(self.uri):
            return every_version(self.api)

    def versions(self) -> list[RegisteredVersion]:
        """Every version, newest first."""
        champion = self.champion()
        versions = (
            RegisteredVersion(
                v.version, v.stage, v.run_id, v.tags.get(DIGEST_TAG, ""), v.version == champion
            )
            for v in self.every_version()
        )
        return sorted(versions, key=lambda v: v.version, reverse=True)

    def champion(self) -> int | None:
        """The version that the alias names, or None."""
        try:
            with translated(self.uri):
                return self.api.model().aliases.get(CHAMPION)
        except Missing:
            return None

    def set_champion(self, version: int | None) -> None:
        """Move the alias to this version, or delete it, and mirror that in the stages.

        Raises:
            Missing: there is no such version.
        """
        with translated(self.uri):
            if version is None:
                self.api.delete_alias(CHAMPION)
            else:
                if trace := tracing.here():
                    self.api.tag_version(version, TRACE_TAG, trace)
                self.api.set_alias(CHAMPION, version)
        self._mirror(version)

    def _mirror(self, champion: int | None) -> None:
        """Let the stage Production name the champion alone."""
        with translated(self.uri):
            for version in every_version(self.api):
                is_champion = version.version == champion
                if is_champion != (version.stage == "Production"):
                    stage = "Production" if is_champion else "Archived"
                    self.api.move(version.version, stage, alone=is_champion)

    def try_artifacts(self) -> None:
        """Store a small file in the artifact store and delete it again; raises if that fails."""
        with translated(self.uri):
            self.artifacts.probe()

    def fetch(self, version: int) -> bytes:
        """The model file of a version, verified against its registered digest.

        Raises:
            Missing: there is no such version.
            FileMissing: the version exists, but its model file is missing in the artifact store.
            ModelRefused: the file's digest differs from the registered one.
        """
        with translated(self.uri):
            registered = self.api.version(version)
        try:
            with translated(self.uri):
                model = self.artifacts.read(self.api.files(version), MODEL_FILE)
        except (Missing, RegistryUnavailable) as error:
            if not self.has_file(version):
                raise file_missing(self.name, version) from error
            raise
        if digest_of(model) != registered.tags.get(DIGEST_TAG):
            raise ModelRefused(
                f"The file of version {version} is not the one that was registered; it was changed."
            )
        return model

    def has_file(self, version: int) -> bool:
        """Whether the artifact store has a version's model file."""
        return MODEL_FILE in self.files(version)

    def files(self, version: int) -> list[str]:
        """The top-level names of a version's artifacts; empty if they are gone."""
        try:
            with translated(self.uri):
                return self.artifacts.names(self.api.files(version))
        except Missing:  # its logged model was deleted, including the files
            return []
