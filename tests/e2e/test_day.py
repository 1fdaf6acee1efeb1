"""The day of an operator, in Chromium on real processes: two people, two consoles, one desk."""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from tests.browser import chromium, tab
from tests.house import House
from tests.keyboard import Keyboard
from tests.stacks import answers, free_port, process, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SEED = 11
HOSTILE = "<img src=x onerror=alert(1)>"
LONG = 90_000


def houses(folder: Path) -> Path:
    """Four batches: houses are twice as large in the second, and larger again in the last.

    A city has a hostile name.
    """
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    folder.mkdir()
    names = load(SHIPPED_DATASETS / "real_estate.toml").names
    for n, factor in enumerate((1.0, 2.0, 2.05, 3.5)):
        with (folder / f"batch_{n}.csv").open("w", newline="", encoding="utf-8") as file:
            out = csv.DictWriter(file, names)
            out.writeheader()
            for i in range(600):
                size = factor * dice.uniform(600, 4000)
                state = dice.choice(["Maine", "Ohio", "Utah"])
                level = {"Maine": 90, "Ohio": 130, "Utah": 180}[state]
                out.writerow(
                    {
                        "brokered_by": 4.0, "status": "for_sale",
                        "price": round(size * level * dice.uniform(0.85, 1.15)),
                        "bed": dice.randint(1, 6), "bath": dice.randint(1, 4),
                        "acre_lot": round(dice.uniform(0.1, 2), 2), "street": float(1000 * n + i),
                        "city": HOSTILE if i % 3 == 0 else f"{state} City", "state": state,
                        "zip_code": float(dice.randint(10_000, 99_999)),
                        "house_size": round(size), "prev_sold_date": "2001-05-17",
                    }
                )  # fmt: skip
    return folder


@contextmanager
def second_console(house: House, actor: str) -> Iterator[str]:
    """The same desk, with somebody else sitting at it."""
    port = free_port()
    command = [
        sys.executable, "-m", "streamlit", "run", "console/web/asgi.py",
        "--server.headless", "true",
        "--server.address", "127.0.0.1", "--server.port", str(port),
    ]  # fmt: skip
    with process(command, house.folder / f"{actor}.log", house.cli_env | {"ACTOR": actor}):
        wait_for("no second console", answers(f"http://127.0.0.1:{port}/_stcore/health"))
        yield f"http://127.0.0.1:{port}"


class Operator:
    """A person at a console. No dialog of the browser may ever open, no traceback be shown."""

    def __init__(self, browser: Browser, console: str) -> None:
        self.page: Page = tab(browser)
        self.console = console
        self.alerts: list[str] = []
        self.page.on(
            "dialog", lambda dialog: (self.alerts.append(dialog.message), dialog.dismiss())
        )

    def open(self, path: str = "") -> None:
        self.page.goto(f"{self.console}/{path}")
        self.page.locator("h1").wait_for()

    def leave(self) -> None:
        """Close the tab: a page that nobody looks at any more would go on refreshing itself."""
        self.page.context.close()

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def in_dialog(self, name: str, **typed: str) -> None:
        dialog = self.page.get_by_role("dialog")
        for label, text in typed.items():
            field = dialog.get_by_label(label.replace("_", " "), exact=False)
            field.fill(text)
            field.press("Tab")
        dialog.get_by_role("button", name=name, exact=True).click()

    def sees(self, text: str, within: int = 30_000) -> None:
        from playwright.sync_api import expect

        expect(self.page.get_by_text(text).first).to_be_visible(timeout=within)

    def no_traceback(self) -> None:
        from playwright.sync_api import expect

        expect(self.page.locator("[data-testid=stException]")).to_have_count(0)
        assert self.alerts == []
        assert self.page.locator("img[src=x]").count() == 0


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("day")
    made = House(folder / "data", f"--folder {houses(folder / 'batches')}", REVIEWERS_REQUIRED="2")
    with made.running():
        yield made


def test_the_day_of_an_operator(house: House) -> None:
    with chromium() as browser, second_console(house, "ben") as other:
        ana, ben = Operator(browser, house.console), Operator(browser, other)
        first_model(ana)
        breach_and_reload(ana)
        decide_at_once(house, ana, ben)
        predict(ana)
        roll_back(ana)
        force_with_two(ana, ben)
        everything_is_on_record(house, ana)


