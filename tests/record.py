"""The desk's record about versions, written as the desk writes it, for tests of serving."""

from __future__ import annotations

import sqlalchemy as sa

from core.adapters.store import Store
from core.adapters.store.tables import promotions
from core.domain.dataset import Dataset
from tests import build

LIVE, APPROVED, FAILED, RETIRED = "LIVE", "APPROVED", "FAILED", "RETIRED"


def decide_at(database_url: str, dataset: Dataset, version: int, digest: str) -> None:
    """The same for a test that has no store open: the version is live."""
    store = Store.open(database_url, dataset)
    try:
        decide(store, version, digest)
    finally:
        store.close()


def decide(store: Store, version: int, digest: str, state: str = LIVE) -> None:
    """Let the record say this about a version; one that was live before is retired."""
    with store.begin() as work:
        table = work.promotions._connection
        known = table.execute(sa.select(promotions.c.id).where(promotions.c.version == version))
        is_new = known.one_or_none() is None
        work.commit()
    if is_new:
        build.proposed(store, version, digest=digest)
    with store.begin() as work:
        table = work.promotions._connection
        if state == LIVE:
            table.execute(
                sa.update(promotions)
                .where(promotions.c.live_key.is_(True))
                .values(state=RETIRED, live_key=None)
            )
        live_key = True if state == LIVE else None
        table.execute(
            sa.update(promotions)
            .where(promotions.c.version == version)
            .values(state=state, live_key=live_key, dossier={"digest": digest})
        )
        work.commit()
