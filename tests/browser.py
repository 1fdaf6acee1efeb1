"""Headless Chromium for tests, as it must be started on a machine without a screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.stacks import lacking

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

_TIMEOUT_MS = 30_000
"""The limit of each wait for what a page shows."""


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """A browser, with more arguments than it must have; skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        lacking("Chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=_TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*ARGUMENTS, *more])
        yield browser
        browser.close()


def tab(browser: Browser, *, dark: bool = False, width: int = 1400) -> Page:
    """A tab of its own, with nothing of another's cookies; a page error or a dialog fails it."""
    context = browser.new_context(
        viewport={"width": width, "height": 1000},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",  # without a screen, each frame of an animation is drawn by the CPU
    )
    page = context.new_page()
    page.set_default_timeout(_TIMEOUT_MS)
    return page
