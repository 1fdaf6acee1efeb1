"""How long a person waits for each page of the console in Chromium, on a desk with a long history.

    make bench NAME=first_paint
    make bench NAME=first_paint ARGS="--rounds 9 --datasets 50"

The desk is that of bench/reruns.py; the console runs as `make run` starts it. From the navigation
to: the first contentful paint; the first paint with data, which is the title and an element of the
page below it; and the end of the run on the server. Each page is opened in turn with an empty page
of Streamlit, cold (a new browser context, so nothing is cached) and warm (the same context again).
The load of the machine stands beside each row.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.reruns import EMPTY, PAGES, desk
from tests.browser import chromium
from tests.stacks import answers, free_port, process, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

DONE = "[data-testid=stApp][data-test-script-state=notRunning]"
TITLE = "[data-testid=stMain] h1"

SEEN = """
() => {
  const title = document.querySelector('[data-testid=stMain] h1');
  if (!title) return false;
  const head = title.closest('[data-testid=stHorizontalBlock]') || title;
  const kinds = '[data-testid=stMarkdown], [data-testid=stCaptionContainer], [data-testid=stHtml],'
    + ' [data-testid=stDataFrame], [data-testid=stPlotlyChart], [data-testid=stAlert]';
  return [...document.querySelectorAll(kinds)].some(e => !head.contains(e) && e.offsetHeight > 8
    && head.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING);
}
"""
"""Whether the title is there and something of the page below its row."""

PAINT = """
() => (performance.getEntriesByName('first-contentful-paint')[0] || {startTime: NaN}).startTime
"""


@contextmanager
def streamlit(script: str, folder: Path, settings: dict[str, str]) -> Iterator[str]:
    """A Streamlit server of its own; yields its address."""
    port = free_port()
    command = [
        sys.executable, "-m", "streamlit", "run", script, "--server.headless", "true",
        "--server.address", "127.0.0.1", "--server.port", str(port),
    ]  # fmt: skip
    with process(command, folder / f"{port}.log", settings):
        wait_for("no Streamlit", answers(f"http://127.0.0.1:{port}/_stcore/health"), 120)
        yield f"http://127.0.0.1:{port}"


def opened(context: BrowserContext, address: str) -> tuple[float, float, float]:
    """The milliseconds to the first paint, to the first data, and to the end of the run."""
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(address, wait_until="commit")
    page.wait_for_function(SEEN, polling="raf")
    data = page.evaluate("() => performance.now()")
    page.locator(DONE).wait_for()
    done = page.evaluate("() => performance.now()")
    paint = page.evaluate(PAINT)
    page.close()
    return paint, data, done


def cold_and_warm(browser: Browser, address: str) -> list[tuple[float, float, float]]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    both = [opened(context, address), opened(context, address)]
    context.close()
    return both


def addresses(console: str, dataset: str) -> dict[str, str]:
    """The pages by name; with a dataset's name those of a desk with several."""
    if not dataset:
        return {n: f"{console}/{'' if n == 'overview' else n}" for n in PAGES} | {
            "search": f"{console}/search?q=12"
        }
    of_one = {n: f"{console}/{n}?dataset={dataset}" for n in PAGES}
    return {"fleet": f"{console}/", **of_one, "search": f"{console}/search?q=12"}


def measure(browser: Browser, pages: dict[str, str], empty: str, rounds: int) -> None:
    """Print the medians of each page and of the empty one."""
    heads = ("paint", "data", "done")
    columns = "".join(f"{f'{how} {what}':>12}" for how in ("cold", "warm") for what in heads)
    print(f"{'page':<12}{columns}{'empty data':>12}{'load':>6}")
    for address in (empty, *pages.values()):
        cold_and_warm(browser, address)  # the first session of a process imports what it needs
    for name, address in pages.items():
        times, bare = [], []
        for _ in range(rounds):
            times.append(cold_and_warm(browser, address))
            bare.append(cold_and_warm(browser, empty)[0][1])
        medians = [
            statistics.median(one[how][what] for one in times)
            for how in range(2)
            for what in range(3)
        ]
        row = "".join(f"{ms:>12,.0f}" for ms in (*medians, statistics.median(bare)))
        print(f"{name:<12}{row}{os.getloadavg()[0]:>6.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--datasets", type=int, default=1)
    parser.add_argument("--pages", nargs="*", default=[])
    told = parser.parse_args()
    with (
        desk(told.datasets) as (settings, dataset),
        tempfile.TemporaryDirectory() as folder,
        chromium() as browser,
    ):
        script = Path(folder) / "empty.py"
        script.write_text(f"{EMPTY}st.write('Nothing but a title')\n", encoding="utf-8")
        with (
            streamlit("console/web/asgi.py", Path(folder), settings) as console,
            streamlit(str(script), Path(folder), {}) as empty,
        ):
            every = addresses(console, dataset)
            pages = {n: a for n, a in every.items() if not told.pages or n in told.pages}
            measure(browser, pages, empty, told.rounds)


if __name__ == "__main__":
    main()
