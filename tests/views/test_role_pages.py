"""What the pages show by role: the login, disabled buttons, and sessions that expire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from console.desk import Desk
from console.web import session
from core.domain.dataset import Dataset
from core.domain.errors import LoggedOut
from core.platform.settings import Settings
from tests.build import proposed, stored_batch
from tests.stacks import ROOT
from tests.views.desks import at_a_desk, button, labels, text

APP = str(ROOT / "console" / "web" / "app.py")
ROLES = """
[viewer]
emails = ["vic@desk.internal"]
[operator]
emails = ["ben@desk.internal"]
[approver]
emails = ["ana@desk.internal"]
[admin]
emails = ["amy@desk.internal"]
"""
AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "k7" * 20,
    "client_id": "driftdesk",
    "client_secret": "s3cr3t-of-its-own",
    "server_metadata_url": "http://localhost:9400/.well-known/openid-configuration",
}


class Secrets(dict[str, Any]):
    """A fake of Streamlit's secrets with what the session reads."""

    def load_if_toml_exists(self) -> bool:
        return True


@pytest.fixture
def roles(tmp_path: Path) -> Path:
    path = tmp_path / "roles.toml"
    path.write_text(ROLES, encoding="utf-8")
    return path


@pytest.fixture
def desk(
    tmp_path: Path, roles: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    monkeypatch.setattr(st, "secrets", Secrets(auth=AUTH))
    told = {"auth": "oidc", "auth_roles_file": str(roles), "auth_contact": "Olga, room 7",
            "webhook_url": "http://127.0.0.1:1/"}  # fmt: skip
    with at_a_desk(tmp_path, dataset, monkeypatch, **told) as made:
        config.set_option("server.address", "0.0.0.0")
        stored_batch(made.store)
        proposed(made.store, 1)
        yield made


def token(email: str, age: timedelta = timedelta(minutes=1), **claims: Any) -> dict[str, Any]:
    return {
        "is_logged_in": True, "iss": "http://localhost:9400", "sub": email, "email": email,
        "iat": int((datetime.now(UTC) - age).timestamp()),
    } | claims  # fmt: skip


def opened(user: dict[str, Any], name: str = "", **query: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60)
    app.user = user
    for key, value in query.items():
        app.query_params[key] = value
    if name:
        app.switch_page(f"views/{name}.py")
    app.run()
    assert not app.exception, app.exception
    return app


def greyed(app: AppTest) -> dict[str, bool]:
    return {b.label: b.disabled for b in app.button}


def test_no_page_is_shown_before_the_login(desk: Desk) -> None:
    for user in ({}, {"is_logged_in": False}, {"email": "amy@desk.internal"}):
        app = opened(user)
        assert labels(app) == ["Log in"]
        assert [t.value for t in app.title] == ["driftdesk"]


ACTS = {
    "pipeline": ["Ingest next batch", "Check drift", "Train anyway", "Run all", "Restart source"],
    "promotion": ["Approve…", "Reject…", "Force…", "Re-evaluate"],
    "services": ["Send a test"],
}
MAY = {
    "vic": [],
    "ben": ["Ingest next batch", "Check drift", "Train anyway", "Run all", "Re-evaluate"],
    "ana": ["Ingest next batch", "Check drift", "Train anyway", "Run all", "Re-evaluate",
            "Approve…", "Reject…", "Force…"],
    "amy": [name for names in ACTS.values() for name in names],
}  # fmt: skip


@pytest.mark.parametrize("page", ACTS)
@pytest.mark.parametrize("who", MAY)
def test_what_somebody_may_not_is_grey_and_says_why(desk: Desk, who: str, page: str) -> None:
    app = opened(token(f"{who}@desk.internal"), page)
    for name in ACTS[page]:
        found = button(app, name)
        assert found.disabled is (name not in MAY[who]), name
        if found.disabled:
            assert f"{who}@desk.internal is" in found.help.replace("\\", "").replace("\u2060", "")
            assert "Ask Olga, room 7" in found.help.replace("\\", "")


def test_what_is_grey_does_nothing_when_it_is_pressed_anyway(desk: Desk) -> None:
    app = opened(token("vic@desk.internal"), "pipeline")
    found = button(app, "Ingest next batch")
    found.proto.disabled = False  # as somebody does who tampers with the page
    found.click().run()
    with desk.store.read() as work:
        assert work.jobs.open() == []


def test_the_header_says_who_and_as_what(desk: Desk) -> None:
    assert "ana@desk.internal · approver" in text(opened(token("Ana@desk.internal")))


def test_without_a_role_there_is_a_page_that_says_whom_to_ask(desk: Desk) -> None:
    app = opened(token("eve@desk.internal"))
    assert labels(app) == ["Log out"]
    assert "eve@desk.internal, but have no role" in text(app).replace("**", "")
    assert "Ask Olga, room 7" in text(app)


def test_a_role_that_was_taken_away_is_gone_at_the_next_click(desk: Desk, roles: Path) -> None:
    app = opened(token("ben@desk.internal"), "pipeline")
    roles.write_text("[viewer]\nemails = ['ben@desk.internal']", encoding="utf-8")
    button(app, "Ingest next batch").click().run()
    assert "ben@desk.internal is viewer here; running jobs needs an operator" in text(app)
    roles.write_text("[viewer]\nemails = ['vic@desk.internal']", encoding="utf-8")
    app.run()
    assert labels(app) == ["Log out"]
    roles.write_text("[viewer", encoding="utf-8")
    app.run()
    assert "cannot be used" in text(app)
    assert labels(app) == ["Log out"]


def test_a_session_that_ended_does_nothing_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session expired while the page was open: a click does nothing and shows the login."""
    app = opened(token("ben@desk.internal", timedelta(hours=7)), "pipeline")
    assert not button(app, "Ingest next batch").disabled
    app.user = token("ben@desk.internal", timedelta(hours=8))
    button(app, "Ingest next batch").click().run()
    assert labels(app) == ["Log in"]
    assert "Your session has ended: it lasts 8 hours" in text(app)
    assert "Your last action was not carried out." in text(app)
    with desk.store.read() as work:
        assert work.jobs.open() == []


def test_a_login_that_was_ended_is_ended_in_the_other_tab(desk: Desk) -> None:
    ben = token("ben@desk.internal")
    one, other = opened(ben), opened(ben, "pipeline")
    button(one, "Log out").click().run()
    button(other, "Ingest next batch").click().run()
    assert labels(other) == ["Log in"]
    assert "You have logged out" in text(other)
    later = ben | {"iat": ben["iat"] + 1}
    assert "ben@desk.internal · operator" in text(opened(later))


def test_a_download_is_not_made_for_who_has_left(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def script() -> None:
        from console.queries import status
        from console.web import page_state as kept
        from console.web import reading

        kept.set_state("put", reading.deferred_query(status.status))

    app = AppTest.from_function(script, default_timeout=60)
    app.user = token("ben@desk.internal", timedelta(hours=8) - timedelta(seconds=60))
    app.run()
    assert not app.exception
    put = app.session_state["put"]
    assert put().last_batch
    monkeypatch.setattr("console.web.session.datetime", Later)
    with pytest.raises(LoggedOut):
        made.append(put())
    assert made == []


class Later(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(minutes=2)


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"iat": None}, "no usable iat"),
        ({"sub": ["ben"]}, "no usable iss and sub"),
        ({"iss": "a\nb"}, "no usable iss and sub"),
    ],
)
def test_a_login_that_cannot_be_used_is_said_with_a_way_out(
    desk: Desk, claims: dict[str, Any], says: str
) -> None:
    app = opened(token("ben@desk.internal", **claims))
    assert says in text(app)
    assert labels(app) == ["Log out"]


def test_a_login_that_is_not_set_up_shows_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(st, "secrets", Secrets(auth=AUTH | {"client_secret": "xxx"}))
    app = opened({})
    assert "set client_secret in [auth]" in text(app)
    assert labels(app) == []
    config.set_option("server.trustedUserHeaders", {"X-User": "email"})
    monkeypatch.setattr(st, "secrets", Secrets(auth=AUTH))
    try:
        assert "server.trustedUserHeaders" in text(opened(token("amy@desk.internal")))
    finally:
        config.set_option("server.trustedUserHeaders", {})


def test_settings_that_give_nobody_a_role_are_named(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(st, "secrets", Secrets(auth=AUTH))
    for told, says in (
        ({}, "Set AUTH_ROLES_FILE"),
        ({"auth_role_map": "admin=ml"}, "set AUTH_ROLES_CLAIM"),
        ({"auth_roles_file": str(tmp_path / "none")}, "cannot be read: No such file"),
    ):
        st.cache_resource.clear()
        folder = tmp_path / says[:4]
        folder.mkdir()
        with at_a_desk(folder, dataset, monkeypatch, auth="oidc", **told):
            app = opened(token("amy@desk.internal"))
            assert says in text(app)
            assert labels(app) == ["Log out"]


@pytest.mark.parametrize("address", [None, "0.0.0.0", "192.168.0.4"])
def test_without_login_a_console_that_others_can_reach_shows_nothing(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    with at_a_desk(tmp_path, dataset, monkeypatch) as desk:
        assert "Local mode: no login, everyone on this machine is admin" in text(opened({}))
        app = opened({}, "pipeline")
        config.set_option("server.address", address)
        button(app, "Ingest next batch").click().run()
        assert "Set AUTH=oidc" in text(app)
        assert labels(app) == []
        with desk.store.read() as work:
            assert work.jobs.open() == []


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.net"}, {"Host": "localhost", "X-Forwarded-For": "10.0.0.9"}]
)
def test_without_login_another_name_and_a_proxy_are_refused(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    class Context:
        def __init__(self) -> None:
            self.headers = headers

    with at_a_desk(tmp_path, dataset, monkeypatch):
        monkeypatch.setattr(session.st, "context", Context())
        app = opened({})
        assert "Without a login" in text(app)
        assert labels(app) == []


def test_the_setting_takes_only_pairs_that_can_be_used() -> None:
    with pytest.raises(ValueError, match="no role 'boss'"):
        Settings(_env_file=None, auth_role_map="boss=ml")
