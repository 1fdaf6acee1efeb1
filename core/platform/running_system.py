"""The record of a system that `make run` started: a file in its data folder, while it runs.

Other processes read from it where that system is, for each setting that nothing else sets. It
holds addresses and names, and no secret.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

_FILE = "running.json"
_VERSION = 1
_SETTINGS = (
    "redis_url", "database_url", "mlflow_tracking_uri", "data_api_url", "serving_url",
    "console_link", "dataset", "datasets", "default_dataset", "model_name",
)  # fmt: skip


def write(data_dir: Path, settings: Mapping[str, str]) -> None:
    """Record this process as the system on a data folder; values with a password are left out."""
    known = {name: settings.get(name.upper(), "") for name in _SETTINGS}
    record = {
        "version": _VERSION,
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "settings": {name: value for name, value in known.items() if value and _is_open(value)},
    }
    fresh = data_dir / f"{_FILE}.new"
    fresh.write_text(json.dumps(record, indent=2) + "\n")
    fresh.replace(data_dir / _FILE)


def remove(data_dir: Path) -> None:
    """Forget the system."""
    (data_dir / _FILE).unlink(missing_ok=True)


def read(data_dir: Path) -> dict[str, str]:
    """The recorded settings by field name; empty if no system runs on this data folder.

    A record of another version, or of a process that is gone, counts as none.
    """
    try:
        record = json.loads((data_dir / _FILE).read_text())
        if record["version"] != _VERSION or not _runs(int(record["pid"]), record["started"]):
            return {}
        known = record["settings"]
        return {name: str(known[name]) for name in _SETTINGS if name in known}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_open(value: str) -> bool:
    with suppress(ValueError):
        return urlsplit(value).password is None
    return False


def _runs(pid: int, started: str) -> bool:
    with suppress(ProcessLookupError):
        with suppress(PermissionError):  # it is another user's
            os.kill(pid, 0)
        return _started(pid) == started
    return False


def _started(pid: int) -> str:
    """When a process started, in the system's own terms; "" where the system does not tell."""
    try:  # proc(5): the name may hold anything, so the fields are counted from its end
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return ""