def test_a_day_by_keyboard_alone(house: House) -> None:
    """After the day: the last batch from its ingest to a rollback, with keys and nothing else."""
    with chromium() as browser:
        page = tab(browser)
        page.goto(house.console)
        keys = Keyboard(page)
        keys.titled("Overview")
        keys.press("Tab")
        assert "Skip to main content" in keys.focused()
        keys.press("Enter", "Tab")
        assert not any(page in keys.focused() for page in ("Overview", "Pipeline", "Services"))
        keys.go_to("pipe")
        keys.titled("Pipeline")
        keys.push("Ingest next batch")
        keys.push("See the drift of batch 3", LONG)
        keys.titled("Drift")
        keys.sees("Batch 3: retraining recommended")
        keys.reach("Batches")
        keys.press("ArrowRight")
        keys.sees("Next window")
        keys.titled("Drift")
        keys.keep("Live traffic")
        keys.press("ArrowLeft")
        keys.push("Train", LONG)
        keys.sees("Training is queued")
        keys.push("Pipeline")
        keys.titled("Pipeline")
        keys.push("Review version 3", LONG)
        keys.titled("Promotion")
        keys.push("Approve…")
        keys.dialog()
        keys.push("Approve and serve it")
        keys.sees("Version 3 is live, and serving answers with it.", LONG)
        keys.go_to("predict")
        keys.titled("Predict")
        keys.push("Predict")
        keys.sees("Version 3")
        keys.go_to("prom")
        keys.titled("Promotion")
        keys.reach("Decide")
        keys.press("ArrowRight")
        keys.push("Roll back to version 2")
        keys.dialog()
        keys.reach("Reason, for the record")
        keys.type("one who has no mouse changed their mind")
        keys.push("Go back to version 2")
        keys.sees("Version 2 is live, and serving answers with it.", LONG)


PAGES = [
    "", "pipeline", "pipeline?view=Batches", "pipeline?view=Schedule", "pipeline?batch=1/0",
    "pipeline?job=1", "drift",
    "drift?show=Live+traffic", "promotion", "promotion?evidence=Segments", "promotion?tab=History",
    "promotion?tab=Follow-ups", "predict", "audit", "audit?part=Lineage&follow=version:2",
    "services",
]  # fmt: skip


def test_axe_finds_no_serious_violation_on_any_page(house: House) -> None:
    """After the day, so that every page has something to show: each in light, then in dark."""
    from playwright.sync_api import expect

    with chromium() as browser:
        page = tab(browser)
        found = []
        for path in PAGES:
            page.emulate_media(color_scheme="light")
            page.goto(f"{house.console}/{path}")
            page.locator("h1").wait_for()
            page.wait_for_load_state("networkidle")
            page.locator("[data-testid=stStatusWidget]").wait_for(state="detached")
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                app = page.locator("[data-testid=stApp]")
                expect(app).to_have_css("color-scheme", scheme)
                found += violations(page, f"{path or 'overview'} in {scheme}")
        assert found == []


