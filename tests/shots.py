"""A screenshot of each page of a running console, light and dark, wide and narrow, into shots/."""

from __future__ import annotations

import os
import shutil
import sys

from playwright.sync_api import sync_playwright

from tests.browser import ARGUMENTS
from tests.stacks import ROOT

PAGES = ["overview", "pipeline", "drift", "promotion", "predict", "audit", "services"]
LOOKS = [("light", 1400), ("dark", 1400), ("light", 420)]


def main() -> int:
    console = os.environ.get("CONSOLE_URL", "http://127.0.0.1:8501")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        print("Chromium is not on this machine.", file=sys.stderr)
        return 1
    folder = ROOT / "shots"
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for scheme, width in LOOKS:
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page = context.new_page()
            for name in PAGES:
                path = "" if name == "overview" else name
                page.goto(f"{console}/{path}", wait_until="networkidle")
                page.locator("h1").wait_for()
                page.wait_for_load_state("networkidle")
                page.wait_for_timeout(1500)  # charts draw themselves in
                page.screenshot(path=folder / f"{name}-{scheme}-{width}.png", full_page=True)
            context.close()
        browser.close()
    print(f"Look at {folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
