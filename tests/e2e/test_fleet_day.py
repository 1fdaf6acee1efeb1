"""A day with three datasets, in Chromium on real processes; then two people with few rights.

The datasets are those of the demo. One desk is shared: the second test finds what the first left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from compose import demo
from tests.browser import chromium
from tests.e2e.test_day import LONG, Operator, houses
from tests.e2e.test_login import console, login, login_secrets, provider
from tests.house import House
from tests.stacks import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

HOUSES, TUMOURS, DIABETES = "real_estate", "tumours", "diabetes"
TITLES = {
    HOUSES: "Real-estate listings", TUMOURS: "Tumours", DIABETES: "Progression of diabetes",
}  # fmt: skip

PEOPLE = {
    who: {"email": f"{who}@desk.internal", "email_verified": True} for who in ("opal", "abel")
}
ROLES = f"""
[datasets.{HOUSES}.operator]
emails = ["opal@desk.internal"]
[datasets.{HOUSES}.viewer]
emails = ["abel@desk.internal"]
[datasets.{DIABETES}.approver]
emails = ["abel@desk.internal"]
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("fleet-day")
    datasets = demo.prepare(folder / "demo")
    options = f"--folder {houses(folder / 'batches')}"
    made = House(folder / "data", options, DATASETS=str(datasets))
    with made.running():
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def test_the_day_with_three_datasets(house: House, browser: Browser) -> None:
    ana = Operator(browser, house.console)
    first_versions(ana)
    decide(ana)
    breach(ana)
    roll_back(ana)
    predict(ana)
    find_a_version(ana)
    ana.leave()
    each_dataset_has_its_own_record(house)


def line(ana: Operator, title: str) -> Locator:
    return ana.page.locator(".fleet tbody tr", has=ana.page.get_by_text(title, exact=True))


def fleet(ana: Operator) -> list[str]:
    """Open the fleet; the titles in the order of their lines."""
    ana.open()
    ana.page.locator(".fleet tbody tr").first.wait_for()
    return ana.page.locator(".fleet tbody strong").all_inner_texts()


def fleet_says(ana: Operator, title: str, text: str, within: int = LONG) -> None:
    from playwright.sync_api import expect

    expect(line(ana, title)).to_contain_text(text, timeout=within)


def switch(ana: Operator, shown: str, to: str) -> None:
    """By the switcher at the top, from one dataset to another."""
    ana.page.get_by_role("button", name=TITLES[shown]).click()
    ana.page.locator(".datasets").get_by_role("link", name=TITLES[to]).click()
    ana.page.wait_for_url(f"**dataset={to}**")
    ana.page.get_by_role("button", name=TITLES[to]).wait_for()


def ask(person: Operator, button: str, kind: str) -> None:
    """Press a button of the Pipeline page, and wait for the job of this kind that it makes.

    A job that is open would be the answer to a second request, and no new one be made.
    """
    person.page.get_by_role("heading", name="Running jobs").wait_for(state="detached", timeout=LONG)
    person.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    jobs = person.page.locator("strong", has_text=re.compile(rf"^{kind} \d+$"))
    before = set(jobs.all_inner_texts())
    person.click(button)
    wait_for(f"no {kind}", lambda: bool(set(jobs.all_inner_texts()) - before), LONG / 1000)


def first_versions(ana: Operator) -> None:
    """Ingest and train in each; then the fleet says which candidates wait."""
    assert sorted(fleet(ana)) == sorted(TITLES.values())
    for title in TITLES.values():
        fleet_says(ana, title, "no data yet")
    for name in TITLES:
        ana.open(f"pipeline?dataset={name}")
        ask(ana, "Ingest next batch", "ingest")
    for name in TITLES:
        ana.open(f"pipeline?dataset={name}")
        ana.sees("Batch 0 of epoch 1", LONG)
        ask(ana, "Train", "train")
    fleet(ana)
    for title in TITLES.values():
        fleet_says(ana, title, "Version 1 awaits approval")
    ana.sees("3 of 3 datasets need somebody.")
    ana.no_traceback()


