"""What the next batch would be, as far as it can be known without moving the source."""

from __future__ import annotations

from core.adapters.store import Store
from core.domain.errors import NothingNew
from core.domain.safe_text import printable
from core.domain.sources import address, kind_of
from core.platform.settings import Settings
from workers.sources.make import make_source
from workers.steps.ingest import known


def check(store: Store, settings: Settings) -> dict[str, str | bool]:
    """The source's `kind`, `address` and a `note`, and whether a batch is there (`new`).

    `new` is False for a data API that answers, since only asking it would tell.

    Raises:
        SourceRefused, SourceUnavailable: the source cannot be used; the message says why.
    """
    dataset = store.dataset
    source = make_source(dataset.source, settings)
    with store.read() as work:
        waiting = work.batches.received()
    if waiting is not None:
        origin = f" ({printable(waiting.origin)})" if waiting.origin else ""
        new, note = True, f"The next batch was received already{origin}; it waits to be stored."
    else:
        try:
            note, new = source.check(known(store)), not source.asks_once
        except NothingNew as error:
            note, new = str(error), False
    return {
        "kind": kind_of(dataset.source).value,
        "address": address(dataset.source),
        "new": new,
        "note": note,
    }
