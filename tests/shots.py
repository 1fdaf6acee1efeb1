"""A screenshot of each page of a running console, light and dark, wide and narrow, into shots/.

`CONSOLE_URL` names the console, and `SHOTS` another folder. On a desk with several datasets
`DATASET` names the one whose pages are shown.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser import chromium, tab
from tests.stacks import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

FLEET = {"fleet": "", "search": "search?q=1", "services-of-all": "services"}
"""The pages about all datasets."""

PAGES = {
    "overview": "overview",
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
LOOKS = [("light", 1400), ("dark", 1400), ("light", 420), ("dark", 420)]
_HEIGHT, _HIGHEST = 900, 8000
_PATIENCE, _LOOKS, _PAUSE = 120_000, 60, 500  # milliseconds, and how often a page is looked at
_UNSETTLED = 15_000  # milliseconds, for a page that is never drawn to its end
_READY = "[data-testid=stApp][data-test-script-state=notRunning]"
_SCROLLS = "[data-testid=stMain]"


def settled_height(page: Page) -> int:
    """The page's full height, once nothing is being loaded and the height does not change."""
    height = -1
    for _ in range(_LOOKS):
        page.wait_for_timeout(_PAUSE)
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


def addresses(dataset: str) -> dict[str, str]:
    """The pages by name; with a dataset's name those of a desk with several."""
    if not dataset:
        return PAGES | {"overview": ""}
    named = {
        name: f"{path}{'&' if '?' in path else '?'}dataset={dataset}"
        for name, path in PAGES.items()
    }
    return FLEET | named


def take(
    console: str, folder: Path, only: set[str], dataset: str = "", *, settles: bool = True
) -> None:
    """Save the pages of this console as pictures; `only` names pages, looks or pictures.

    Without `settles` a page that is never drawn to its end, because services do not answer, is
    shown as it is after a while.
    """
    folder.mkdir(exist_ok=True, parents=True)
    with chromium() as browser:
        for scheme, width in LOOKS:
            page = tab(browser, dark=scheme == "dark", width=width)
            page.context.set_default_timeout(_PATIENCE)
            page.set_default_timeout(_PATIENCE)
            for name, path in addresses(dataset).items():
                shot = f"{name}-{scheme}-{width}"
                if only and not only & {name, shot, f"{scheme}-{width}"}:
                    continue
                page.goto(f"{console}/{path}", wait_until="networkidle")
                page.locator("h1").wait_for()
                if settles:
                    page.locator(_READY).wait_for()
                else:
                    page.wait_for_timeout(_UNSETTLED)
                whole(page, folder / f"{shot}.png")
            page.context.close()


def main() -> int:
    console = os.environ.get("CONSOLE_URL", "http://127.0.0.1:8501")
    folder = Path(os.environ.get("SHOTS", ROOT / "shots"))
    take(console, folder, set(sys.argv[1:]), os.environ.get("DATASET", ""))
    print(f"Look at {folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
