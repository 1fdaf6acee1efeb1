"""Notices: what is said, how it is signed, and how long it is tried."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.domain.errors import BadInput, SettingsError
from core.platform.settings import Settings, read_settings
from core.rules.ops.notification import (
    MAX_ATTEMPTS,
    Delivery,
    Event,
    Notice,
    body,
    key_of,
    link_to,
    pause_after,
    signature,
)
from tests import build


def notice(**changes: object) -> Notice:
    values = {
        "id": 1, "uid": "u-1", "event": Event.FAILED, "subject": "job:12",
        "text": "Train 12 failed.", "state": Delivery.PENDING, "attempts": 0,
        "created_at": build.NOON, "next_at": build.NOON,
    }  # fmt: skip
    return Notice(**values | changes)  # type: ignore[arg-type]


def test_the_signature_is_the_standards_own_example() -> None:
    # From the specification of Standard Webhooks.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    content = b'{"test": 2432232314}'
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, content)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_plain_secret_is_its_own_key_and_a_bad_one_is_refused() -> None:
    assert key_of("open sesame") == b"open sesame"
    with pytest.raises(BadInput, match="base64"):
        key_of("whsec_?")


def test_the_body_has_text_for_people_and_an_object_for_programs() -> None:
    made = body(notice(), "http://desk/")
    assert made["text"] == "Train 12 failed.\n<http://desk/pipeline?job=12|Open in driftdesk>"
    assert made["driftdesk"] == {
        "id": "u-1", "event": "failed", "subject": "job:12", "text": "Train 12 failed.",
        "link": "http://desk/pipeline?job=12", "at": "2026-11-23T12:00:00+00:00",
    }  # fmt: skip
    assert body(notice(), "")["text"] == "Train 12 failed."


def test_text_from_data_pings_nobody() -> None:
    assert body(notice(text="<!channel> & <http://x|y>"), "")["text"] == (
        "&lt;!channel&gt; &amp; &lt;http://x|y&gt;"
    )


def test_text_from_data_hides_and_reorders_nothing() -> None:
    said = body(notice(text="\u202eevil \x1b[2J\nsecond line"), "")["text"]
    assert said == "\\u202eevil \\x1b[2J\nsecond line"


def test_every_subject_has_a_page() -> None:
    assert link_to(Event.BREACH, "batch:4", "http://d") == "http://d/drift?batch=4"
    assert link_to(Event.BREACH, "batch:2/3", "http://d") == "http://d/drift?batch=2/3"
    assert link_to(Event.CANDIDATE, "version:3", "http://d") == "http://d/promotion?version=3"
    assert link_to(Event.TEST, "webhook", "http://d") == "http://d/services"


def test_the_pauses_grow_and_end() -> None:
    pauses = [pause_after(n) for n in range(1, MAX_ATTEMPTS)]
    assert pauses[0] == timedelta(seconds=10)
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)
    assert pause_after(10**6) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_URL", "file:///etc/passwd"),
        ("WEBHOOK_URL", "ftp://example.com/x"),
        ("WEBHOOK_URL", "https://"),
        ("WEBHOOK_SECRET", "whsec_not base64, but secret"),
        ("WEBHOOK_EVENTS", "breach,nonsense"),
    ],
)
def test_an_impossible_setting_is_named_without_being_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as raised:
        read_settings()
    assert "not base64, but secret" not in str(raised.value)
    assert "passwd" not in str(raised.value)


def test_the_address_and_the_secret_do_not_show_in_the_settings() -> None:
    made = Settings(
        _env_file=None, webhook_url="https://hooks.example/T0/secret", webhook_secret="hush",
        webhook_events="breach, failed",
    )  # fmt: skip
    assert "secret'" not in repr(made)
    assert "hush" not in repr(made)
    assert "T0" not in repr(made)
    assert made.webhook_host == "hooks.example"
    assert made.notified == {Event.BREACH, Event.FAILED, Event.TEST}
