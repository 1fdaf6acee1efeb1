"""The team's own code: its import, and its errors, told with the line they come from."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from core.domain.errors import RecipeFailed
from core.domain.safe_text import printable

_LONGEST = 300

log = structlog.get_logger()


def imported(name: str, kind: str = "recipe") -> Any:
    """The function that `name`, a `package.module:function`, names.

    Raises:
        RecipeFailed: it cannot be imported; the message calls it a `kind`.
    """
    module, _, function = name.partition(":")
    with reported(name, "import", kind):
        return getattr(importlib.import_module(module), function)


@contextmanager
def reported(name: str, step: str, kind: str = "recipe") -> Iterator[None]:
    """Turn whatever the code of `name`, a `package.module:function`, raises into one error.

    Raises:
        RecipeFailed: it raised something; the traceback is in the log.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        log.exception("own code failed", kind=kind, name=name, step=step)
        where = _last_line(error, name.partition(":")[0])
        says = printable(f"{type(error).__name__}: {error}")[:_LONGEST]
        raise RecipeFailed(f"The {kind} {name} failed in its step {step}{where}: {says}") from error


def _last_line(error: BaseException, module: str) -> str:
    """Where in the module it happened, as text; empty if not there."""
    file = f"/{module.replace('.', '/')}.py"
    for entry in reversed(traceback.extract_tb(error.__traceback__)):
        if entry.filename.replace("\\", "/").endswith(file):
            return f" (line {entry.lineno} of {module})"
    return ""
