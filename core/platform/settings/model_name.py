"""The registered model's name in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.errors import SettingsError

if TYPE_CHECKING:
    from core.domain.dataset import Dataset
    from core.platform.settings import Settings


def model_name_of(settings: Settings, dataset: Dataset, several: bool) -> str:  # noqa: FBT001 - the seam
    """MODEL_NAME, else the dataset's name; with several datasets each has its own name.

    Raises:
        SettingsError: there are several, and MODEL_NAME would be the name of all.
    """
    if several and settings.model_name:
        raise SettingsError(
            "MODEL_NAME names one registered model, but DATASETS has several datasets, and each "
            "has a model of its own, named like the dataset. Unset MODEL_NAME."
        )
    return settings.model_name or dataset.name
