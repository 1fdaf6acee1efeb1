"""A version as the registry has it, or why it has none and what to do."""

from __future__ import annotations

from core.adapters.mlflow.registry import RegisteredVersion, Registry
from core.adapters.store import Store
from core.domain.errors import Missing


def require_registered(registry: Registry, store: Store, version: int) -> RegisteredVersion:
    """The version in the registry.

    Raises:
        Missing: the registry has lost it, or never had it.
    """
    for registered in registry.versions():
        if registered.version == version:
            return registered
    with store.read() as work:
        on_record = version in work.promotions.known([version])
    if not on_record:
        raise Missing(
            f"MLflow has no version {version} of {registry.name}. `driftdesk candidates` and the "
            "page Promotion list those that there are."
        )
    raise Missing(
        f"Version {version} is on record, but MLflow has no version {version} of {registry.name}: "
        "it was deleted there, or the registered model was renamed, deleted or replaced. Give the "
        "model its old name back, or restore MLflow's database. If the version is lost for good, "
        "train a new one."
    )