def decide(ana: Operator) -> None:
    """Approve one from the fleet, switch on the page, force another; a third one waits."""
    line(ana, TITLES[HOUSES]).get_by_role("link", name="Version 1 awaits approval").click()
    ana.click("Approve…")
    ana.in_dialog("Approve and serve it")
    ana.sees("Version 1 is live, and serving answers with it.", LONG)
    switch(ana, HOUSES, TUMOURS)
    assert ana.page.url == f"{ana.console}/promotion?dataset={TUMOURS}"
    ana.click("Force…")
    ana.in_dialog("Force", Reason="to have an answer today", Type_force_1="force 1")
    ana.sees("Version 1 is live, and serving answers with it.", LONG)
    fleet(ana)
    fleet_says(ana, TITLES[HOUSES], "quiet")
    fleet_says(ana, TITLES[TUMOURS], "Follow up on version 1")
    fleet_says(ana, TITLES[DIABETES], "Version 1 awaits approval")
    assert fleet(ana)[-1] == TITLES[HOUSES]
    ana.sees("2 of 3 datasets need somebody.")


def breach(ana: Operator) -> None:
    """Houses grow: the fleet puts them first. Tumours are checked for drift meanwhile."""
    ana.open(f"pipeline?dataset={HOUSES}")
    ask(ana, "Run all", "ingest")
    switch(ana, HOUSES, TUMOURS)
    ask(ana, "Ingest next batch", "ingest")
    ana.sees("Batch 1 of epoch 1", LONG)
    ask(ana, "Check drift", "drift")
    fleet(ana)
    fleet_says(ana, TITLES[HOUSES], "Live model's error on batch 1 is")
    fleet_says(ana, TITLES[TUMOURS], "batch 1")
    assert fleet(ana)[0] == TITLES[HOUSES]
    ana.page.get_by_test_id("stButtonGroup").get_by_text("alert", exact=True).click()
    ana.page.wait_for_url("**only=alert**")
    line(ana, TITLES[TUMOURS]).wait_for(state="detached")
    line(ana, TITLES[HOUSES]).get_by_role("link", name="more").click()
    ana.sees("Version 2 awaits approval", LONG)


def roll_back(ana: Operator) -> None:
    ana.open(f"promotion?dataset={HOUSES}&version=2")
    ana.click("Approve…")
    ana.in_dialog("Approve and serve it")
    ana.sees("Version 2 is live, and serving answers with it.", LONG)
    ana.open(f"promotion?dataset={HOUSES}&tab=History")
    ana.click("Roll back to version 1…")
    ana.in_dialog("Go back to version 1", Reason="answers moved too far")
    ana.sees("Version 1 is live, and serving answers with it.", LONG)
    ana.no_traceback()


def predict(ana: Operator) -> None:
    """The same page of each dataset asks the model of that dataset."""
    ana.open(f"predict?dataset={TUMOURS}")
    ana.click("Predict")
    ana.sees("malignant")
    ana.sees("Version 1")
    switch(ana, TUMOURS, HOUSES)
    ana.sees("Real-estate listings, version 1")
    ana.no_traceback()


def find_a_version(ana: Operator) -> None:
    field = ana.page.get_by_role("textbox", name="Search")
    field.fill("version 2")
    field.press("Enter")  # the only hit
    ana.page.wait_for_url(f"**/promotion?dataset={HOUSES}&version=2")
    ana.sees("Version 2")


def each_dataset_has_its_own_record(house: House) -> None:
    def became_live(name: str) -> list[str]:
        events = house.json("audit", "--dataset", name)[::-1]
        return [e["details"]["action"] for e in events if e["action"] == "live"]

    assert became_live(HOUSES) == ["approve", "approve", "rollback"]
    assert became_live(TUMOURS) == ["force"]
    assert became_live(DIABETES) == []
    assert "verified" in house.cli("audit", "--verify")


class Wire:
    """All that a console sends to a tab while it is open, whether it is shown or not."""

    def __init__(self, page: Page) -> None:
        self.sent = bytearray()
        page.on("websocket", lambda socket: socket.on("framereceived", self._note))

    def _note(self, frame: str | bytes) -> None:
        self.sent += frame.encode() if isinstance(frame, str) else frame


