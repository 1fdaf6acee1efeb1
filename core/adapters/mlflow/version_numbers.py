"""MLflow's version counter of a registered model.

MLflow assigns each number once, even if its version is deleted. A registered model that was renamed
or recreated starts at 1 again and would give numbers on record to other models. MLflow does not
expose its next number; where the existing versions do not show it, a placeholder version is created
to read its number, and deleted again.
"""

from __future__ import annotations

from core.adapters.mlflow.api import ModelRegistry, Tracking
from core.adapters.mlflow.records import ModelVersion
from core.adapters.mlflow.rest import Refusal
from core.domain.errors import RegistryReplaced, RegistryUnavailable
from core.domain.registry_names import NOT_FOUND

PROBE_TAG = "driftdesk.probe"
"""Marks a placeholder version."""

_COUNTED_TAG = "driftdesk.counted"
"""A tag of the registered model: the highest number known from placeholders."""


def every_version(api: ModelRegistry) -> list[ModelVersion]:
    """Every version without placeholders."""
    return [v for v in api.versions() if PROBE_TAG not in v.tags]


def counted(api: ModelRegistry) -> int | None:
    """The highest number known to be assigned; None without a registered model."""
    try:
        model = api.model()
    except Refusal as error:
        if error.code != NOT_FOUND:
            raise
        return None
    existing = [v.version for v in every_version(api)]
    return max([int(model.tags.get(_COUNTED_TAG, 0)), *existing])


def require_numbers(api: ModelRegistry, tracking: Tracking, name: str, above: int) -> None:
    """Check that the next version's number will be above the highest on record.

    Raises:
        RegistryReplaced: it would not be.
    """
    if not above:
        return
    highest = counted(api)
    if highest is None:
        raise replaced(name, 1, above)
    if highest >= above:
        return
    number = _probe(api, tracking, name)
    if number <= above:
        raise replaced(name, number, above)
    api.tag(_COUNTED_TAG, str(number))


def use_up(api: ModelRegistry, tracking: Tracking, name: str, upto: int) -> int:
    """Advance the counter to `upto` with placeholders; returns how many numbers that took."""
    highest = counted(api)
    if (highest or 0) >= upto:
        return 0
    if highest is None:
        api.create()
    used = 1
    while (number := _probe(api, tracking, name)) < upto:
        used += 1
    api.tag(_COUNTED_TAG, str(number))
    return used


def require_experiment(tracking: Tracking, name: str) -> None:
    """Check that an experiment exists or can be created, which a deleted one prevents.

    Raises:
        RegistryUnavailable: it was deleted.
    """
    experiment = tracking.experiment(name)
    if experiment is not None and experiment.is_deleted:
        raise RegistryUnavailable(
            f"The experiment {name} is deleted in MLflow, so nothing can be published. Restore "
            f"it: mlflow experiments restore --experiment-id {experiment.id}"
        )


def experiment_id(tracking: Tracking, name: str) -> str:
    """The id of an experiment, which is created if there is none.

    Raises:
        RegistryUnavailable: it was deleted.
    """
    require_experiment(tracking, name)
    experiment = tracking.experiment(name)
    return experiment.id if experiment else tracking.create_experiment(name)


def replaced(name: str, number: int, above: int) -> RegistryReplaced:
    """The error for a number that is on record already."""
    return RegistryReplaced(
        f"MLflow counts the versions of {name} from {number}, but this desk has versions up to "
        f"{above} on record: the registered model was renamed, deleted or replaced. Give it its "
        "old name back, or restore MLflow's database. If its versions are lost for good, "
        f"`driftdesk continue-numbers --reason …` lets MLflow go on at {above + 1}."
    )


def _probe(api: ModelRegistry, tracking: Tracking, name: str) -> int:
    """Create a placeholder version, read its number, and delete it and those of killed probes.

    Its source is a logged model without files, since MLflow requires a source.
    """
    empty = tracking.create_model(experiment_id(tracking, name), "probe", tags={PROBE_TAG: "1"})
    number = api.register(empty.id, {PROBE_TAG: "1"})
    for version in list(api.versions()):
        if PROBE_TAG in version.tags:
            api.delete_version(version.version)
    tracking.delete_model(empty.id)
    return number
