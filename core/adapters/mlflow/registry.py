"""The model registry in MLflow.

The alias `champion` names the live version: an alias always names one version, and moving it is
one statement. The stage Production mirrors it for people who look at MLflow only.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

# MLflow reads these at import; without them a call to a server that is down blocks for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # `core.platform.log` does that
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ALLOW_HTTP_REDIRECTS", "false")

from mlflow.tracking import MlflowClient

from core.adapters.mlflow import artifacts
from core.adapters.mlflow.auth import log_in
from core.adapters.mlflow.client_errors import file_missing, require_experiment, translated
from core.adapters.mlflow.version_numbers import (
    counted,
    every_version,
    replaced,
    require_numbers,
    use_up,
)
from core.domain.basic_auth import Login
from core.domain.errors import Missing, ModelRefused, RegistryUnavailable
from core.domain.registry_names import CHAMPION, DIGEST_TAG, JOB_TAG, MODEL_FILE, TRACE_TAG
from core.platform import tracing

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

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
        self.uri = uri
        self.name = name
        log_in(uri, login)
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """As `client_errors.translated`, for blocks that use the deprecated stages."""
        with warnings.catch_warnings(), translated(self.uri):
            warnings.simplefilter("ignore", FutureWarning)
            yield

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
        import mlflow.onnx  # noqa: PLC0415 - only where models are published is onnx installed
        import onnx  # noqa: PLC0415

        from core.adapters.mlflow.signature import mlflow_signature  # noqa: PLC0415

        self.require_ready(above)
        with self.asking():
            mlflow.set_tracking_uri(self.uri)
            mlflow.set_registry_uri(self.uri)
            fence()
            mlflow.set_experiment(self.name)
            with mlflow.start_run(run_name=job, tags=dict(tags) | {JOB_TAG: job}):
                mlflow.log_params(dict(parameters))
                mlflow.log_metrics(dict(metrics))
                artifacts.log_files(files or {})
                logged = mlflow.onnx.log_model(
                    onnx.load_from_string(model),
                    name="model",
                    signature=mlflow_signature(signature) if signature else None,
                    pip_requirements=list(requirements),
                    save_as_external_data=False,
                )
                fence()
                try:
                    registered = mlflow.register_model(
                        logged.model_uri, self.name, tags={DIGEST_TAG: digest, JOB_TAG: job}
                    )
                finally:  # the version may exist although the answer was lost
                    first = self._keep_first(job, digest)
        version = first or int(registered.version)
        if version <= above:  # the registered model was renamed or deleted since the check
            with translated(self.uri):
                self.client.delete_model_version(self.name, str(version))
            raise replaced(self.name, version, above)
        self.fetch(version)
        return version

    def log_metrics(self, version: int, metrics: Mapping[str, float]) -> None:
        """Add metrics to a version's run; raises `Missing` if there is none."""
        with translated(self.uri):
            run = str(self.client.get_model_version(self.name, str(version)).run_id)
            for name, value in metrics.items():
                self.client.log_metric(run, name, value)

    def require_ready(self, above: int) -> None:
        """Check that a model can be published with a number above the highest on record.

        Raises:
            RegistryUnavailable: the experiment was deleted.
            RegistryReplaced: the number would not be above it.
        """
        with translated(self.uri):
            require_experiment(self.client, self.name)
            require_numbers(self.client, self.name, above)

    def require_experiment(self) -> None:
        """Raise `RegistryUnavailable` if this model's experiment was deleted."""
        with translated(self.uri):
            require_experiment(self.client, self.name)

    def counted(self) -> int | None:
        """The highest version number that MLflow has assigned; None without a registered model."""
        with translated(self.uri):
            return counted(self.client, self.name)

    def continue_numbers(self, above: int) -> int:
        """Advance MLflow's version counter to `above`; returns how many numbers it skipped."""
        with translated(self.uri):
            return use_up(self.client, self.name, above)

    def _keep_first(self, job: str, digest: str) -> int | None:
        """Delete all versions of this job and file except the lowest, which is returned."""
        published = self._published_by(job, digest)
        with translated(self.uri):
            for version in published[1:]:
                self.client.delete_model_version(self.name, str(version))
        return next(iter(published), None)

    def _published_by(self, job: str, digest: str) -> list[int]:
        """The versions that this job registered with this file, the lowest first."""
        return sorted(
            int(version.version)
            for version in self.every_version()
            if version.tags.get(JOB_TAG) == job and version.tags.get(DIGEST_TAG) == digest
        )

    def every_version(self) -> list[ModelVersion]:
        """Every version, as MLflow's entities."""
        with translated(self.uri):
            return every_version(self.client, self.name)

    def versions(self) -> list[RegisteredVersion]:
        """Every version, newest first."""
        champion = self.champion()
        with self.asking():
            versions = [
                RegisteredVersion(
                    int(v.version),
                    str(v.current_stage),
                    str(v.run_id),
                    str(v.tags.get(DIGEST_TAG, "")),
                    int(v.version) == champion,
                )
                for v in self.every_version()
            ]
        return sorted(versions, key=lambda v: v.version, reverse=True)

    def champion(self) -> int | None:
        """The version that the alias names, or None."""
        try:
            with translated(self.uri):
                model = self.client.get_registered_model(self.name)
                if model.name != self.name:  # JSON of a server that is not MLflow
                    raise ValueError(f"requested {self.name}, got {model.name!r}")
                return int(model.aliases[CHAMPION]) if CHAMPION in model.aliases else None
        except Missing:
            return None

    def set_champion(self, version: int | None) -> None:
        """Move the alias to this version, or delete it, and mirror that in the stages.

        Raises:
            Missing: there is no such version.
        """
        with translated(self.uri):
            if version is None:
                self.client.delete_registered_model_alias(self.name, CHAMPION)
            else:
                if trace := tracing.here():
                    self.client.set_model_version_tag(self.name, str(version), TRACE_TAG, trace)
                self.client.set_registered_model_alias(self.name, CHAMPION, str(version))
        self._mirror(version)

    def _mirror(self, champion: int | None) -> None:
        """Let the stage Production name the champion alone."""
        with self.asking():
            for version in self.every_version():
                is_champion = int(version.version) == champion
                if is_champion != (version.current_stage == "Production"):
                    self.client.transition_model_version_stage(
                        self.name,
                        version.version,
                        "Production" if is_champion else "Archived",
                        archive_existing_versions=is_champion,
                    )

    def try_artifacts(self) -> None:
        """Store a small file in the artifact store and delete it again; raises if that fails."""
        with translated(self.uri):
            artifacts.try_store(self.uri)

    def fetch(self, version: int) -> bytes:
        """The model file of a version, verified against its registered digest.

        Raises:
            Missing: there is no such version.
            FileMissing: the version exists, but its model file is missing in the artifact store.
            ModelRefused: the file's digest differs from the registered one.
        """
        with translated(self.uri):
            registered = self.client.get_model_version(self.name, str(version))
        try:
            with translated(self.uri):
                uri = self.client.get_model_version_download_uri(self.name, str(version))
                model = artifacts.read(f"{uri}/{MODEL_FILE}", self.uri)
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
                uri = self.client.get_model_version_download_uri(self.name, str(version))
                return artifacts.names(uri, self.uri)
        except Missing:  # its logged model was deleted, including the files
            return []
