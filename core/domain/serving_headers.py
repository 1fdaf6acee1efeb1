"""Request headers of the serving API that its clients and serving share."""

from __future__ import annotations

from typing import Final

ACTOR: Final = "x-driftdesk-actor"
"""Who acts, as the sender states it, percent-encoded UTF-8; recorded beside the API key's name."""

LONGEST_ACTOR: Final = 100
"""The number of characters of it that are recorded."""
