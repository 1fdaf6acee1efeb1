"""Records as plain JSON types, for downloads and `--json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

from core.domain.jobs import Job
from core.domain.promotions import Promotion


def _absent(value: Any) -> dict[str, Any]:
    """What programs read for a record that is not there yet: an object without its fields."""
    if isinstance(value, Job) and value.result is None:
        return {"result": {}}
    if isinstance(value, Promotion) and value.dossier is None:
        return {"dossier": {"digest": value.file_digest} if value.file_digest else {}}
    return {}


def jsonable(value: Any) -> Any:
    """Convert records, nested in any way, to dicts, lists, texts and numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        record = {f.name: jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return record | _absent(value)
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return value.value if isinstance(value, Enum) else value
