"""What a request asks for besides its rows: its query flags, and who sent it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from starlette.types import Scope

from core.domain.safe_text import printable
from core.domain.serving_headers import ACTOR, LONGEST_ACTOR
from core.rules.access.api_keys import Key, caller_words
from serving.problems import Problem

_ACTOR = ACTOR.encode()


class Asked(NamedTuple):
    """Whether contributions and warnings are wanted; `caller` is for the prediction log."""

    caller: str = ""
    explain: bool = False
    warnings: bool = False


def asked_of(scope: Scope, key: Key) -> Asked:
    """What a request with this API key asks for.

    Raises:
        Problem: a flag is neither true nor false.
    """
    caller = key.name
    for name, value in scope["headers"]:
        if name == _ACTOR:
            caller = caller_words(key.name, _stated(value))
    if not scope["query_string"]:
        return Asked(caller)
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return Asked(caller, _flag(query, "explain"), _flag(query, "warnings"))


def _stated(actor: bytes) -> str:
    """Who acts, as the sender states it: nothing but the API key is checked."""
    return printable(unquote(actor.decode("latin-1")))[:LONGEST_ACTOR].strip()


def _flag(query: Mapping[str, Sequence[str]], name: str) -> bool:
    value = query.get(name, ["false"])[-1]
    if value not in ("true", "false"):
        raise Problem(422, f"{name} must be true or false.")
    return value == "true"
