"""Back goes one page back with one press, and no page's address carries a word of another page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.drift import Reference
from core.domain.job_results import BatchStored
from core.domain.jobs import JobKind
from core.rules.drift.compare import compare
from tests import build
from tests.browser import chromium, tab
from tests.databases import migrated
from tests.e2e.test_hostile_pages import console

if TYPE_CHECKING:
    from playwright.sync_api import Page

JOURNEY = ["", "promotion?version=1", "drift?batch=1.0", "audit"]
TITLES = {
    "": "Overview", "pipeline": "Pipeline", "promotion": "Promotion", "drift": "Drift",
    "audit": "Audit",
}  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Iterator[str]:
    """A console on two compared batches, a live version and a candidate."""
    folder = tmp_path_factory.mktemp("back")
    url = f"sqlite:///{folder / 'desk.db'}"
    migrated(url, dataset)
    with closing(Store.open(url, dataset)) as store:
        profiles = tuple(build.profile(c.name) for c in dataset.compared)
        for number in range(2):
            batch = build.stored_batch(store, number, profiles=profiles)
            with store.begin() as work:
                report = compare(profiles if number else None, profiles, dataset)
                work.drift.put(batch, Reference.PREVIOUS, "the batch before", report)
                work.commit()
        check = build.ended(store, JobKind.DRIFT)
        build.ended(store, JobKind.INGEST, BatchStored(batch=1, epoch=1, drift_job=check))
        build.live(store, 1)
        build.proposed(store, 2, champion=1)
    with console(folder, url, "http://127.0.0.1:1") as address:
        yield address


@pytest.fixture
def page(desk: str) -> Iterator[Page]:
    with chromium() as browser:
        yield tab(browser)


def shows(page: Page, desk: str, path: str) -> None:
    """The page of that path is drawn, and the address is exactly that."""
    name = urlsplit(f"{desk}/{path}").path.strip("/")
    page.get_by_role("heading", level=1, name=TITLES[name], exact=True).wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_url(f"{desk}/{path}")
    assert page.locator("[data-testid=stException]").count() == 0


def follow(page: Page, title: str) -> None:
    """Press a link of the navigation."""
    page.get_by_role("link", name=title).first.click()


def test_back_returns_to_each_page_that_was_opened_by_its_address(page: Page, desk: str) -> None:
    for path in JOURNEY:
        page.goto(f"{desk}/{path}")
        shows(page, desk, path)
    for path in JOURNEY[-2::-1]:
        page.go_back()
        shows(page, desk, path)


def test_the_first_page_has_its_name_as_an_address_too(page: Page, desk: str) -> None:
    page.goto(f"{desk}/overview")
    shows(page, desk, "")
    assert page.get_by_text("Page not found").count() == 0


def test_back_returns_to_each_page_that_was_opened_by_the_navigation(page: Page, desk: str) -> None:
    from playwright.sync_api import expect

    page.goto(f"{desk}/promotion?version=1")
    shows(page, desk, "promotion?version=1")
    for path in ("drift", "audit", ""):
        follow(page, TITLES[path])
        shows(page, desk, path)
    for path in ("audit", "drift", "promotion?version=1"):
        page.go_back()
        shows(page, desk, path)
    field = page.get_by_role("combobox", name="Version", exact=True)
    expect(field).to_have_value(re.compile("^Version 1"))


def test_the_navigation_leaves_the_parameters_of_the_page_that_is_shown(
    page: Page, desk: str
) -> None:
    page.goto(f"{desk}/pipeline?job=1")
    page.get_by_role("button", name="All jobs").wait_for()
    follow(page, "Pipeline")
    page.get_by_role("button", name="All jobs").wait_for(state="detached")
    page.wait_for_url(f"{desk}/pipeline")
    page.go_back()
    page.get_by_role("button", name="All jobs").wait_for()
    page.wait_for_url(f"{desk}/pipeline?job=1")
    page.goto(f"{desk}/promotion?version=1&tab=History")
    page.get_by_text("Deployment history").wait_for()
    follow(page, "Promotion")
    page.get_by_role("heading", name="Version 2").wait_for()
    page.wait_for_url(f"{desk}/promotion")


def test_what_is_chosen_on_a_page_is_in_its_address_alone(page: Page, desk: str) -> None:
    page.goto(f"{desk}/")
    shows(page, desk, "")
    follow(page, "Promotion")
    shows(page, desk, "promotion")
    page.get_by_role("combobox", name="Version", exact=True).click()
    page.get_by_role("option", name=re.compile("Version 1")).click()
    shows(page, desk, "promotion?version=1")
    follow(page, "Drift")
    shows(page, desk, "drift")
    page.get_by_role("combobox", name="Batch", exact=True).click()
    page.get_by_role("option").last.click()
    page.wait_for_url(f"{desk}/drift?batch=*")
    assert set(parse_qs(urlsplit(page.url).query)) == {"batch"}
    chosen = urlsplit(page.url)
    follow(page, "Audit")
    shows(page, desk, "audit")
    page.go_back()
    shows(page, desk, f"drift?{chosen.query}")


def test_an_unknown_version_is_named(page: Page, desk: str) -> None:
    page.goto(f"{desk}/promotion?version=99")
    page.get_by_text("There is no version 99 on record.").wait_for()


def test_a_finished_job_leads_to_its_batch_and_to_the_job_that_follows(
    page: Page, desk: str
) -> None:
    """Both buttons are in a part of the page that refreshes by itself."""
    page.goto(f"{desk}/pipeline")
    page.get_by_role("button", name="Open batch 1").click()
    page.get_by_role("heading", name="Batch 1 of epoch 1").wait_for()
    page.go_back()
    page.goto(f"{desk}/pipeline?job=2")
    page.get_by_role("button", name="Open drift check, job 1").click()
    page.get_by_text("drift 1").wait_for()


def test_a_person_returns_at_once_from_a_page_that_a_button_led_to(page: Page, desk: str) -> None:
    page.goto(f"{desk}/pipeline")
    page.get_by_role("button", name="Review version 2").click()
    shows(page, desk, "promotion?version=2")
    follow(page, "Pipeline")
    shows(page, desk, "pipeline")
    page.get_by_role("button", name="Review version 2").wait_for()
