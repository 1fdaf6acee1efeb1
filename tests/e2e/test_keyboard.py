"""The desk by keyboard alone: pages, search and neighbours, and typing that triggers nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from core.adapters.store import Store
from core.domain.dataset import Dataset
from tests import build
from tests.browser import chromium, tab
from tests.databases import migrated
from tests.e2e.test_hostile_pages import console
from tests.keyboard import Keyboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Iterator[str]:
    """A console on one batch, a live version and two candidates."""
    folder = tmp_path_factory.mktemp("keyboard")
    url = f"sqlite:///{folder / 'desk.db'}"
    migrated(url, dataset)
    with closing(Store.open(url, dataset)) as store:
        build.stored_batch(store)
        build.live(store, 1)
        for version in (2, 3):
            build.proposed(store, version, champion=1)
    with console(folder, url, "http://127.0.0.1:1") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab that is closed afterwards: its page would go on refreshing itself beside the next."""
    opened = tab(browser)
    yield opened
    opened.context.close()


def version(page: Page) -> list[str]:
    return parse_qs(urlsplit(page.url).query).get("version", [])


def test_pages_search_and_neighbours_are_reached_by_keyboard(page: Page, desk: str) -> None:
    page.goto(desk)
    keys = Keyboard(page)
    keys.titled("Overview")
    keys.go_to("Prom")
    keys.titled("Promotion")
    assert version(page) == []

    keys.sees("Older")
    keys.press("j")
    page.wait_for_url("**version=2*")
    keys.titled("Promotion")
    keys.press("k")
    page.wait_for_url("**version=3*")
    keys.titled("Promotion")

    field = page.get_by_role("textbox", name="Search")
    field.focus()
    keys.type("jkj")  # letters in a field are text
    assert field.input_value() == "jkj"
    assert version(page) == ["3"]
    field.fill("")

    keys.go_to("version 2")  # the only hit
    page.wait_for_url("**version=2*")
    keys.titled("Promotion")
    keys.go_to("version")
    keys.titled("Search")


def test_the_shortcut_takes_the_letters_that_are_typed_at_once(browser: Browser, desk: str) -> None:
    page = tab(browser)
    page.goto(f"{desk}/drift")
    keys = Keyboard(page)
    keys.titled("Drift")
    field = page.get_by_role("textbox", name="Search or go to")
    field.wait_for()
    keys.shortcut()
    keys.type("rerun clear")  # R and C are Streamlit's own shortcuts
    assert field.input_value() == "rerun clear"
    keys.press("Escape")
    assert field.evaluate("f => f !== document.activeElement")


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("pipeline?view=Batches", "Pipeline"),
        ("drift?look=Limits", "Drift"),
        ("promotion?tab=History", "Promotion"),
        ("predict?ask=History", "Predict"),
        ("audit?part=Lineage", "Audit"),
        ("search?q=1", "Search"),
    ],
)
def test_a_field_that_writes_the_address_keeps_nobody_from_leaving(
    page: Page, desk: str, address: str, title: str
) -> None:
    page.goto(f"{desk}/{address}")
    keys = Keyboard(page)
    keys.titled(title)
    keys.go_to("no such thing")
    page.wait_for_url("**/search?q=no*such*thing")
    keys.sees("Nothing found for no such thing.")
    keys.titled("Search")
    keys.go_to("serv")
    keys.titled("Services")
    page.wait_for_url("**/services")
