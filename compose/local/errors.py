"""The one error of the local start."""

from __future__ import annotations


class CannotStart(Exception):
    """The start is off; the message is one sentence for the operator, with what to do."""
