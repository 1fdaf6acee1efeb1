"""The questions that pages and commands ask; a module is imported when it is first used (PEP 562).

See `console.actions`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.queries import (  # noqa: F401 - for type checkers
        comparison,
        dataset_files,
        doctor,
        doctor_fleet,
        drift,
        fleet,
        health,
        lineage,
        live_traffic,
        local_logs,
        overview,
        prediction_log,
        promotion,
        quarantine,
        rows_export,
        served_model,
        source,
        stalled_jobs,
        status,
        version_pairs,
    )  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    if name.startswith("_"):
        raise AttributeError(name)
    return import_module(f"{__name__}.{name}")
