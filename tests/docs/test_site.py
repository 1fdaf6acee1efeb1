"""The site builds, a broken link stops it, and a reader's browser asks no other host."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generator.site import site_markdown
from tests.browser import chromium, tab
from tests.pages import DOCS, titled
from tests.stacks import ROOT


def build(target: Path, root: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """What `make docs` runs, in a copy of the repository or with another place for the result."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (options,) = re.findall(
        r"^\t@\$\(BIN\)/python (-m sphinx .*) \$\(SITE\)$", makefile, re.MULTILINE
    )
    (site,) = re.findall(
        r"^SITE := (.*) --doctree-dir \.doctrees docs site$", makefile, re.MULTILINE
    )
    return subprocess.run(
        [sys.executable, *f"{options} {site}".split(),
         "--doctree-dir", str(target.with_suffix(".doctrees")), "docs", str(target)],
        cwd=root, env=os.environ | env, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site") / "site"
    done = build(target)
    assert (done.returncode, done.stderr) == (0, "")
    return target


@pytest.mark.whole
def test_what_leads_nowhere_fails(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copytree(ROOT / "core/datasets", tmp_path / "core/datasets")
    for file in ("CHANGELOG.md", "bench/README.md", ".streamlit/config.toml"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / "docs" / "forgotten.md").write_text("# Forgotten\n", encoding="utf-8")
    with (tmp_path / "docs" / "index.md").open("a", encoding="utf-8") as index:
        index.write(
            "\n[a](none.md) [b](serving.md#none) [c](../core/none.py) ![d](img/none.png)"
            " [e](#nowhere) [f](adr/)\n"
        )
    with (tmp_path / "CHANGELOG.md").open("a", encoding="utf-8") as changes:
        changes.write("\n[g](docs/no-page.md)\n")
    done = build(tmp_path / "site", tmp_path)
    assert done.returncode != 0
    for what in (
        "forgotten.md: WARNING: document isn't included in any toctree",
        "target not found: 'none.md'",
        "local id not found in doc 'serving': 'none'",
        "target not found: '../core/none.py'",
        "image file not readable: img/none.png",
        "target not found: 'nowhere'",
        "target not found: 'adr/'",
        "changelog.md:",
        "target not found: 'docs/no-page.md'",
    ):
        assert what in done.stderr


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda p: str(p.relative_to(DOCS)))
def test_a_page_reads_on_github_as_it_does_here(page: Path) -> None:
    """No directive, role, admonition or attribute that only a generator understands."""
    text = re.sub(
        r"^```\w.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    assert (
        re.findall(r"^\s*(?:```\{|:::|!!!|\?\?\?|===)|\{\w+\}`|\{[:#.]", text, re.MULTILINE) == []
    )


def test_a_link_out_of_the_pages_is_text_or_leads_to_the_source() -> None:
    tables = "core/adapters/store/engine.py"
    text = f"[the file](../core/rules/data/profile.py#L3) and [{tables}](../{tables})"
    assert (
        site_markdown(text, "auth.md", "docs/auth.md", "")
        == "the file and `core/adapters/store/engine.py`"
    )
    assert site_markdown(text, "auth.md", "docs/auth.md", "https://code.example/blob/main/") == (
        "[the file](https://code.example/blob/main/core/rules/data/profile.py#L3) and "
        "[core/adapters/store/engine.py](https://code.example/blob/main/core/adapters/store/engine.py)"
    )


def test_a_link_to_what_a_page_shows_leads_to_that_page() -> None:
    text = "[a](../bench/README.md) [b](../CHANGELOG.md) [c](../README.md) [d](none.md)"
    assert site_markdown(text, "auth.md", "docs/auth.md", "") == (
        "[a](reference/measurements.md) [b](changelog.md) [c](index.md) [d](none.md)"
    )
    back = "[e](../docs/serving.md) `[f](../docs/none.md)`"
    here = site_markdown(back, "reference/measurements.md", "bench/README.md", "")
    assert here == "[e](../serving.md) `[f](../docs/none.md)`"


@pytest.mark.whole
def test_where_links_lead_is_a_setting(tmp_path: Path) -> None:
    done = build(tmp_path / "site", DOCS_SOURCE="https://code.example/blob/main")
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "site" / "reference" / "settings" / "index.html").read_text("utf-8")
    assert "https://code.example/blob/main/.env.example" in page


@pytest.mark.whole
def test_no_page_names_another_host_for_anything_it_loads(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=[\"']?([^\"'\s>]+)", text)
        loaded += re.findall(r"<link[^>]*\shref=[\"']?([^\"'\s>]+)", text)
        assert [url for url in loaded if re.match(r"(https?:)?//", url)] == [], page


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.whole
def test_a_reader_needs_this_host_alone(address: str) -> None:
    from playwright.sync_api import expect

    asked: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/explanation/drift/")
        expect(page.locator("h1")).to_contain_text("The drift rule")
        page.get_by_role("textbox", name="Search").fill("champion alias")
        page.keyboard.press("Enter")
        found = page.locator("ul.search li a").first
        expect(found).to_be_visible(timeout=60_000)
        found.click()
        expect(page.locator("article")).to_contain_text("alias")
        for path in ("/", "/reference/cli/", "/reference/measurements/", "/adr/", "/changelog/"):
            answer = page.goto(address + path)
            assert answer
            assert answer.ok, path
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


@pytest.mark.whole
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_everybody_can_read_it(address: str, dark: bool, width: int) -> None:  # noqa: FBT001
    from axe_playwright_python.sync_playwright import Axe

    found = []
    with chromium() as browser:
        page = tab(browser, dark=dark, width=width)
        for path in ("/", "/how-to/own-dataset/", "/reference/settings/", "/search/?q=champion"):
            page.goto(address + path)
            page.wait_for_load_state("networkidle")
            seen = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            found += [f"{path} is {seen} pixels too wide"] if seen > 0 else []
            found += [
                f"{path}: {violation['id']}: {node['html'][:200]}"
                for violation in Axe().run(page).response["violations"]
                if violation["impact"] in ("serious", "critical")
                for node in violation["nodes"]
            ]
    assert found == []


@pytest.mark.whole
def test_a_block_is_copied_as_it_stands(address: str) -> None:
    with chromium() as browser:
        page = tab(browser)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
        page.goto(f"{address}/how-to/own-dataset/")
        block = page.locator(".highlight").first
        block.hover()
        block.get_by_role("button", name="Copy").click()
        block.get_by_role("button", name="Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == titled("how-to/own-dataset.md", "rides.toml")
