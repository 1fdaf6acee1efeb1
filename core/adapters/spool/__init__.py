"""The spool: where answers of the source are kept until they are stored.

Answers are written and parsed in a local folder. Where workers of several hosts share no folder,
each answer is also an object that all of them can read; see ADR 0030.
"""

from __future__ import annotations

from core.adapters.spool.local import LocalSpool
from core.adapters.spool.port import SpoolFile, SpoolFolder
from core.adapters.spool.remote import RemoteSpool
from core.platform.settings import Settings

__all__ = ["LocalSpool", "RemoteSpool", "SpoolFile", "SpoolFolder", "open_spool"]


def open_spool(settings: Settings) -> SpoolFolder:
    """The spool that the settings name; nothing is asked yet."""
    if settings.spool_is_local:
        return LocalSpool(settings.spool)
    return RemoteSpool(settings.spool_url, settings.spool)
