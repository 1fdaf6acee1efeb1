"""The Predict page in a browser: Enter in a list, serving that goes away, feedback, the history."""

from __future__ import annotations

import csv
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.adapters.mlflow.registry import digest_of
from core.adapters.store import Store
from core.domain.dataset import Dataset
from tests import build
from tests.browser import chromium, tab
from tests.build import contract
from tests.databases import migrated
from tests.e2e.test_hostile_pages import console
from tests.models import tiny_model
from tests.record import decide_at
from tests.serving.test_api import Champions, api, version
from tests.stacks import free_port, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page

STATES = ("Texas", "Connecticut", "Wisconsin")


def live(url: str, dataset: Dataset) -> bytes:
    """The model of version 1, which is live on the record, with the profile of its training."""
    made = contract(dataset)
    fields = (
        replace(f, categories=STATES, default="Texas") if f.name == "state" else f
        for f in made.fields
    )
    model = tiny_model(replace(made, fields=tuple(fields)))
    migrated(url, dataset)
    decide_at(url, dataset, 1, digest_of(model))
    with closing(Store.open(url, dataset)) as store, store.begin() as work:
        usual = build.profile("bed", grid=tuple(1 + n / 50 for n in range(101)))
        work.batches.add_profile("model", 1, [usual])
        work.commit()
    return model


def test_a_prediction_by_hand_and_what_was_said_of_it(tmp_path: Path, dataset: Dataset) -> None:
    from playwright.sync_api import expect

    url, port = f"sqlite:///{tmp_path / 'desk.db'}", free_port()
    model = live(url, dataset)
    champions = Champions()
    champions.put(1, model)
    with ExitStack() as stack:
        serving = ExitStack()
        stack.enter_context(serving)
        at = serving.enter_context(api(champions, tmp_path / "serving", url, port))
        wait_for("version 1 is not live", lambda: version(at) == 1)
        desk = stack.enter_context(console(tmp_path, url, at))
        page = tab(stack.enter_context(chromium()))
        page.goto(f"{desk}/predict")
        state = page.get_by_role("combobox", name="State")
        state.fill("conn")
        state.press("Enter")
        page.get_by_role("spinbutton", name="Bedrooms").fill("900")
        predict(page)
        page.get_by_text("“conn” was completed to “Connecticut”").wait_for()
        expect(state).to_have_value("Connecticut")
        page.get_by_role("button", name="Give feedback, or keep the link").first.click()
        page.get_by_text("Bedrooms 900 is outside the usual range").wait_for()
        page.get_by_text("Asked by ana (no key).").wait_for()
        actual = page.get_by_role("spinbutton", name="Actual value")
        actual.fill("1234")
        actual.press("Enter")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Feedback saved.").wait_for()
        by_its_address = page.url

        page.goto(f"{desk}/predict")
        page.get_by_role("spinbutton", name="Bedrooms").fill("7")
        serving.close()
        predict(page)
        page.get_by_text("Serving does not answer. Your input is kept").wait_for()
        expect(page.get_by_role("spinbutton", name="Bedrooms")).to_have_value("7")
        page.get_by_role("spinbutton", name="Bathrooms").fill("3")
        with api(champions, tmp_path / "serving", url, port):  # back, and nothing is pressed
            comes_back(page, desk)
        page.goto(by_its_address)  # all of it is on record
        page.get_by_text("Bedrooms 900 is outside the usual range").first.wait_for()
        page.get_by_text("Reported: 1,234").wait_for()
        page.goto(f"{desk}/predict?ask=History&caller=ana")
        with page.expect_download() as download:
            page.get_by_role("button", name="CSV", exact=True).click()
        with download.value.path().open(encoding="utf-8-sig", newline="") as file:
            *_, row = csv.DictReader(file)  # the oldest one
        assert (row["caller"], row["actual"], row["state"]) == (
            "ana (no key)", "1234.0", "Connecticut",
        )  # fmt: skip


def comes_back(page: Page, desk: str) -> None:
    """The message goes, and what was typed stays, also on a reload after the answer."""
    from playwright.sync_api import expect

    def typed() -> None:
        for name, value in (("Bedrooms", "7"), ("Bathrooms", "3")):
            expect(page.get_by_role("spinbutton", name=name)).to_have_value(value)

    page.get_by_text("Serving does not answer").wait_for(state="detached")
    typed()
    predict(page)
    page.get_by_role("button", name="New prediction").wait_for()
    page.wait_for_url(f"{desk}/predict?answer=*")
    page.reload()
    page.get_by_role("button", name="New prediction").wait_for()
    typed()


def predict(page: Page) -> None:
    page.get_by_role("button", name="Predict", exact=True).first.click()
