"""The registered model's name: MODEL_NAME is for one dataset."""

from __future__ import annotations

import pytest

from core.domain.dataset import Dataset
from core.domain.errors import SettingsError
from core.platform.settings import Settings, model_name_of


def test_model_name_is_for_one_dataset(dataset: Dataset) -> None:
    plain = Settings(_env_file=None, model_name="")
    named = Settings(_env_file=None, model_name="prices")
    assert model_name_of(plain, dataset, several=False) == dataset.name
    assert model_name_of(plain, dataset, several=True) == dataset.name
    assert model_name_of(named, dataset, several=False) == "prices"
    with pytest.raises(SettingsError, match=r"MODEL_NAME.*DATASETS"):
        model_name_of(named, dataset, several=True)
