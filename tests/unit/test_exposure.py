"""The console is shown without a login on this machine alone, and with one only if it is real."""

from __future__ import annotations

from typing import Any

import pytest

from console.web.exposure_checks import with_login, without_login
from core.rules.access.setting_urls import is_loopback


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_on_loopback_nobody_need_log_in(address: str) -> None:
    assert without_login(address, {"Host": "localhost:8501"}) == ""


@pytest.mark.parametrize(
    "address", [None, "", "0.0.0.0", "::", "10.0.0.5", "desk", "localhost.evil.net", "unix:///s"]
)
def test_elsewhere_it_is_refused_with_what_to_do(address: str | None) -> None:
    why = without_login(address, {"Host": "localhost:8501"})
    assert "AUTH=oidc" in why
    assert "--server.address 127.0.0.1" in why


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.net:8501"},
        {"Host": "127.0.0.1.evil.net"},
        {"Host": "localhost:8501", "Origin": "http://evil.net"},
        {"Host": "localhost@evil.net"},
        {"Host": "[::1"},
        {"Host": "localhost", "Origin": "null"},
    ],
)
def test_a_browser_that_asked_for_another_name_is_refused(headers: dict[str, str]) -> None:
    assert "this request has another" in without_login("127.0.0.1", headers)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"])
def test_behind_a_proxy_it_is_refused(header: str) -> None:
    assert "behind a proxy" in without_login("127.0.0.1", {"Host": "localhost", header: "10.0.0.9"})


def test_loopback_names_are_few() -> None:
    for host in ("localhost", "127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert is_loopback(host)
    for host in ("", "0.0.0.0", "localhost6", "127.1", "2130706433", "foo.localhost"):
        assert not is_loopback(host)


def test_a_provider_of_this_machine_may_have_a_name_of_its_own() -> None:
    local = {
        "redirect_uri": "http://localhost:8501/oauth2callback",
        "server_metadata_url": "http://dex.localhost:5556/dex/.well-known/openid-configuration",
    }
    assert with_login(GOOD | local, trusted_headers=False, checks_origin=True) == ""


GOOD = {
    "redirect_uri": "https://desk.internal/oauth2callback",
    "cookie_secret": "k7" * 20,
    "client_id": "driftdesk",
    "client_secret": "s3cr3t-of-its-own",
    "server_metadata_url": "https://id.internal/.well-known/openid-configuration",
}


def said(auth: dict[str, Any], *, trusted: bool = False, checks: bool = True) -> str:
    return with_login(auth, trusted_headers=trusted, checks_origin=checks)


def test_a_login_that_is_set_up_is_taken() -> None:
    assert said(GOOD) == ""
    assert said(GOOD | {"redirect_uri": "http://localhost:8501/oauth2callback"}) == ""


def test_everything_that_lacks_is_named_at_once() -> None:
    why = said({"client_id": "driftdesk"})
    assert "set redirect_uri, cookie_secret, client_secret, server_metadata_url in [auth]" in why


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize(
    "value", ["", " ", "xxx", "...", "<client id>", "${SECRET}", "change-me", "your-client-id", 7]
)
def test_a_placeholder_is_no_value(name: str, value: Any) -> None:
    assert f"set {name} in [auth]" in said(GOOD | {name: value})


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("cookie_secret", "short", "fewer than 32"),
        ("redirect_uri", "https://desk.internal/", "followed by /oauth2callback"),
        ("redirect_uri", "http://desk.internal/oauth2callback", "must begin with https://"),
        ("redirect_uri", "https://desk.example.com/oauth2callback", "has an example value"),
        ("redirect_uri", "/oauth2callback", "must begin with https://"),
        ("redirect_uri", "http://[/oauth2callback", "must begin with https://"),
        ("server_metadata_url", "http://id.internal/x", "must begin with https://"),
        ("server_metadata_url", "https://your-tenant.okta.com/x", "has an example value"),
    ],
)
def test_a_value_that_cannot_be_right_is_named(name: str, value: str, why: str) -> None:
    found = said(GOOD | {name: value})
    assert name in found
    assert why in found


def test_claims_from_headers_are_refused() -> None:
    assert "server.trustedUserHeaders" in said(GOOD, trusted=True)
    assert "enableXsrfProtection" in said(GOOD, checks=False)