PAGES = ("overview", "pipeline", "pipeline?view=Batches", "drift", "promotion?tab=History",
         "predict", "audit", "services")  # fmt: skip


def test_a_person_sees_only_the_datasets_of_their_roles(
    house: House, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("roles")
    (folder / "roles.toml").write_text(ROLES, encoding="utf-8")
    with provider(folder, PEOPLE) as issuer:
        told = house.cli_env | {"AUTH": "oidc", "AUTH_ROLES_FILE": str(folder / "roles.toml")}
        with console(folder, **told, SECRETS=login_secrets(issuer)) as url:
            an_operator_of_one(browser, url)
            an_approver_of_another(browser, url)


def an_operator_of_one(browser: Browser, url: str) -> None:
    """Opal runs the houses; nothing of the other two reaches her browser."""
    opal = Operator(browser, url)
    wire = Wire(opal.page)
    login(opal.page, url, "opal")
    opal.page.locator(".fleet tbody tr").first.wait_for()
    assert opal.page.locator(".fleet tbody strong").all_inner_texts() == [TITLES[HOUSES]]
    opal.sees("opal")
    opal.open("search?q=version+1")
    opal.page.locator(".hits tbody tr").first.wait_for()
    opal.open("services")
    opal.sees("Costs")
    for path in PAGES:
        first, _, rest = path.partition("?")
        opal.open(f"{first}?dataset={HOUSES}{'&' + rest if rest else ''}")
        opal.page.get_by_role("button", name=TITLES[HOUSES]).wait_for()
        opal.page.wait_for_load_state("networkidle")
    opal.page.get_by_role("button", name=TITLES[HOUSES]).click()
    opal.page.locator(".datasets a").first.wait_for()
    assert opal.page.locator(".datasets a").count() == 1
    opal.no_traceback()
    assert b"Real-estate" in wire.sent  # the wire is heard
    for word in (TITLES[TUMOURS], TITLES[DIABETES], TUMOURS, DIABETES, "malignant"):
        assert word.encode() not in wire.sent, word
    what_is_typed_by_hand(opal)
    cannot_force(opal, HOUSES)
    opal.open(f"pipeline?dataset={HOUSES}")
    ask(opal, "Check drift", "drift")
    opal.leave()


def cannot_force(person: Operator, name: str) -> None:
    from playwright.sync_api import expect

    person.open(f"promotion?dataset={name}&version=2")
    button = person.page.get_by_role("button", name="Force…")
    expect(button).to_be_visible(timeout=LONG)
    expect(button).to_be_disabled()


def what_is_typed_by_hand(opal: Operator) -> None:
    """A dataset of others, one that is not there and one whose name is hostile: one sentence."""
    wire = Wire(opal.page)
    hostile = "<img src=x onerror=alert(1)>"
    for page in ("overview", "promotion", "audit", "predict", "services"):
        for name in (DIABETES, "nothing", hostile):
            opal.open(f"{page}?dataset={quote(name)}")
            opal.sees(f"There is no dataset '{name}' on this desk that you may see.")
    opal.open(f"search?q={DIABETES}")
    opal.sees(f"Nothing found for {DIABETES}.")
    opal.no_traceback()
    assert TITLES[DIABETES].encode() not in wire.sent


def an_approver_of_another(browser: Browser, url: str) -> None:
    """Abel decides about diabetes, sees the houses, and cannot decide about them."""
    abel = Operator(browser, url)
    login(abel.page, url, "abel")
    abel.page.locator(".fleet tbody tr").first.wait_for()
    shown = abel.page.locator(".fleet tbody strong").all_inner_texts()
    assert sorted(shown) == sorted([TITLES[HOUSES], TITLES[DIABETES]])
    cannot_force(abel, HOUSES)
    switch(abel, HOUSES, DIABETES)
    abel.click("Force…")
    abel.in_dialog("Force", Reason="good enough", Type_force_1="force 1")
    abel.sees("Version 1 is live, and serving answers with it.", LONG)
    abel.no_traceback()
    abel.leave()
