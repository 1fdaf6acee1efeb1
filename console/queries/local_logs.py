"""The logs of the processes that `make run` started, from its data folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from console.desk import Desk
from core.domain.errors import (
    DriftdeskError,
    Missing,
    QueueUnavailable,
    RegistryUnavailable,
    ServingUnavailable,
)
from core.domain.safe_text import printable_lines
from core.platform import running_system

PROCESSES = {
    "MLflow": "mlflow", "Serving": "serving", "Serving replicas": "serving", "Data API": "data-api",
    "Queue (Redis)": "queue", "Workers": "work", "Reconciler": "reconcile",
}  # fmt: skip
"""The process of `make run` behind each service, by the service's name."""

_MOST = 64 * 1024
"""Bytes that are read from the end of a log."""


def names(desk: Desk) -> list[str]:
    """The processes that have a log; none unless `make run` runs on this data folder."""
    if not running_system.read(desk.settings.data_dir):
        return []
    return sorted(path.stem for path in _folder(desk).glob("*.log"))


_SERVICES = {
    RegistryUnavailable: "MLflow", ServingUnavailable: "Serving", QueueUnavailable: "Queue (Redis)",
}  # fmt: skip


def with_remedy(desk: Callable[[], Desk], error: DriftdeskError) -> str:
    """An error as a sentence; one of a service that `make run` runs says that it is restarted."""
    service = next((name for kind, name in _SERVICES.items() if isinstance(error, kind)), "")
    if not service or PROCESSES[service] not in names(desk()):
        return str(error)
    return f"{error} `make run` restarts it by itself; its log is on the Services page."


def remedy(desk: Desk, service: str) -> str:
    """What to do while a service is down that `make run` runs; empty for any other."""
    process = PROCESSES.get(service, "")
    if process not in names(desk):
        return ""
    return (
        "`make run` restarts it by itself. If it stays down, its log says why: below the services "
        f"on the Services page, and in `{_folder(desk) / process}.log`."
    )


def tail(desk: Desk, name: str, lines: int = 200) -> str:
    """The last lines of a process's log; control characters are escaped.

    Raises:
        Missing: there is no such log.
    """
    if name not in names(desk):
        raise Missing(f"There is no log of {name[:60]!r}.")
    with (_folder(desk) / f"{name}.log").open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _MOST, 0))
        text = file.read().decode("utf-8", errors="replace")
    return printable_lines("\n".join(text.splitlines()[-lines:]))


def _folder(desk: Desk) -> Path:
    return desk.settings.data_dir / "logs"