def violations(page: Page, path: str) -> list[str]:
    """What axe finds on a page, unless it is gone when it is asked again.

    Streamlit dims a part while it is drawn again, as some are every few seconds.
    """
    from axe_playwright_python.sync_playwright import Axe

    found: list[str] = []
    for _ in range(2):
        found = [
            f"{path}: {violation['id']}: {node['html'][:200]}"
            for violation in Axe().run(page).response["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]
        if not found:
            break
        page.wait_for_load_state("networkidle")
    return found


def first_model(ana: Operator) -> None:
    ana.open()
    ana.sees("Welcome")
    ana.page.get_by_role("link", name="Go to Pipeline").click()
    ana.click("Ingest next batch")
    ana.sees("Batch 0 of epoch 1", LONG)
    ana.open("pipeline")
    ana.click("Train")
    ana.open()
    ana.sees("Version 1 awaits approval (recommended)", LONG)
    assert ana.page.title() == "Overview · Real-estate listings · driftdesk"
    ana.page.get_by_role("link", name="Review version 1").first.click()
    ana.click("Approve…")
    ana.sees("There is nothing to roll back to")
    ana.in_dialog("Approve and serve it")
    ana.sees("Version 1 is live, and serving answers with it.", LONG)
    ana.no_traceback()


def breach_and_reload(ana: Operator) -> None:
    ana.open("pipeline")
    ana.click("Run all")
    ana.page.get_by_text("running").first.wait_for(timeout=LONG)
    ana.page.reload()  # in the middle of a job: the page shows the same
    ana.open()
    ana.sees("Version 2 awaits approval (recommended)", LONG)
    ana.open("drift")
    ana.sees("Price, upper quartile rose")
    ana.no_traceback()


def decide_at_once(house: House, ana: Operator, ben: Operator) -> None:
    """Both have the dialog open; who comes second is told so, and nothing happens twice."""
    for person in (ana, ben):
        person.open("promotion?version=2")
        person.click("Approve…")
        person.sees("You decide on dossier")
    ana.in_dialog("Approve and serve it")
    ana.sees("Version 2 is live, and serving answers with it.", LONG)
    ben.in_dialog("Approve and serve it")
    ben.sees("Version 2 is live already, approved by ana")
    ben.no_traceback()
    approvals = [e for e in house.json("audit") if e["action"] == "approve"]
    assert [e["subject"] for e in approvals] == ["version:2", "version:1"]


def predict(ana: Operator) -> None:
    ana.open("predict")
    ana.click("Predict")
    ana.sees("Version 2")
    ana.no_traceback()


def roll_back(ana: Operator) -> None:
    ana.open("promotion?tab=History")
    ana.click("Roll back to version 1…")
    reason = f"answers moved too far {HOSTILE}"
    ana.in_dialog("Go back to version 1", Reason=reason)
    ana.sees("Version 1 is live, and serving answers with it.", LONG)


def force_with_two(ana: Operator, ben: Operator) -> None:
    ana.open("promotion?version=2")
    ana.click("Force…")
    ana.in_dialog("Force", Reason="the new prices are here to stay", Type_force_2="force 2")
    ana.sees("waits for a second person")
    ana.open("promotion?version=2")
    from playwright.sync_api import expect

    expect(ana.page.get_by_role("button", name="Confirm…")).to_be_disabled()
    ben.open("promotion")
    ben.sees("asked")
    ben.click("Confirm…")
    ben.in_dialog("Confirm and serve it")
    ben.sees("Version 2 is live, and serving answers with it.", LONG)
    ben.open()
    ben.sees("Follow up on version 2")


def everything_is_on_record(house: House, ana: Operator) -> None:
    house.json("ingest", "--wait")  # so that the live version has an error on several batches
    for path in (
        "",
        "pipeline",
        "drift",
        "promotion",
        "promotion?tab=History",
        "predict",
        "audit",
    ):
        ana.open(path)
        ana.page.wait_for_load_state("networkidle")
        ana.no_traceback()
    ana.open("audit")
    ana.click("Verify the audit log")
    ana.sees("events verified")
    assert "events verified" in house.cli("audit", "--verify")
    history = house.json("audit")
    live = [e["details"]["action"] for e in history if e["action"] == "live"][::-1]
    assert live == ["approve", "approve", "rollback", "force"]
    forced = next(e for e in history if e["action"] == "force")
    assert (forced["actor"], forced["details"]["confirmed_by"]) == ("ana", "ben")
    answer = house.json("predict", "bed=3", "house_size=1500", "state=Ohio")
    wait_for(
        "the prediction is not on record",
        lambda: (
            answer["prediction_id"] in house.cli("passport", "version:2", code=0)
            or bool(house.json("passport", answer["prediction_id"]))
        ),
    )
    passport = house.json("passport", answer["prediction_id"])
    assert passport["version"]["version"] == 2
    assert [b["number"] for b in passport["batches"]] == [0, 1]
    assert passport["dossier"]["dossier"] == passport["version"]["dossier_digest"]
    assert {"approve", "force", "live", "propose"} <= {e["action"] for e in passport["decisions"]}
