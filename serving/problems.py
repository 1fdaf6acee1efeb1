"""Error responses: problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

import msgspec

MEDIA_TYPE = "application/problem+json"

MAX_ERRORS = 100
"""Invalid fields that one response names; a batch may have more."""

_HEADERS = {
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: [(b"accept-encoding", b"gzip, identity")],
    HTTPStatus.UNAUTHORIZED: [(b"www-authenticate", b"Bearer")],
}


class Problem(Exception):
    """An error response: its status, a sentence, and each invalid field with its rule.

    `errors` maps the JSON pointer of an invalid field, such as "/bed", to the rule that it broke;
    `retry_after` is in seconds; `allow` is the value of the Allow header.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Mapping[str, str] | None = None,
        *,
        retry_after: int | None = None,
        allow: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = HTTPStatus(status)
        self.detail = detail
        self.errors = errors or {}
        self.headers = list(_HEADERS.get(self.status, ()))
        if retry_after is not None:
            self.headers.append((b"retry-after", str(retry_after).encode()))
        if allow:
            self.headers.append((b"allow", allow.encode()))

    def document(self) -> dict[str, Any]:
        """The JSON object."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = errors_document(dict(islice(self.errors.items(), MAX_ERRORS)))
        return document

    def body(self) -> bytes:
        """The JSON text."""
        return msgspec.json.encode(self.document())


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901) to a field.

    Lone surrogates, which JSON allows and UTF-8 does not, become `?`.
    """
    names = [str(part).encode("utf-8", "replace").decode() for part in parts if part != ""]
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def errors_document(errors: Mapping[str, str]) -> list[dict[str, str]]:
    """Errors by pointer, as the JSON array of a response."""
    return [{"pointer": f"#{at}", "detail": rule} for at, rule in errors.items()]


def row_errors(problems: Mapping[str, str], *prefix: str | int) -> dict[str, str]:
    """The problems of a row by pointer; `prefix` is the path of the row."""
    return {pointer(*prefix, field): rule for field, rule in problems.items()}


def overloaded(work: str) -> Problem:
    """A limit on concurrent work is reached."""
    return Problem(503, f"Too many {work} at once. Try again in a moment.", retry_after=1)


INTERNAL_ERROR = Problem(500, "Internal error; the server log has the details.")
"""An unexpected exception, whose details are only logged."""
