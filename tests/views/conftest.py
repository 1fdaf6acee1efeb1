"""The pages under test belong to a console that listens on loopback."""

from __future__ import annotations

from tests.loopback import on_loopback

__all__ = ["on_loopback"]
