"""Request bodies as JSON, with an error that names each value that JSON cannot represent."""

from __future__ import annotations

import json
import math
from typing import Any

from core.domain.errors import BadRow


def as_json(body: Any) -> bytes:
    """A body as JSON.

    Raises:
        BadRow: JSON cannot represent a value in it; each such field is named.
    """
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        raise BadRow(_not_json(body) or {"request": "JSON cannot represent it"}) from None


def _not_json(body: Any) -> dict[str, str]:
    """The fields of a row, or of `{"rows": […]}`, that JSON cannot represent, with the reason."""
    if not isinstance(body, dict):
        return {}
    if isinstance(body.get("rows"), list):
        rows = enumerate(map(_not_json, body["rows"]))
        return {f"rows[{n}].{name}": why for n, row in rows for name, why in row.items()}
    values = {str(name): why for name, value in body.items() if (why := _why_not(value))}
    not_text = (str(name) for name in body if not isinstance(name, str))
    return values | dict.fromkeys(not_text, "a field's name must be text")


def _why_not(value: Any) -> str:
    """Why JSON cannot represent a value; empty if it can."""
    if isinstance(value, float) and not math.isfinite(value):
        return "must be finite; send None where there is no value"
    try:
        json.dumps(value, allow_nan=False)
    except TypeError:
        return f"must be a number, text, true, false or None, not {type(value).__name__}"
    except (ValueError, RecursionError):
        return "is too long or too deep; send a number, text, true, false or None"
    return ""
