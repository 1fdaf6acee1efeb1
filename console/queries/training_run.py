"""How a version was trained: its run in MLflow, its parameters, and the job that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from console.desk import Desk
from core.domain.errors import Missing
from core.domain.jobs import Job
from core.domain.registry_names import JOB_TAG


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A version's training.

    `run_link` and `version_link` are pages of MLflow; `run_link` is empty if the version names no
    run. `parameters` are those that the run was logged with, the recipe among them. `job` is None
    if its record is no longer kept, or if somebody else registered the version.
    """

    version_link: str
    run_link: str
    parameters: Mapping[str, str]
    job: Job | None

    @property
    def recipe(self) -> str:
        """The recipe; empty if the run does not name it."""
        return self.parameters.get("recipe", "")


def training_run(desk: Desk, version: int) -> TrainingRun:
    """How a version was trained.

    Raises:
        Missing: MLflow has no such version, or its run was deleted.
        RegistryUnavailable: MLflow does not answer.
    """
    run = desk.registry.training_run(version)
    settings = desk.settings
    base = (settings.mlflow_link or settings.mlflow_tracking_uri).rstrip("/")
    version_link = f"{base}/#/models/{quote(desk.registry.name, safe='')}/versions/{version}"
    if run is None:
        return TrainingRun(version_link, "", {}, None)
    run_link = f"{base}/#/experiments/{quote(run.experiment)}/runs/{quote(run.id)}"
    return TrainingRun(version_link, run_link, run.params, _job(desk, run.tags.get(JOB_TAG, "")))


def _job(desk: Desk, tag: str) -> Job | None:
    if not (tag.isascii() and tag.isdecimal() and len(tag) < 19):  # noqa: PLR2004 - MLflow's tags are open to edits
        return None
    try:
        with desk.store.read() as work:
            return work.jobs.get(int(tag))
    except Missing:
        return None
