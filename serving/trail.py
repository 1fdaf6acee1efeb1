"""What a request is called: the id on its log lines and in its answer, and the trace it is part of.

A caller may name it (`X-Request-Id`) and may say what it is a part of (`traceparent`, W3C Trace
Context). What is not well-formed is as good as not sent: both end up in logs.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence

from core.trace import trace_id, well_formed

HEADER = b"x-request-id"

_PROCESS = os.urandom(8).hex().encode()
_count = itertools.count(1)
"""A name need not be guessed, only be the only one: this costs a tenth of drawing each anew."""

_NAME = re.compile(rb"[A-Za-z0-9._:@=+/-]{1,128}")


def read_trail(headers: Sequence[tuple[bytes, bytes]]) -> tuple[bytes, str]:
    """A request's id, and its traceparent if it has one.

    The id is the caller's, else that of the trace, else a new one.
    """
    name, parent = b"", ""
    for header, value in headers:
        if header == HEADER:
            name = value if _NAME.fullmatch(value) else b""
        elif header == b"traceparent":
            parent = well_formed(value.decode("latin-1"))
    if name:
        return name, parent
    if parent:
        return trace_id(parent).encode(), parent
    return b"%s%016x" % (_PROCESS, next(_count)), ""
