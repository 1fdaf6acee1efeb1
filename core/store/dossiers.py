"""Dossiers: the whole evidence about a version, frozen as text and named by its digest."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.errors import Missing, Refused
from core.tables import dossiers


class Dossiers:
    """The evidence, as seen from inside one transaction. Rows are added and never changed."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def freeze(self, version: int, content: dict[str, Any]) -> str:
        """Keep a dossier; returns its digest, the SHA-256 of its text in hex."""
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        known = self._connection.execute(
            sa.select(dossiers.c.digest).where(dossiers.c.digest == digest)
        ).one_or_none()
        if known is None:
            self._connection.execute(
                sa.insert(dossiers).values(
                    digest=digest, version=version, made_at=self._now, content=text
                )
            )
        return digest

    def get(self, digest: str) -> dict[str, Any]:
        """The dossier of that digest.

        Raises:
            Missing: there is none.
            Refused: its text is not the one that was frozen.
        """
        row = self._connection.execute(
            sa.select(dossiers.c.content).where(dossiers.c.digest == digest)
        ).one_or_none()
        if row is None:
            raise Missing("There is no such dossier on record.")
        if hashlib.sha256(row.content.encode()).hexdigest() != digest:
            raise Refused(
                f"The dossier {digest[:12]} was altered after it was frozen. Judge it anew."
            )
        content: dict[str, Any] = json.loads(row.content)
        return content

    def of_version(self, version: int) -> list[tuple[str, datetime]]:
        """The digests of a version's dossiers and when each was made, newest first."""
        query = (
            sa.select(dossiers.c.digest, dossiers.c.made_at)
            .where(dossiers.c.version == version)
            .order_by(dossiers.c.made_at.desc())
            .limit(50)
        )
        return [(row.digest, row.made_at) for row in self._connection.execute(query)]
