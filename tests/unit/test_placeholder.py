"""What stands in examples is no secret, and no program starts with it."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest

from core.domain.errors import SettingsError
from core.domain.placeholder_secrets import is_placeholder
from core.platform.settings import Settings, read_settings


@pytest.mark.parametrize(
    "said",
    ["changeme", "CHANGE-ME", "change_this_please", "password", "Password123", "secret", "xxxx",
     "<your key>", "your-secret-here", "example", "root", "123456", "admin-password",
     "${PASSWORD}", "replace me", "placeholder", "..."],
)  # fmt: skip
def test_what_examples_hold_is_a_placeholder(said: str) -> None:
    assert is_placeholder(said)


@pytest.mark.parametrize("said", ["", "correct horse battery staple", "t0p-Zm3kq9", "9" * 24])
def test_what_somebody_chose_is_none(said: str) -> None:
    assert not is_placeholder(said)


def test_random_secrets_are_never_taken_for_placeholders() -> None:
    seed = 20261126
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(2000):
        token = base64.urlsafe_b64encode(rng.randbytes(32)).rstrip(b"=").decode()
        assert not is_placeholder(token), token


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVING_PUSH_SECRET", "changeme"),
        ("SERVING_KEY", "your-key"),
        ("DATABASE_URL", "mysql+pymysql://driftdesk:password@db.example.org/driftdesk"),
        ("REDIS_URL", "redis://:changeme@cache.example.org:6379/0"),
    ],
)
def test_no_program_starts_with_a_placeholder(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}.* placeholder") as refused:
        read_settings()
    assert value not in str(refused.value)


def test_a_database_of_this_machine_may_have_a_simple_password() -> None:
    url = "mysql+pymysql://root:root@127.0.0.1:3306/driftdesk"
    assert Settings(_env_file=None, database_url=url).database == url


def test_secrets_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "serving_key").write_text("kq83-from-a-file\n")
    (tmp_path / "serving_push_secret").write_text("changeme\n")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    with pytest.raises(SettingsError, match="SERVING_PUSH_SECRET"):
        read_settings()
    (tmp_path / "serving_push_secret").write_text("mm4-Zq9\n")
    assert read_settings().serving_key.get_secret_value() == "kq83-from-a-file"
    monkeypatch.setenv("SERVING_KEY", "kq84-from-the-environment")
    assert read_settings().serving_key.get_secret_value() == "kq84-from-the-environment"


def test_a_missing_folder_of_secrets_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="SECRETS_DIR"):
        read_settings()
