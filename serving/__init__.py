"""Serving: predictions of the approved models, over HTTP."""

from core.platform.hidden_imports import hidden

# structlog imports Rich for coloured tracebacks, which are not used here: 5 MB less.
with hidden("rich"):
    import structlog  # noqa: F401
