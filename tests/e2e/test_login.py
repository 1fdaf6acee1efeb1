"""People log in at a real OpenID provider, in Chromium, to a console that is a real process."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
import requests

from core.adapters.mlflow.registry import Registry, digest_of
from core.adapters.store import Store
from core.domain.dataset import Dataset
from tests.browser import chromium, tab
from tests.build import contract, proposed, stored_batch
from tests.databases import migrated
from tests.models import tiny_model
from tests.stacks import answers, free_port, process, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 90_000
"""Milliseconds: a page may take long where many tests run at once."""

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours

HOSTILE = "<img/src=x/onerror=alert(1)>@evil.internal"
PEOPLE: dict[str, dict[str, Any]] = {
    "vic": {"email": "Vic@desk.internal", "email_verified": True},
    "ben": {"email": "ben@desk.internal", "groups": ["ml-team"]},
    "ana": {"preferred_username": "ana", "groups": ["ml-leads", "others"]},
    "pretender": {"email": "root@desk.internal", "email_verified": False},
    "hostile": {"email": HOSTILE, "preferred_username": ["a"], "groups": {"a": "b"}},
}
ROLES = f"""
[viewer]
emails = ["vic@desk.internal", {json.dumps(HOSTILE)}]
[operator]
groups = ["ml-team"]
[approver]
groups = ["ml-leads"]
[admin]
emails = ["root@desk.internal"]
"""


@contextmanager
def provider(folder: Path, people: Mapping[str, dict[str, Any]] = PEOPLE) -> Iterator[str]:
    port = free_port()
    told = [json.dumps({"sub": sub} | claims) for sub, claims in people.items()]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    command += [part for claims in told for part in ("--user-claims", claims)]
    with process(command, folder / "provider.log"):
        url = f"http://127.0.0.1:{port}"
        wait_for("no provider", answers(f"{url}/.well-known/openid-configuration"))
        yield url


@contextmanager
def console(folder: Path, address: str = "127.0.0.1", **env: str) -> Iterator[str]:
    """A console on a port of its own; `{console}` in its secrets becomes its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    own = folder / str(port)
    own.mkdir()
    secrets_file = own / "auth.toml"
    secrets_file.write_text(env.pop("SECRETS", "").replace("{console}", url))
    command = [
        sys.executable, "-m", "streamlit", "run", "console/web/asgi.py",
        "--server.headless", "true",
        "--server.address", address, "--server.port", str(port),
        "--secrets.files", str(secrets_file),
    ]  # fmt: skip
    with process(command, own / "log", env):
        wait_for("no console", answers(f"{url}/_stcore/health"))
        yield url


def login_secrets(issuer: str) -> str:
    """Secrets of a console's own for this provider, with `{console}` for its address."""
    return f"""[auth]
redirect_uri = "{{console}}/oauth2callback"
cookie_secret = "{secrets.token_urlsafe(32)}"
client_id = "driftdesk"
client_secret = "{secrets.token_urlsafe(16)}"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
"""


@dataclass(frozen=True)
class Place:
    """A provider, a desk on which version 2 waits, and a way to start consoles at it."""

    folder: Path
    issuer: str
    store: Store
    env: dict[str, str]

    @contextmanager
    def console(self, **env: str) -> Iterator[str]:
        told = self.env | {"AUTH": "oidc", "SECRETS": login_secrets(self.issuer)} | env
        with console(self.folder, **told) as url:
            yield url


@pytest.fixture(scope="module")
def place(
    dataset: Dataset, mlflow_uri: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("login")
    url = f"sqlite:///{folder / 'desk.db'}"
    migrated(url, dataset)
    store = Store.open(url, dataset)
    stored_batch(store)
    registry = Registry(mlflow_uri, "login")
    version = registry.publish(
        tiny_model(contract(dataset), 1.0), job="1", parameters={}, metrics={}, tags={},
        signature=None, requirements=["numpy"],
    )  # fmt: skip
    proposed(store, version, digest=digest_of(registry.fetch(version)))
    roles = folder / "roles.toml"
    roles.write_text(ROLES, encoding="utf-8")
    env = {
        "DATA_DIR": str(folder), "DATABASE_URL": url, "MLFLOW_TRACKING_URI": mlflow_uri,
        "MODEL_NAME": "login", "REDIS_URL": redis_url, "SERVING_URL": "http://127.0.0.1:1",
        "DATA_API_URL": "http://127.0.0.1:1", "AUTH_ROLES_FILE": str(roles),
        "AUTH_ROLES_CLAIM": "groups", "AUTH_CONTACT": "Olga, room 7",
    }  # fmt: skip
    with provider(folder) as issuer:
        yield Place(folder, issuer, store, env)
    store.close()


@pytest.fixture(scope="module")
def desk(place: Place) -> Iterator[str]:
    with place.console() as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # The name of somebody else's page, which its owner has made mean this machine.
    with chromium("--host-resolver-rules=MAP desk.internal 127.0.0.1") as found:
        yield found


def window(browser: Browser, *, dark: bool = False) -> Page:
    page = tab(browser, dark=dark)
    page.set_default_timeout(PATIENCE)
    return page


def sees(page: Page, text: str) -> None:
    """Text as people see it: addresses are kept from becoming links by a word joiner."""
    from playwright.sync_api import expect

    shown = page.get_by_text(text.replace("@", "\u2060@")).first
    expect(shown).to_be_visible(timeout=PATIENCE)


def shows_no(page: Page, role: Literal["link", "button"], name: str) -> None:
    """What was there before may be taken away just after the words that were waited for."""
    from playwright.sync_api import expect

    expect(page.get_by_role(role, name=name)).to_have_count(0, timeout=PATIENCE)


def shows_on_hover(page: Page, button: str, text: str) -> None:
    """A page that is still being drawn moves a button from under the pointer: hover again then."""
    shown = page.get_by_text(text).first

    def hovered() -> bool:
        page.mouse.move(0, 0)
        page.get_by_role("button", name=button).hover(force=True)
        page.wait_for_timeout(1000)
        return shown.is_visible()

    wait_for(f"no hint at {button}", hovered, PATIENCE / 1e3)


def login(page: Page, url: str, who: str) -> None:
    page.goto(url)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name=who, exact=True).click()
    page.wait_for_url(f"{url}/**")


