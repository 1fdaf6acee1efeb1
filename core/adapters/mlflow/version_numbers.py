"""MLflow's version counter of a registered model.

MLflow assigns each number once, even if its version is deleted. A registered model that was renamed
or recreated starts at 1 again and would give numbers on record to other models. MLflow does not
expose its next number; where the existing versions do not show it, a placeholder version is created
to read its number, and deleted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.exceptions import RestException

from core.domain.errors import RegistryReplaced
from core.domain.registry_names import NOT_FOUND

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

PROBE_TAG = "driftdesk.probe"
"""Marks a placeholder version."""

_COUNTED_TAG = "driftdesk.counted"
"""A tag of the registered model: the highest number known from placeholders."""

_PAGE = 500


def every_version(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Every version, page by page, without placeholders."""
    return [v for v in _all(client, name) if PROBE_TAG not in v.tags]


def counted(client: MlflowClient, name: str) -> int | None:
    """The highest number known to be assigned; None without a registered model."""
    try:
        model = client.get_registered_model(name)
    except RestException as error:
        if error.error_code != NOT_FOUND:
            raise
        return None
    existing = [int(v.version) for v in every_version(client, name)]
    return max([int(model.tags.get(_COUNTED_TAG, 0)), *existing])


def require_numbers(client: MlflowClient, name: str, above: int) -> None:
    """Check that the next version's number will be above the highest on record.

    Raises:
        RegistryReplaced: it would not be.
    """
    if not above:
        return
    highest = counted(client, name)
    if highest is None:
        raise replaced(name, 1, above)
    if highest >= above:
        return
    number = _probe(client, name)
    if number <= above:
        raise replaced(name, number, above)
    client.set_registered_model_tag(name, _COUNTED_TAG, str(number))


def use_up(client: MlflowClient, name: str, upto: int) -> int:
    """Advance the counter to `upto` with placeholders; returns how many numbers that took."""
    highest = counted(client, name)
    if (highest or 0) >= upto:
        return 0
    if highest is None:
        client.create_registered_model(name)
    used = 1
    while (number := _probe(client, name)) < upto:
        used += 1
    client.set_registered_model_tag(name, _COUNTED_TAG, str(number))
    return used


def replaced(name: str, number: int, above: int) -> RegistryReplaced:
    """The error for a number that is on record already."""
    return RegistryReplaced(
        f"MLflow counts the versions of {name} from {number}, but this desk has versions up to "
        f"{above} on record: the registered model was renamed, deleted or replaced. Give it its "
        "old name back, or restore MLflow's database. If its versions are lost for good, "
        f"`driftdesk continue-numbers --reason …` lets MLflow go on at {above + 1}."
    )


def _probe(client: MlflowClient, name: str) -> int:
    """Create a placeholder version, read its number, and delete it and those of killed probes.

    Its source is a logged model without files, since MLflow requires a source.
    """
    experiment = client.get_experiment_by_name(name)
    where = experiment.experiment_id if experiment else client.create_experiment(name)
    empty = client.create_logged_model(str(where), name="probe", tags={PROBE_TAG: "1"})
    placeholder = client.create_model_version(
        name,
        source=f"models:/{empty.model_id}",
        model_id=empty.model_id,
        tags={PROBE_TAG: "1"},
    )
    for version in _all(client, name):
        if PROBE_TAG in version.tags:
            client.delete_model_version(name, version.version)
    client.delete_logged_model(empty.model_id)
    return int(placeholder.version)


def _all(client: MlflowClient, name: str) -> list[ModelVersion]:
    versions: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", max_results=_PAGE, page_token=token)
        versions += page
        token = page.token
        if not token:
            return versions
