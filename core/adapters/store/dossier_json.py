"""Dossiers as the JSON that is stored.

A digest is over the stored text, so a dossier that was stored is never encoded again. Dossiers
without a number are of the first format: their scores have no number of rows, and the oldest ones
lack parts that came later, which have defaults in the record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from core.domain.dossier import FORMAT, Dossier, DossierSummary, GateName
from core.domain.errors import Refused

_OLD_GATES = {
    "apart": GateName.NO_OVERLAP,
    "certain": GateName.SIGNIFICANT,
    "beyond chance": GateName.SIGNIFICANT,
    "everywhere": GateName.NO_WORSE_SEGMENT,
    "no worse slice": GateName.NO_WORSE_SEGMENT,
}
"""Earlier names of gates."""

log = structlog.get_logger()

_KEPT = 256
"""How many decoded texts a process keeps; one has some ten kilobytes."""

D = TypeVar("D", bound=DossierSummary)

_WHOLE, _SUMMARY = TypeAdapter(Dossier), TypeAdapter(DossierSummary)


def to_json(dossier: Dossier) -> dict[str, Any]:
    """The whole dossier in the present format."""
    return {"format": FORMAT} | asdict(dossier)


def summary_to_json(dossier: DossierSummary) -> dict[str, Any]:
    """The summary of a dossier, also of a whole one."""
    content = asdict(dossier)
    return {"format": FORMAT} | {f.name: content[f.name] for f in fields(DossierSummary)}


def from_json(content: Mapping[str, Any]) -> Dossier:
    """The dossier that was stored in any format.

    Raises:
        Refused: its format is newer than this version of driftdesk, or unreadable.
    """
    return _decoded(_WHOLE, content)


def summary_from_json(content: Mapping[str, Any]) -> DossierSummary | None:
    """The summary that was stored; None for a version that was never judged here.

    Raises:
        Refused: as `from_json`.
    """
    return _decoded(_SUMMARY, content) if "candidate" in content else None


def readable_summary(version: int, text: str) -> DossierSummary | None:
    """The summary of a version from its stored text; None if it cannot be read.

    So other versions are shown. Every page asks for the same versions: the last answers are kept.
    """
    try:
        return _summary(text)
    except Refused as error:
        log.warning("a stored dossier cannot be read", version=version, reason=str(error))
        return None


@lru_cache(maxsize=_KEPT)
def _summary(text: str) -> DossierSummary | None:
    return summary_from_json(json.loads(text))


@lru_cache(maxsize=_KEPT)
def file_digest(text: str) -> str:
    """The digest of the model file, which is on record for versions without a dossier, too."""
    return str(json.loads(text).get("digest") or "")


def _decoded(adapter: TypeAdapter[D], content: Mapping[str, Any]) -> D:
    number = content.get("format", 1)
    if number not in range(1, FORMAT + 1):
        raise Refused(
            f"A dossier has the format {number!r}, and this version of driftdesk reads formats up "
            f"to {FORMAT}. Use the version of driftdesk that wrote it, or a newer one."
        )
    try:
        known = _first_format(content) if number == 1 else content
        return adapter.validate_python({**known, "gates": _renamed(known.get("gates", ()))})
    except (ValidationError, LookupError, TypeError) as error:
        raise Refused(
            "A stored dossier cannot be read: its content is not that of a dossier. Re-evaluate "
            "the version."
        ) from error


def _first_format(content: Mapping[str, Any]) -> dict[str, Any]:
    rows = {"rows": content["held_out_rows"]}
    scores = {name: rows | content[name] for name in ("candidate", "champion") if content.get(name)}
    return {**content, **scores}


def _renamed(gates: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**gate, "name": _OLD_GATES.get(gate["name"], gate["name"])} for gate in gates]