def comes_in(browser: Browser, url: str, who: str) -> Page:
    page = window(browser)
    login(page, url, who)
    page.get_by_role("button", name="Log out").wait_for()
    return page


def go(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("heading", name=name, level=1).wait_for()


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/oauth2/end_session**")
    page.locator("button[type=submit]").first.click()
    page.get_by_role("button", name="Log in").wait_for()


def audit(place: Place, **wanted: str) -> list[Any]:
    with place.store.read() as work:
        return work.audit.latest(**wanted)


def on_record(place: Place, **wanted: str) -> Any:
    """The one event that is wanted, once it is there."""
    wait_for(f"nothing on record of {wanted}", lambda: bool(audit(place, **wanted)), PATIENCE / 1e3)
    (event,) = audit(place, **wanted)
    return event


def buttons(page: Page) -> dict[str, bool]:
    """What stands on the page's buttons, and whether they can be pressed."""
    page.locator("[data-testid=stMainBlockContainer] button").first.wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    # All at once: read one by one, a button that is drawn again meanwhile would be waited for.
    found = page.locator("[data-testid^=stBaseButton]").evaluate_all(
        "buttons => buttons.map(b => [b.innerText, !b.disabled])"
    )
    return {words.split("\n")[-1].strip(): usable for words, usable in found}


@pytest.mark.parametrize("path", ["", "promotion", "audit", "predict?id=1", "services"])
def test_before_the_login_nothing_of_the_desk_is_shown(
    desk: str, browser: Browser, path: str
) -> None:
    page = window(browser)
    page.goto(f"{desk}/{path}")
    page.get_by_role("button", name="Log in").wait_for()
    assert page.locator("h1").all_inner_texts() == ["driftdesk"]
    shows_no(page, "link", "Promotion")
    assert "Version" not in page.content()
    page.context.close()


def test_a_viewer_sees_everything_and_can_press_nothing(
    desk: str, browser: Browser, place: Place
) -> None:
    page = comes_in(browser, desk, "vic")
    sees(page, "vic@desk.internal · viewer")
    go(page, "Promotion")
    page.get_by_role("button", name="Approve…").wait_for()
    assert not any(buttons(page)[name] for name in ("Approve…", "Reject…", "Force…", "Re-evaluate"))
    shows_on_hover(page, "Approve…", "needs an approver. Ask Olga, room 7.")
    go(page, "Pipeline")
    page.get_by_role("button", name="Run all").wait_for()
    acts = ("Ingest next batch", "Check drift", "Run all", "Restart source")
    assert not any(buttons(page)[name] for name in acts)
    go(page, "Services")
    page.get_by_role("button", name="Send a test").wait_for()
    assert not buttons(page)["Send a test"]
    assert audit(place, actor="vic@desk.internal") == []
    page.context.close()


def test_an_operator_runs_and_does_not_decide(desk: str, browser: Browser, place: Place) -> None:
    page = comes_in(browser, desk, "ben")
    go(page, "Promotion")
    page.get_by_role("button", name="Approve…").wait_for()
    found = buttons(page)
    assert found["Re-evaluate"]
    assert not any(found[name] for name in ("Approve…", "Reject…", "Force…"))
    go(page, "Pipeline")
    page.get_by_role("button", name="Check drift").click()
    sees(page, "The comparison is queued.")
    assert not buttons(page)["Restart source"]
    event = on_record(place, actor="ben@desk.internal")
    assert event.action == "request drift"
    assert event.details["by"] == {"role": "operator", "known_by": f"{place.issuer} sub ben"}
    page.context.close()


def test_an_approver_approves_under_their_own_name(
    desk: str, browser: Browser, place: Place
) -> None:
    page = comes_in(browser, desk, "ana")
    sees(page, "ana · approver")
    go(page, "Promotion")
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve and serve it").click()
    sees(page, "is approved; serving is being asked.")
    event = on_record(place, action="approve")
    assert event.actor == "ana"
    assert event.details["by"] == {"role": "approver", "known_by": f"{place.issuer} sub ana"}
    page.context.close()


def test_who_has_no_role_is_told_whom_to_ask_and_can_leave(desk: str, browser: Browser) -> None:
    page = window(browser)
    login(page, desk, "pretender")
    # Their address is an admin's, and nobody has checked it.
    sees(page, "logged in as pretender, but have no role")
    sees(page, "Ask Olga, room 7")
    shows_no(page, "link", "Promotion")
    page.goto(f"{desk}/audit")
    sees(page, "have no role here")
    log_out(page)
    page.context.close()


def test_a_hostile_name_is_text(desk: str, browser: Browser) -> None:
    page = window(browser)
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    login(page, desk, "hostile")
    sees(page, f"{HOSTILE} · viewer")
    assert page.locator("img[src=x]").count() == 0
    assert alerts == []
    page.context.close()


def test_a_logout_holds_in_the_other_tabs(desk: str, browser: Browser, place: Place) -> None:
    first = comes_in(browser, desk, "ben")
    other = first.context.new_page()
    other.goto(f"{desk}/pipeline?view=Schedule")
    other.get_by_role("button", name="Add a schedule…").wait_for()
    before = len(audit(place))
    log_out(first)
    # Without a click: the part of the page that looks by itself is not let in any more.
    sees(other, "You have logged out. Log in again.")
    shows_no(other, "button", "Add a schedule…")
    assert len(audit(place)) == before
    first.context.close()


def test_a_session_ends_in_an_open_tab_by_itself(place: Place, browser: Browser) -> None:
    with place.console(AUTH_HOURS="0.008") as url:  # 29 seconds
        page = comes_in(browser, url, "ben")
        sees(page, "Your session has ended")
        shows_no(page, "link", "Promotion")
        page.reload()  # the browser still has the cookie, and it is worth nothing
        sees(page, "Your session has ended")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("button", name="ben", exact=True).first.click()
        page.get_by_role("button", name="Log out").wait_for()
        page.context.close()


def test_a_cookie_signed_by_somebody_else_is_no_login(
    desk: str, browser: Browser, place: Place
) -> None:
    """Another console, of another secret, at the same provider: its cookie opens nothing here."""
    with place.console() as elsewhere:
        page = comes_in(browser, elsewhere, "ana")
        cookies = page.context.cookies()
        names = {c["name"] for c in cookies}
        assert any("user" in name for name in names), names
        page.goto(desk)  # cookies know no ports, so the browser sends them
        page.get_by_role("button", name="Log in").wait_for()
        page.context.close()


def test_placeholders_are_named_before_anything_is_shown(place: Place, browser: Browser) -> None:
    with place.console(SECRETS='[auth]\nclient_id = "<client id>"\n') as url:
        page = window(browser)
        page.goto(url)
        sees(page, "The login is not configured: set redirect_uri")
        assert page.locator("[data-testid^=stBaseButton]").count() == 0
        page.context.close()


def test_without_login_only_loopback_is_served(place: Place, browser: Browser) -> None:
    none = place.env | {"AUTH": "none"}
    with (
        console(place.folder, **none) as here,
        console(place.folder, "0.0.0.0", **none) as everywhere,
    ):
        page = window(browser)
        page.goto(here)
        sees(page, "Local mode: no login, everyone on this machine is admin")
        page.goto(everywhere)
        sees(page, "it listens on 0.0.0.0")
        shows_no(page, "link", "Promotion")
        page.goto(here.replace("127.0.0.1", "desk.internal"))
        sees(page, "this request has another Host")
        shows_no(page, "link", "Promotion")
        page.context.close()


def test_streamlits_own_addresses_tell_nobody_anything(desk: str) -> None:
    def status(path: str) -> int:
        return requests.get(f"{desk}{path}", timeout=10, allow_redirects=False).status_code

    assert status("/_stcore/health") == 200
    for path in ("metrics", "metrics/", "%6detrics", "agent/openapi.json", "agent/mcp"):
        assert status(f"/_stcore/{path}") == 404, path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_serious_violation_at_the_door(
    desk: str, browser: Browser, *, dark: bool
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = window(browser, dark=dark)
    page.goto(desk)
    page.get_by_role("button", name="Log in").wait_for()
    _is_accessible(Axe().run(page).response)
    login(page, desk, "pretender")
    page.get_by_role("button", name="Log out").wait_for()
    _is_accessible(Axe().run(page).response)
    page.context.close()


def _is_accessible(found: dict[str, Any]) -> None:
    bad = [v for v in found["violations"] if v["impact"] in {"serious", "critical"}]
    assert not bad, [(v["id"], re.sub(r"\s+", " ", str(v["nodes"][:2]))[:300]) for v in bad]
