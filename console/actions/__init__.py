"""The actions of an operator; a module is imported when it is first used (PEP 562).

The command line starts at once because it imports only the module of the command that is run.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.actions import (  # noqa: F401 - for type checkers
        alerts,
        api_keys,
        batch_holds,
        batches,
        dataset_files,
        datasets,
        decisions,
        file_checks,
        limits,
        notifications,
        pipeline,
        predictions,
        retention,
        schedules,
        uploads,
    )  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    if name.startswith("_"):
        raise AttributeError(name)
    return import_module(f"{__name__}.{name}")
