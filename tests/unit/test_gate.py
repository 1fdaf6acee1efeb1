"""Which of Streamlit's own addresses are closed."""

from __future__ import annotations

import pytest

from console.web.endpoint_filter import is_closed


@pytest.mark.parametrize(
    "path",
    ["/_stcore/metrics", "/_stcore/metrics/", "//_stcore/metrics", "/base/_stcore/metrics",
     "/_stcore/agent/interact", "/_stcore/agent/openapi.json", "/_stcore/agent/mcp", "/_stcore",
     "/_stcore/", "/_stcore/whatever-comes-next"],
)  # fmt: skip
def test_what_nobody_needs_is_closed(path: str) -> None:
    assert is_closed(path)


@pytest.mark.parametrize(
    "path",
    ["/", "/promotion", "/_stcore/health", "/_stcore/stream", "/_stcore/host-config",
     "/base/_stcore/health", "/_stcore/upload_file/session/file", "/static/js/index.js",
     "/media/x.png", "/oauth2callback", "/_stcore_metrics"],
)  # fmt: skip
def test_what_a_page_or_a_probe_needs_is_open(path: str) -> None:
    assert not is_closed(path)
