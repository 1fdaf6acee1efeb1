"""Pages in tests are those of a console that listens on this machine alone."""

from __future__ import annotations

from tests.loopback import on_loopback

__all__ = ["on_loopback"]
