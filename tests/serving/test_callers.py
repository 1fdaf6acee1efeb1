"""Who may call serving, how often, from where, and what every answer's head says."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import requests
from pydantic import ValidationError
from typer.testing import CliRunner

from console.cli import main, shared
from core.adapters.serving.client import Client
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import KeyRefused, SettingsError
from core.platform.settings import Settings
from core.rules.access.api_keys import Key, digest_of, write_keys
from serving.http.app import create_app
from serving.http.auth import FailedKeys
from serving.problems import Problem
from tests.build import contract
from tests.databases import migrated
from tests.models import tiny_model
from tests.serving.test_api import ROW, Champions, api, predict, version
from tests.stacks import wait_for


@pytest.fixture
def champions(dataset: Dataset) -> Champions:
    made = Champions()
    made.put(1, tiny_model(contract(dataset)))
    return made


def keyed(url: str, key: str, path: str = "/predict") -> requests.Response:
    return requests.post(
        f"{url}{path}", json=ROW, headers={"authorization": f"Bearer {key}"}, timeout=5
    )


def test_where_there_are_keys_only_who_has_one_is_answered(
    champions: Champions, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(write_keys({digest_of("one"): Key("shop"), digest_of("two"): Key("desk")}))
    with api(champions, tmp_path, serving_keys=str(keys)) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        assert [keyed(url, key).status_code for key in ("one", "two", "three")] == [200, 200, 401]
        refused = predict(url)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer KEY" in refused.json()["detail"]
        for path in ("/predict/batch", "/predict/check", "/feedback"):
            assert requests.post(url + path, json={}, timeout=5).status_code == 401, path
        for path in ("/health/ready", "/model", "/schema", "/metrics", "/docs"):
            assert requests.get(url + path, timeout=5).status_code == 200, path
        header = {"x-api-key": "one"}
        answer = requests.post(f"{url}/predict", json=ROW, headers=header, timeout=5)
        assert answer.status_code == 200
        assert Client(url, "two").predict(ROW).model_version == 1
        with pytest.raises(KeyRefused, match="Set SERVING_KEY"):
            Client(url).predict(ROW)


@pytest.mark.whole
def test_keys_are_added_and_taken_away_without_a_restart(
    champions: Champions, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, database = tmp_path / "keys", f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(database, dataset)
    for name, value in {"DATABASE_URL": database, "SERVING_KEYS": str(keys)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shared, "configure", lambda *_: None)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main.app, ["keys", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    first = run("add", "shop")
    assert keys.stat().st_mode & 0o777 == 0o600
    assert first not in keys.read_text()
    with api(champions, tmp_path, serving_keys=str(keys)) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        assert keyed(url, first).status_code == 200
        second = json.loads(run("add", "shop", "--json"))["key"]
        wait_for("the new key is not known", lambda: keyed(url, second).status_code == 200)
        assert keyed(url, first).status_code == 200
        assert re.search(rf"{digest_of(first)[:12]}  shop", run("list"))
        assert run("remove", "shop", digest_of(first)[:12]) == "Removed 1."
        wait_for("the old key is still good", lambda: keyed(url, first).status_code == 401)
        assert keyed(url, second).status_code == 200
        keys.write_text("not a key file")
        os.utime(keys, (1, 1))
        assert run_fails("keys", "list")
        assert keyed(url, second).status_code == 200
    store = Store.open(database, dataset)
    with store.desk() as desk:  # keys are a fact of the whole desk
        acts = [event.action for event in desk.audit.latest(9)]
    store.close()
    assert acts == ["key removed", "key added", "key added"]


def run_fails(*arguments: str) -> bool:
    done = CliRunner().invoke(main.app, list(arguments))
    return done.exit_code == 1 and "Traceback" not in done.output


def guess(url: str, key: str, **more: str) -> requests.Response:
    headers = {"authorization": f"Bearer {key}"} | {n.replace("_", "-"): v for n, v in more.items()}
    return requests.post(f"{url}/predict", json=ROW, headers=headers, timeout=5)


def test_who_guesses_keys_is_told_to_wait_and_keeps_nobody_else_out(
    champions: Champions, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(write_keys({digest_of("one"): Key("shop"), digest_of("two"): Key("desk")}))
    with api(champions, tmp_path, serving_keys=str(keys)) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        other, guesser = {"x_forwarded_for": "192.0.2.1"}, {"x_forwarded_for": "192.0.2.2"}
        assert guess(url, "two", **guesser).status_code == 200  # a good caller behind one proxy
        answers = [guess(url, f"wrong {n}", **guesser) for n in range(20)]
        assert [a.status_code for a in answers] == [401] * 10 + [429] * 10
        assert all(1 <= int(a.headers["retry-after"]) <= 6 for a in answers[10:])
        # The right key is not told from a wrong one now, there; elsewhere it is.
        assert guess(url, "one", **guesser).status_code == 429
        assert guess(url, "one", **other).status_code == 200
        assert guess(url, "one").status_code == 200
        # Who came with a good key before the guessing is not locked out by it.
        assert guess(url, "two", **guesser).status_code == 200
        assert requests.get(f"{url}/health/ready", timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("addresses", "counted"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::1"], 1),
        (["2001:db8::1", "2001:db8:0:1::1"], 2),
        (["192.0.2.1", "::ffff:192.0.2.1"], 1),
        (["192.0.2.1", "192.0.2.2", "", "unknown"], 4),
    ],
)
def test_guesses_are_counted_for_each_address_and_each_ipv6_network(
    addresses: list[str], counted: int
) -> None:
    failures = FailedKeys()
    for _ in range(10):
        failures.count(addresses[0])
    for address in addresses[:1] if counted > 1 else addresses:
        with pytest.raises(Problem) as refused:
            failures.check(address)
        assert refused.value.status == 429
    for address in addresses[1:] if counted > 1 else []:
        failures.check(address)


def test_the_tables_of_guesses_are_bounded() -> None:
    failures = FailedKeys()
    for n in range(30_000):
        failures.count(f"a{n}")
        failures.trust(f"a{n}", "digest")
    assert len(failures._trusted) == len(failures._rate._full_at) == 10_000


@pytest.mark.parametrize("proxies", ["*", "proxy", "10.0.0.0/33", "10.0.0.1/8"])
def test_proxies_that_are_no_addresses_stop_the_start(proxies: str) -> None:
    with pytest.raises(ValidationError, match=r"addresses or networks, such as 10\.0\.0\.0/8"):
        Settings(_env_file=None, serving_proxies=proxies)


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_key_file_that_cannot_be_used_stops_the_start(
    tmp_path: Path, content: str | None
) -> None:
    keys = tmp_path / "keys"
    if content:
        keys.write_text(content)
    settings = Settings(_env_file=None, data_dir=tmp_path, serving_keys=str(keys))
    with pytest.raises(SettingsError, match="driftdesk keys add"):
        create_app(settings)


def test_who_asks_too_often_is_told_when_to_ask_again(champions: Champions, tmp_path: Path) -> None:
    with api(champions, tmp_path, serving_rate=5.0) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        answers = [predict(url) for _ in range(40)]
        refused = [a for a in answers if a.status_code == 429]
        assert {a.status_code for a in answers} == {200, 429}
        assert all(int(a.headers["retry-after"]) >= 1 for a in refused)
        assert requests.get(f"{url}/health/ready", timeout=5).status_code == 200
        patient = Client(url, retries=3)
        assert patient.predict(ROW).prediction > 0


def test_browsers_of_other_origins_are_let_in_only_where_they_are_named(
    champions: Champions, tmp_path: Path
) -> None:
    asks = {"origin": "https://shop.example"}
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        closed = requests.get(f"{url}/model", headers=asks, timeout=5)
        assert "access-control-allow-origin" not in closed.headers
    with api(champions, tmp_path, serving_origins="https://shop.example") as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        preflight = {**asks, "access-control-request-method": "POST"}
        for path in ("/predict", "/predict/batch"):
            told = requests.options(url + path, headers=preflight, timeout=5)
            assert told.headers["access-control-allow-origin"] == asks["origin"], path
            answer = requests.post(url + path, json={"rows": [ROW]}, headers=asks, timeout=5)
            assert answer.headers["access-control-allow-origin"] == asks["origin"], path
        other = {"origin": "https://evil.example"}
        assert (
            "access-control-allow-origin"
            not in requests.post(f"{url}/predict", json=ROW, headers=other, timeout=5).headers
        )
    with pytest.raises(SettingsError, match="every origin"):
        create_app(Settings(_env_file=None, data_dir=tmp_path, serving_origins="*"))


@pytest.mark.parametrize("path", ["/predict", "/model", "/nothing", "/docs"])
def test_every_answer_says_how_a_browser_is_to_treat_it(
    champions: Champions, tmp_path: Path, path: str
) -> None:
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        ask = requests.post if path == "/predict" else requests.get
        head = ask(url + path, json=ROW, timeout=5).headers
    assert head["x-content-type-options"] == "nosniff"
    assert head["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in head["content-security-policy"]
    assert ("unsafe-inline" in head["content-security-policy"]) is (path == "/docs")


def test_the_documentation_page_needs_no_other_host(champions: Champions, tmp_path: Path) -> None:
    with api(champions, tmp_path) as url:
        page = requests.get(f"{url}/docs", timeout=5).text
        files = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert files
        assert all(file.startswith("/") for file in files)
        assert all(requests.get(url + file, timeout=5).status_code == 200 for file in files)
