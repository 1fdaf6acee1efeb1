"""A screenshot of each page of a running console, light and dark, wide and narrow, into shots/."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser import ARGUMENTS
from tests.stacks import ROOT

PAGES = {
    "overview": "",
    "pipeline": "pipeline",
    "pipeline-batches": "pipeline?view=Batches",
    "drift": "drift",
    "drift-statistics": "drift?look=All+statistics",
    "drift-distributions": "drift?look=Distributions",
    "drift-quality": "drift?look=Data+quality",
    "drift-limits": "drift?look=Limits",
    "drift-live": "drift?show=Live+traffic",
    "promotion": "promotion",
    "promotion-data": "promotion?evidence=Training+data+and+files",
    "promotion-predictions": "promotion?evidence=Predictions",
    "promotion-segments": "promotion?evidence=Segments",
    "promotion-confusion": "promotion?evidence=Confusion",
    "promotion-curves": "promotion?evidence=Curves",
    "promotion-importance": "promotion?evidence=Importance",
    "promotion-history": "promotion?tab=History",
    "predict": "predict",
    "predict-history": "predict?ask=History",
    "audit": "audit",
    "services": "services",
}
LOOKS = [("light", 1400), ("dark", 1400), ("light", 420)]
_HEIGHT, _HIGHEST = 900, 8000
_PATIENCE, _LOOKS = 120_000, 40  # milliseconds, and how often a page is looked at
_SCROLLS = "[data-testid=stMain]"


def settled_height(page: Page) -> int:
    """The page's full height, once nothing is being loaded and the height does not change."""
    height = -1
    for _ in range(_LOOKS):
        page.wait_for_timeout(1500)
        before, height = height, int(page.locator(_SCROLLS).evaluate("main => main.scrollHeight"))
        if before == height and not page.locator("[data-testid^=stSkeleton]").count():
            break
    return height


def whole(page: Page, path: Path) -> None:
    """Save the whole page: Streamlit scrolls inside it, so the viewport gets the full height."""
    width = (page.viewport_size or {"width": 0})["width"]
    height = settled_height(page)
    page.set_viewport_size({"width": width, "height": min(max(height, _HEIGHT), _HIGHEST)})
    settled_height(page)
    page.screenshot(path=path)
    page.set_viewport_size({"width": width, "height": _HEIGHT})


def main() -> int:
    console = os.environ.get("CONSOLE_URL", "http://127.0.0.1:8501")
    only = set(sys.argv[1:])
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
                viewport={"width": width, "height": _HEIGHT},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            context.set_default_timeout(_PATIENCE)
            page = context.new_page()
            for name, path in PAGES.items():
                shot = f"{name}-{scheme}-{width}"
                if only and not only & {name, shot}:
                    continue
                page.goto(f"{console}/{path}", wait_until="networkidle")
                page.locator("h1").wait_for()
                page.wait_for_load_state("networkidle")
                whole(page, folder / f"{shot}.png")
            context.close()
        browser.close()
    print(f"Look at {folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
