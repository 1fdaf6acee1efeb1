"""Detects placeholder secrets: values from examples, and the most common passwords."""

from __future__ import annotations

import re

_COMMON = frozenset({
    "admin", "api", "changeit", "default", "demo", "driftdesk", "dummy", "example", "guest", "key",
    "letmein", "mlflow", "my", "mysql", "none", "password", "passwd", "qwerty", "redis", "root",
    "sample", "secret", "test", "todo", "token", "user", "welcome",
})  # fmt: skip
"""Placeholders for passwords in the documentation of the programs that we use."""

_ASKING = frozenset({
    "change", "changeme", "changethis", "fill", "insert", "placeholder", "replace", "replaceme",
    "your", "yours",
})  # fmt: skip
"""Words that ask to be replaced; matched as whole words, since random text may contain them."""

_FORM = re.compile(r"x+|<.*>|\.+|…|\$?\{.*\}")


def is_placeholder(secret: str) -> bool:
    """Whether a secret is a placeholder.

    Case, trailing digits and separators are ignored: `Password123`, `change-me` and `<your key>`
    are placeholders. An empty one is not: it means that none is set.
    """
    text = secret.strip().lower()
    if not text:
        return False
    if _FORM.fullmatch(text):
        return True
    bare = re.sub(r"[^a-z]", "", text)
    words = {word for word in re.split(r"[^a-z]+", text) if word}
    if text.isdigit():
        return len(text) < 16  # noqa: PLR2004 - such as 123456
    return bare in _COMMON or bool(words & _ASKING) or (bool(words) and words <= _COMMON)
