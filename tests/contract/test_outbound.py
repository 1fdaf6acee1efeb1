"""Requests to the URLs in the settings, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.adapters.http_session import Session
from core.adapters.serving.replicas import probe
from core.adapters.store import Store
from core.domain.errors import SourceRefused
from core.domain.jobs import JobState
from tests.receiver import Receiver, receiver
from tests.work import ingest
from workers.sources.data_api import DataApi
from workers.sources.http_exchange import Limits


@pytest.fixture
def api() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def other() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def port(of: Receiver) -> int:
    return urlsplit(of.url).port or 0


def test_a_redirect_is_not_followed(
    api: Receiver, other: Receiver, store: Store, tmp_path: Path
) -> None:
    api.answers = [(302, other.url), (307, other.url), (301, other.url), (302, other.url)]
    job = ingest(store, api.url, tmp_path)
    assert job.state is JobState.FAILED
    assert "HTTP 302" in job.error
    with pytest.raises(SourceRefused, match="HTTP 307"):
        DataApi(api.url, 7, "", Limits(silence=5)).restart()
    assert Session().get(api.url).status_code == 301
    assert probe(api.url).says == "HTTP 302"
    assert len(api.got) == 4
    assert other.got == []


def test_proxies_and_passwords_of_the_environment_are_left_alone_unless_meant(
    api: Receiver, other: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ana password geheim\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port(other)}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port(other)}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    DataApi(api.url, 7, "", Limits(silence=5)).restart()
    ((headers, _),) = api.got
    assert "authorization" not in headers
    assert other.got == []
    DataApi(api.url, 7, "", Limits(silence=5), proxied=True).restart()
    assert (len(api.got), len(other.got)) == (1, 1)


def test_the_bundle_of_trusted_issuers_in_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ca.pem")
    assert Session().verify == "/etc/ca.pem"
