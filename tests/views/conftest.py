"""The pages under test belong to a console that listens on loopback."""

from __future__ import annotations

import functools

import pytest
from streamlit.components.v2 import manifest_scanner

from tests.loopback import on_loopback
from tests.noise import noise_drawn_once

__all__ = ["noise_drawn_once", "on_loopback"]

SCANNED = functools.cache(manifest_scanner.scan_component_manifests)


@pytest.fixture(autouse=True)
def scanned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look once for packages with components of Streamlit's, as a console does.

    An AppTest is a console of its own at each run, and the look reads of every package on the
    machine what it is: half of the time of a page.
    """
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", SCANNED)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a loaded machine an answer takes longer than a page waits; a test waits for it."""
    monkeypatch.setattr("console.web.reading._PATIENCE", 30.0)
