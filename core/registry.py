"""The model registry: MLflow behind a few verbs.

What is live is the alias `champion`: an alias always names one version, and moving it is
one statement. The stage Production is kept as a mirror for those who look at MLflow alone.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

# MLflow reads these once, at import: without them a server that is down holds a call for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # `core.log` does that
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ALLOW_HTTP_REDIRECTS", "false")

import requests
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from core import trace
from core.errors import Missing, ModelRefused, RegistryUnavailable
from core.login import Login
from core.registry_login import log_in

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
MODEL_FILE = "model.onnx"
DIGEST_TAG = "driftdesk.digest"
JOB_TAG = "driftdesk.job"
TRACE_TAG = "driftdesk.traceparent"
"""What made the version champion, so that serving's swap is a part of the same trace."""

_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
_UNKNOWN_TO_IT = {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}
_HIDDEN_CODE = "PERMISSION_DENIED"
_UNKNOWN_STATUS, _HIDDEN_STATUS = 401, 403


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


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Turn what MLflow says into our words."""
    try:
        yield
    except RestException as error:
        if error.error_code in _UNKNOWN_TO_IT:
            raise _login_refused(uri) from error
        if error.error_code == _HIDDEN_CODE:
            raise _hidden(uri) from error
        if error.error_code in _ABSENT:
            raise Missing(f"The registry has no such thing: {error.message}.") from error
        raise RegistryUnavailable(f"MLflow at {uri} refused: {error.message}") from error
    except (MlflowException, requests.RequestException, OSError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        code = getattr(error, "error_code", "")
        if status == _UNKNOWN_STATUS or code in _UNKNOWN_TO_IT:
            raise _login_refused(uri) from error
        if status == _HIDDEN_STATUS or code == _HIDDEN_CODE:
            raise _hidden(uri) from error
        raise RegistryUnavailable(
            f"MLflow at {uri} did not answer. Check MLFLOW_TRACKING_URI and the server."
        ) from error


def _login_refused(uri: str) -> RegistryUnavailable:
    return RegistryUnavailable(
        f"MLflow at {uri} does not take our name and password. Check MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD."
    )


def _hidden(uri: str) -> Missing:
    """Who may not make a model is told of one that is not there as of one that is hidden."""
    return Missing(
        f"MLflow at {uri} shows us nothing of that name: it is not there, or the user of "
        "MLFLOW_TRACKING_USERNAME may not see or change it."
    )


class Registry:
    """One registered model in one MLflow, under a login where it asks for one.

    Every verb raises `RegistryUnavailable` when MLflow is away or refuses the login.
    """

    def __init__(self, uri: str, name: str, login: Login | None = None) -> None:
        self.uri = uri
        self.name = name
        log_in(uri, login)
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)

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
    ) -> int:
        """Log a training run with its model and register the model; returns the version.

        A job that is run again finds the version that it published before. The stored file is
        read back and compared, so a version that exists is a version that can be served.

        Raises:
            ModelRefused: what the registry stored is not what was sent.
        """
        digest = digest_of(model)
        before = self._published_by(job, digest)
        if before is not None:
            return before
        import mlflow.onnx  # noqa: PLC0415 - only where models are published is onnx installed
        import onnx  # noqa: PLC0415

        with translated(self.uri):
            mlflow.set_tracking_uri(self.uri)
            mlflow.set_registry_uri(self.uri)
            mlflow.set_experiment(self.name)
            with mlflow.start_run(run_name=job, tags=dict(tags) | {JOB_TAG: job}):
                mlflow.log_params(dict(parameters))
                mlflow.log_metrics(dict(metrics))
                logged = mlflow.onnx.log_model(
                    onnx.load_from_string(model),
                    name="model",
                    signature=signature,
                    pip_requirements=list(requirements),
                    save_as_external_data=False,
                )
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", FutureWarning)
                    registered = mlflow.register_model(
                        logged.model_uri, self.name, tags={DIGEST_TAG: digest, JOB_TAG: job}
                    )
        version = int(registered.version)
        self.fetch(version)
        return version

    def _published_by(self, job: str, digest: str) -> int | None:
        for version in self._search():
            if version.tags.get(JOB_TAG) == job and version.tags.get(DIGEST_TAG) == digest:
                return int(version.version)
        return None

    def _search(self) -> list[ModelVersion]:
        with translated(self.uri):
            return list(
                self._client.search_model_versions(f"name = '{self.name}'", max_results=500)
            )

    def versions(self) -> list[RegisteredVersion]:
        """Every version, newest first."""
        champion = self.champion()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            found = [
                RegisteredVersion(
                    int(v.version),
                    str(v.current_stage),
                    str(v.run_id),
                    str(v.tags.get(DIGEST_TAG, "")),
                    int(v.version) == champion,
                )
                for v in self._search()
            ]
        return sorted(found, key=lambda v: v.version, reverse=True)

    def champion(self) -> int | None:
        """The version that the alias names, if it names one."""
        try:
            with translated(self.uri):
                return int(self._client.get_model_version_by_alias(self.name, CHAMPION).version)
        except Missing:
            return None

    def set_champion(self, version: int | None) -> None:
        """Let the alias name this version, or none, and mirror that in the stages.

        Raises:
            Missing: there is no such version.
        """
        with translated(self.uri):
            if version is None:
                self._client.delete_registered_model_alias(self.name, CHAMPION)
            else:
                if led := trace.here():
                    self._client.set_model_version_tag(self.name, str(version), TRACE_TAG, led)
                self._client.set_registered_model_alias(self.name, CHAMPION, str(version))
        self._mirror(version)

    def _mirror(self, champion: int | None) -> None:
        with warnings.catch_warnings(), translated(self.uri):
            warnings.simplefilter("ignore", FutureWarning)
            for version in self._client.search_model_versions(f"name = '{self.name}'"):
                is_champion = int(version.version) == champion
                if not is_champion and version.current_stage == "Production":
                    self._client.transition_model_version_stage(
                        self.name, version.version, "Archived"
                    )
                if is_champion and version.current_stage != "Production":
                    self._client.transition_model_version_stage(
                        self.name, version.version, "Production", archive_existing_versions=True
                    )

    def try_artifacts(self) -> None:
        """Store a tiny file where models go, and take it away again.

        Raises:
            RegistryUnavailable: it cannot be stored, or not be taken away.
        """
        with translated(self.uri), tempfile.TemporaryDirectory() as folder:
            probe = Path(folder) / "probe.txt"
            probe.write_text("driftdesk doctor", encoding="utf-8")
            where = f"mlflow-artifacts:/driftdesk-doctor-{uuid.uuid4().hex[:12]}"
            store: Any = get_artifact_repository(
                where, tracking_uri=self.uri, registry_uri=self.uri
            )
            store.log_artifact(str(probe))
            store.delete_artifacts()

    def fetch(self, version: int) -> bytes:
        """The model file of a version, checked against the digest that it was registered with.

        Raises:
            Missing: there is no such version.
            ModelRefused: the file is not the one that was registered.
        """
        with translated(self.uri), tempfile.TemporaryDirectory() as folder:
            registered = self._client.get_model_version(self.name, str(version))
            uri = self._client.get_model_version_download_uri(self.name, str(version))
            path = download_artifacts(
                artifact_uri=f"{uri}/{MODEL_FILE}", dst_path=folder, tracking_uri=self.uri
            )
            model = Path(path).read_bytes()
        if digest_of(model) != registered.tags.get(DIGEST_TAG):
            raise ModelRefused(
                f"The file of version {version} is not the one that was registered; "
                "somebody or something changed it."
            )
        return model
