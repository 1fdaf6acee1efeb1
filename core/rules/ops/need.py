"""One thing that needs a person, as every page and command shows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Need:
    """One required action, and the page for it; `urgent` ones are alerts.

    `act` says what the person does there. `seen` is the subject of an alert that a person can mark
    as seen, which ends it.
    """

    title: str
    detail: str
    page: str
    query: Mapping[str, str] = field(default_factory=dict)
    urgent: bool = False
    act: str = ""
    seen: str = ""
