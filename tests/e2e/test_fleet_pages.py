"""Several datasets in a browser: every link keeps the dataset, and Back returns to the fleet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from core.adapters.store import Store
from core.platform.dataset_file import load
from tests import build
from tests.browser import chromium, tab
from tests.databases import migrated
from tests.e2e.test_hostile_pages import console
from tests.views.fleets import dataset_file

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A console of two datasets, each with a live version and a candidate."""
    folder = tmp_path_factory.mktemp("fleet")
    files, url = folder / "datasets", f"sqlite:///{folder / 'desk.db'}"
    files.mkdir()
    datasets = [load(dataset_file(files, name)) for name in ("bikes", "boats")]
    migrated(url, datasets)
    with closing(Store.open(url, datasets[0])) as store:
        for one in datasets:
            build.stored_batch(store.for_dataset(one), 0)
            build.live(store.for_dataset(one), 1)
        build.proposed(store.for_dataset(datasets[1]), 2, champion=1)
    with console(folder, url, "http://127.0.0.1:1", DATASETS=str(files)) as address:
        yield address


@pytest.fixture
def page(desk: str) -> Iterator[Page]:
    with chromium() as browser:
        yield tab(browser)


def shows(page: Page, address: str, title: str) -> None:
    page.wait_for_url(address)
    page.get_by_role("heading", level=1, name=title, exact=True).wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    assert page.locator("[data-testid=stException]").count() == 0


def test_links_keep_the_dataset_and_back_returns(page: Page, desk: str) -> None:
    page.goto(desk)
    shows(page, f"{desk}/", "Fleet")
    page.locator(".fleet tbody tr").nth(1).wait_for()
    names = page.locator(".fleet tbody tr strong").all_inner_texts()
    assert names == ["Boats", "Bikes"]  # boats has a candidate
    page.get_by_role("link", name="Version 2 awaits approval").click()
    shows(page, f"{desk}/promotion?dataset=boats&version=2", "Promotion")
    page.locator(".st-key-navigation").get_by_role("link", name="Drift").click()
    shows(page, f"{desk}/drift?dataset=boats", "Drift")
    page.get_by_role("button", name="Boats").click()
    page.locator(".datasets").get_by_role("link", name="Bikes").click()
    shows(page, f"{desk}/drift?dataset=bikes", "Drift")
    for path, title in (
        ("drift?dataset=boats", "Drift"),
        ("promotion?dataset=boats&version=2", "Promotion"),
        ("", "Fleet"),
    ):
        page.go_back()
        shows(page, f"{desk}/{path}", title)


def test_the_search_field_leads_to_what_it_finds(page: Page, desk: str) -> None:
    page.goto(f"{desk}/audit?dataset=bikes")
    shows(page, f"{desk}/audit?dataset=bikes", "Audit")
    field = page.get_by_role("textbox", name="Search")
    field.fill("version 2")
    field.press("Enter")
    shows(page, f"{desk}/search?dataset=bikes&q=version+2", "Search")
    page.locator(".hits").get_by_role("link", name="Version 2").click()
    shows(page, f"{desk}/promotion?dataset=boats&version=2", "Promotion")
