"""How a person names a version, a job, a batch or an epoch: one grammar for search and lineage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a text names."""

    ANY = "any"
    """A number alone."""
    VERSION = "version"
    JOB = "job"
    BATCH = "batch"
    ENTRY = "batch-id"
    """An entry of the ledger by its id in the database."""
    EPOCH = "epoch"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a text names; `epoch` is that of a batch, None if the text names none."""

    kind: Kind
    number: int
    epoch: int | None = None


_FORMS = (
    (Kind.VERSION, r"(?:version[: ]?#?|v)(?P<n>N)"),
    (Kind.JOB, r"job[: ]?#?(?P<n>N)"),
    (Kind.ENTRY, r"batch-id[: ]?(?P<n>N)"),
    (Kind.BATCH, r"(?:batch[: ]?)?(?P<e>N)/(?P<n>N)"),
    (Kind.BATCH, r"batch[: ]?#?(?P<n>N)(?: of epoch (?P<e>N))?"),
    (Kind.BATCH, r"epoch (?P<e>N),? batch (?P<n>N)"),
    (Kind.EPOCH, r"epoch[: ]?#?(?P<n>N)"),
    (Kind.ANY, r"#?(?P<n>0|[1-9]\d{0,17})"),  # an id of a prediction may begin with 0
)
_PATTERNS = [(kind, re.compile(form.replace("N", r"\d{1,18}"), re.ASCII)) for kind, form in _FORMS]
"""A column of ids holds 18 digits."""


def subject_of(text: str) -> Subject | None:
    """What this text names, whatever its case and its blanks; None if it is no such name."""
    words = " ".join(text.casefold().split())
    for kind, pattern in _PATTERNS:
        if named := pattern.fullmatch(words):
            digits = named.groupdict()
            epoch = digits.get("e")
            return Subject(kind, int(digits["n"]), None if epoch is None else int(epoch))
    return None
