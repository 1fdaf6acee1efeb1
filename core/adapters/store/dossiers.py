"""Dossiers: the whole evidence about a version, frozen as text and named by its digest."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import sqlalchemy as sa

from core.adapters.store.dossier_json import from_json, to_json
from core.adapters.store.part import Part
from core.adapters.store.tables import dossiers
from core.domain.dossier import Dossier
from core.domain.errors import Missing, Refused


class Dossiers(Part):
    """The evidence, as seen from inside one transaction. Rows are added and never changed."""

    def freeze(self, dossier: Dossier) -> str:
        """Store a dossier; returns its digest, the SHA-256 of its text in hex."""
        text = json.dumps(
            to_json(dossier), sort_keys=True, ensure_ascii=False, separators=(",", ":")
        )
        digest = hashlib.sha256(text.encode()).hexdigest()
        if self._value(sa.select(dossiers.c.digest).where(dossiers.c.digest == digest)) is None:
            values = {"version": dossier.candidate.version, "made_at": self._now, "content": text}
            self._insert(dossiers, digest=digest, **values)
        return digest

    def get(self, digest: str) -> Dossier:
        """The dossier of that digest, which is checked on the stored text.

        Raises:
            Missing: there is none.
            Refused: its text is not the one that was frozen, or its format is too new.
        """
        content = self._value(sa.select(dossiers.c.content).where(dossiers.c.digest == digest))
        if content is None:
            raise Missing("There is no such dossier on record.")
        if hashlib.sha256(content.encode()).hexdigest() != digest:
            raise Refused(
                f"The dossier {digest[:12]} was altered after it was frozen. "
                "Re-evaluate the version."
            )
        return from_json(json.loads(content))

    def of_version(self, version: int) -> list[tuple[str, datetime]]:
        """The digests of a version's dossiers and when each was made, newest first."""
        query = (
            sa.select(dossiers.c.digest, dossiers.c.made_at)
            .where(dossiers.c.version == version)
            .order_by(dossiers.c.made_at.desc())
            .limit(50)
        )
        return [(row.digest, row.made_at) for row in self._connection.execute(query)]
