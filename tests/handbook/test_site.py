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

from tests.browser import chromium
from tests.pages import DOCS
from tests.stacks import ROOT


def build(target: Path, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(config),
         "--site-dir", str(target)],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    done = build(target)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return target


def test_what_leads_nowhere_fails(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copytree(ROOT / "handbook", tmp_path / "handbook")
    for taken_in in ("README.md", "CHANGELOG.md", "bench/README.md"):
        (tmp_path / taken_in).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / taken_in, tmp_path / taken_in)
    shutil.copytree(ROOT / "core/datasets", tmp_path / "core/datasets")
    shutil.copy(ROOT / ".env.example", tmp_path)
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "docs" / "forgotten.md").write_text("# Forgotten\n", encoding="utf-8")
    with (tmp_path / "docs" / "index.md").open("a", encoding="utf-8") as index:
        index.write("\n[a](none.md) [b](serving.md#none) [c](../core/none.py) ![d](img/none.png)\n")
    done = build(tmp_path / "site", tmp_path / "mkdocs.yml")
    assert done.returncode != 0
    for what in (
        "  - forgotten.md",
        "link 'none.md'",
        "anchor '#none'",
        "link '../core/none.py'",
        "link 'img/none.png'",
    ):
        assert what in done.stderr


def test_no_page_names_another_host_for_anything_it_loads(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
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


def test_a_reader_needs_this_host_alone(address: str) -> None:
    from playwright.sync_api import expect

    asked: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/explanation/drift/")
        expect(page.locator("h1")).to_contain_text("The drift rule")
        page.locator("input[name=query]").click()
        ready = page.get_by_text("Type to start searching")
        expect(ready).to_be_visible(timeout=60_000)  # what is typed before is not heard
        page.locator("input[name=query]").press_sequentially("champion alias")
        expect(page.locator(".md-search-result__item").first).to_be_visible(timeout=60_000)
        for path in ("/", "/reference/cli/", "/adr/", "/changelog/"):
            page.goto(address + path)
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
