"""Settings of the dataset and of the data API that delivers its batches."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from core.platform.settings.checks import valid
from core.rules.access.setting_urls import check_url

SHIPPED_DATASETS = Path(__file__).parents[2] / "datasets"

_DATASET = re.compile(r"[a-z0-9_-]{1,64}")


class SourceSettings(BaseSettings):
    """The dataset and the data API."""

    dataset: str = "real_estate"
    """Name of a file in core/datasets, or a path to a .toml file."""
    datasets: str = ""
    """A folder of dataset files, for a desk with several datasets; empty means the one that
    DATASET names."""
    default_dataset: str = ""
    """The dataset that serving's /predict and the command line mean where several are on the desk
    and none is named; empty means none."""
    data_api_url: Annotated[str, valid(check_url, may_be_empty=False)] = "http://127.0.0.1:8010"
    """The API that serves batches."""
    data_api_group: int = 7
    """The group_number sent to the data API."""
    data_api_day: str = ""
    """The day sent to the data API; empty sends none."""
    data_api_timeout: float = Field(300.0, gt=0)
    """Seconds to wait for the data API's first byte, and between two bytes."""
    data_api_max_seconds: float = Field(1800.0, gt=0)
    """Seconds that an answer of the data API may take in total."""
    data_api_max_mb: int = Field(1024, ge=1)
    """The largest answer of the data API, in megabytes after decoding."""
    data_api_min_rate: float = Field(1.0, ge=0)
    """Kilobytes per second that an answer must reach in each minute; 0 is no limit."""
    file_max_mb: int = Field(16_384, ge=1)
    """The largest file that can be uploaded, in megabytes; also how large a compressed or Parquet
    file may be once decompressed."""
    outbound_proxies: bool = False
    """Reach the data API and the webhook through the proxy that HTTP_PROXY or HTTPS_PROXY names."""
    source_restart: Literal["auto", "manual"] = "auto"
    """When the data ends: restart on the next ingest, or wait for a button."""

    @field_validator("dataset")
    @classmethod
    def _usable_dataset(cls, name: str) -> str:
        if not name.endswith(".toml") and not _DATASET.fullmatch(name):
            raise ValueError("must be a name in core/datasets, or a path that ends in .toml")
        return name

    @field_validator("default_dataset")
    @classmethod
    def _usable_default(cls, name: str) -> str:
        if name and not _DATASET.fullmatch(name):
            raise ValueError("must be the name of a dataset, as its file has it")
        return name

    @property
    def dataset_path(self) -> Path:
        """The dataset file that DATASET names."""
        named = Path(self.dataset)
        return named if named.suffix == ".toml" else SHIPPED_DATASETS / f"{self.dataset}.toml"
