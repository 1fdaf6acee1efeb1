"""What a comparison is with, in words, for the end of a sentence. Pure."""

from __future__ import annotations

from core.domain.drift import Reference, StoredReport


def in_words(reference: Reference, name: str) -> str:
    """A reference; `name` is that of the batch, or of the version that was live."""
    if reference is Reference.PREVIOUS:
        return name
    return f"the rows that {name or 'the live version'} was trained on"


def against(report: StoredReport) -> str:
    """The reference of a report."""
    return in_words(report.reference, report.reference_name)
