"""What a caller is told when there is no answer: problem details, as RFC 9457 has them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

MEDIA_TYPE = "application/problem+json"

MOST_ERRORS = 100
"""How many wrong fields one answer names; a batch may have more."""


class Problem(Exception):
    """A request that gets no answer: the status, the sentence, and each wrong field with its rule.

    `errors` maps the JSON pointer of what is wrong, such as "/bed", to the rule that it broke.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Mapping[str, str] | None = None,
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = dict(errors or {})
        self.retry_after = retry_after

    def document(self) -> dict[str, Any]:
        """The problem as an object."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            named = list(self.errors.items())[:MOST_ERRORS]
            document["errors"] = [{"pointer": f"#{at}", "detail": why} for at, why in named]
        return document

    def body(self) -> bytes:
        """The problem as JSON."""
        return msgspec.json.encode(self.document())

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer's head says beside its type."""
        headers = []
        if self.retry_after is not None:
            headers.append((b"retry-after", str(self.retry_after).encode()))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Bearer"))
        return headers


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901) to a field."""
    return "".join(
        "/" + _printable(str(part)).replace("~", "~0").replace("/", "~1")
        for part in parts
        if part != ""
    )


def _printable(text: str) -> str:
    """The text, with half a character, which JSON can name and UTF-8 cannot, as a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def row_errors(problems: Mapping[str, str], *before: str | int) -> dict[str, str]:
    """The problems of a row by pointer; `before` leads to the row."""
    return {pointer(*before, field): rule for field, rule in problems.items()}


def no_model() -> Problem:
    """Nothing is live, so nothing can be answered."""
    return Problem(
        503, "No model is live yet. Train one and approve it, then ask again.", retry_after=5
    )


def busy(what: str) -> Problem:
    """More work at once than is taken."""
    return Problem(503, f"Too {what} at once. Ask again in a moment.", retry_after=1)


UNFORESEEN = Problem(500, "Something went wrong here; it is in the log.")
"""A fault of ours. What it was is nobody's business but the log's."""
