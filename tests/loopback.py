"""Pages in tests are those of a console that listens on this machine alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit import config


@pytest.fixture(autouse=True)
def on_loopback() -> Iterator[None]:
    config.set_option("server.address", "127.0.0.1")
    yield
    config.set_option("server.address", None)
