"""Secrets that are no secrets: what examples hold, and what everybody tries first."""

from __future__ import annotations

import re

_COMMON = frozenset({
    "admin", "api", "changeit", "default", "demo", "driftdesk", "dummy", "example", "guest", "key",
    "letmein", "mlflow", "my", "mysql", "none", "password", "passwd", "qwerty", "redis", "root",
    "sample", "secret", "test", "todo", "token", "user", "welcome",
})  # fmt: skip
"""Words that stand for a password in the documentation of the programs around us."""

_ASKING = frozenset({
    "change", "changeme", "changethis", "fill", "insert", "placeholder", "replace", "replaceme",
    "your", "yours",
})  # fmt: skip
"""Words that ask the reader for something better; whole words, as random letters may hold them."""

_FORM = re.compile(r"x+|<.*>|\.+|…|\$?\{.*\}")


def is_placeholder(secret: str) -> bool:
    """Whether a secret that was set is one that an example could hold.

    Letters' case, digits at the end and what joins words do not matter: `Password123`,
    `change-me` and `<your key>` are placeholders. An empty one is none: nothing was set.
    """
    said = secret.strip().lower()
    if not said:
        return False
    if _FORM.fullmatch(said):
        return True
    bare = re.sub(r"[^a-z]", "", said)
    words = {word for word in re.split(r"[^a-z]+", said) if word}
    if said.isdigit():
        return len(said) < 16  # noqa: PLR2004 - 123456 and its like
    return bare in _COMMON or bool(words & _ASKING) or (bool(words) and words <= _COMMON)
