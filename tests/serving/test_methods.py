"""Case L: each route says which methods it takes, HEAD works where GET does, gzip is decoded."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from core.domain.dataset import Dataset
from serving.http import body
from tests.build import contract
from tests.models import tiny_model
from tests.serving.test_api import ROW, Champions, api, version
from tests.stacks import wait_for

LOOKS = ("/health/live", "/health/ready", "/model", "/schema", "/metrics", "/docs",
         "/openapi.json")  # fmt: skip
SAYS = ("/predict", "/predict/batch", "/predict/check", "/feedback", "/model/look")
OTHERS = ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
ID = "7f2c9e40-5b1d-4c57-9a3e-0f3b8f0f6a11"
MEGA = 1024 * 1024

BODIES = {
    "/predict": (JSON, json.dumps(ROW)),
    "/predict/batch": (JSON, json.dumps({"rows": [ROW] * 3})),
    "/predict/batch as NDJSON": (NDJSON, f"{json.dumps(ROW)}\n" * 3),
    "/predict/batch as CSV": (CSV, "bed,bath\n3,2\n1,1\n"),
    "/predict/check": (JSON, json.dumps({"rows": [ROW]})),
    "/feedback": (JSON, json.dumps({"prediction_id": ID, "actual": 1.0})),
}


@pytest.fixture
def url(dataset: Dataset, tmp_path: Path) -> Iterator[str]:
    champions = Champions()
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path, serving_stream_mb=4, serving_push_secret="s") as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        yield url


@pytest.mark.parametrize("path", LOOKS)
def test_head_is_answered_as_get_without_a_body(url: str, path: str) -> None:
    got = requests.get(url + path, timeout=5)
    head = requests.head(url + path, timeout=5)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("path", [*LOOKS, *SAYS])
def test_a_method_that_a_route_does_not_take_is_405_and_names_those_that_it_takes(
    url: str, path: str
) -> None:
    wrong = (*OTHERS, "POST") if path in LOOKS else (*OTHERS, "GET", "HEAD")
    for method in wrong:
        answer = requests.request(method, url + path, timeout=5)
        assert answer.status_code == 405, method
        assert answer.headers["allow"] == ("GET, HEAD" if path in LOOKS else "POST"), method
        assert answer.headers["content-type"] == "application/problem+json", method


def test_pages_and_files_take_looks_alone_and_what_is_not_there_is_404(url: str) -> None:
    for path in ("/", "/docs/oauth2-redirect"):
        answer = requests.post(url + path, timeout=5)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD"), path
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        assert requests.request(method, f"{url}/nothing", timeout=5).status_code == 404


def route(path: str) -> str:
    return path.split(" ", maxsplit=1)[0]


def send(url: str, path: str, content: bytes, encoding: str | None) -> requests.Response:
    headers = {"content-type": BODIES[path][0]} | (
        {"content-encoding": encoding} if encoding is not None else {}
    )
    return requests.post(url + route(path), data=content, headers=headers, timeout=30)


def outcome(answer: requests.Response) -> tuple[int, int]:
    """The status, and how many lines and predictions came back."""
    return answer.status_code, answer.text.count("prediction") + answer.text.count("\n")


@pytest.mark.parametrize("path", BODIES)
def test_a_gzip_body_is_answered_as_the_same_body_in_the_plain(url: str, path: str) -> None:
    plain = BODIES[path][1].encode()
    expected = outcome(send(url, path, plain, None))
    assert expected[0] in (200, 202)
    assert outcome(send(url, path, plain, "identity")) == expected
    for content in (gzip.compress(plain), gzip.compress(plain[:9]) + gzip.compress(plain[9:])):
        for encoding in ("gzip", "GZip", "x-gzip"):
            assert outcome(send(url, path, content, encoding)) == expected


@pytest.mark.parametrize("path", BODIES)
def test_an_encoding_that_is_not_known_is_415_and_says_which_are(url: str, path: str) -> None:
    plain = BODIES[path][1].encode()
    for encoding in ("br", "deflate", "zstd", "gzip, gzip", "nonsense"):
        answer = send(url, path, zlib.compress(plain), encoding)
        assert answer.status_code == 415, encoding
        assert answer.headers["accept-encoding"] == "gzip, identity"
        assert "gzip" in answer.json()["detail"]


@pytest.mark.parametrize("path", BODIES)
def test_what_is_no_gzip_or_breaks_off_is_told(url: str, path: str) -> None:
    whole = gzip.compress(BODIES[path][1].encode())
    for content in (BODIES[path][1].encode(), whole[:-9], whole[:12], whole + b"more", b"\x1f"):
        answer = send(url, path, content, "gzip")
        assert (answer.status_code, "gzip" in answer.json()["detail"]) == (400, True), content


@pytest.mark.parametrize("path", BODIES)
def test_a_bomb_is_not_decoded_beyond_its_bound(url: str, path: str) -> None:
    bomb = gzip.compress(b" " * (40 * MEGA))
    assert len(bomb) < 64 * 1024
    answer = send(url, path, bomb, "gzip")
    assert answer.status_code == 413
    assert "larger than" in answer.json()["detail"]


def test_many_empty_members_are_not_worked_through(url: str) -> None:
    content = gzip.compress(b"") * 100_000
    answer = send(url, "/predict/batch as CSV", content, "gzip")
    assert (answer.status_code, "members" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize("path", ["/predict", "/predict/batch as CSV"])
def test_a_body_that_arrives_too_slowly_times_out(
    url: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece comes in time, and the whole of them never would."""
    monkeypatch.setattr(body, "_GRACE_SECONDS", 0.5)
    where = urlsplit(url)
    assert where.port
    with socket.create_connection(("127.0.0.1", where.port), timeout=20) as connection:
        head = f"POST {route(path)} HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n"
        connection.sendall(f"{head}content-type: {BODIES[path][0]}\r\n\r\n".encode())
        connection.setblocking(False)
        said: list[bytes] = []

        def answered() -> bool:
            try:
                connection.send(b" ")
                said.append(connection.recv(65536))
            except BlockingIOError:
                pass
            return bool(said)

        wait_for("it is still listened to", answered, 20)
    assert said[0].startswith(b"HTTP/1.1 408 ")
