"""Heads without end, half heads and slow ones: each is refused, and everybody else is answered."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.domain.dataset import Dataset
from serving.http.head_limits import MAX_HEAD, HeadLimits
from tests.build import contract
from tests.models import tiny_model
from tests.serving.test_api import ROW, Champions, api, predict, version
from tests.stacks import wait_for

BODY = json.dumps(ROW).encode()
REQUEST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
ENDLESS = 60 * 1024 * 1024


@pytest.fixture
def limits() -> HeadLimits:
    return HeadLimits(seconds=0.3, most_waiting=20)


@pytest.fixture
def url(dataset: Dataset, tmp_path: Path, limits: HeadLimits) -> Iterator[str]:
    champions = Champions()
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path, limits=limits) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        yield url


def connect(url: str) -> socket.socket:
    where = urlsplit(url)
    assert where.hostname
    assert where.port
    made = socket.create_connection((where.hostname, where.port), timeout=20)
    made.settimeout(20)
    return made


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    said = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return said
        if not piece:
            return said
        said += piece


def send_on(connection: socket.socket, piece: bytes, most: int) -> int:
    """Send until the other side has had enough; how much was sent."""
    sent = 0
    while sent < most:
        try:
            connection.sendall(piece)
        except OSError:
            break
        sent += len(piece)
    return sent


def problem(said: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


ENDLESS_PARTS = {
    "the first line": b"GET /" + b"a" * 65536,
    "one header": b"GET / HTTP/1.1\r\nx: " + b"a" * 65536,
    "the name of a header": b"GET / HTTP/1.1\r\n" + b"a" * 65536,
    "many headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10000,
    "empty lines": b"\r\n" * 32768,
}


@pytest.mark.parametrize("part", ENDLESS_PARTS)
def test_a_head_without_end_is_refused_and_others_are_answered(url: str, part: str) -> None:
    start = ENDLESS_PARTS[part]
    again = start[-60000:] if part != "many headers" else b"a: b\r\n" * 10000
    with closing(connect(url)) as connection:
        connection.sendall(start)
        sent = send_on(connection, again, ENDLESS)
        assert sent < ENDLESS
        assert predict(url).status_code == 200


def test_what_is_too_large_is_told_as_431_and_just_below_is_answered(url: str) -> None:
    for size, status in ((MAX_HEAD - 200, 200), (MAX_HEAD + 1, 431), (200_000, 431)):
        with closing(connect(url)) as connection:
            padding = b"x-padding: " + b"a" * size + b"\r\n"
            first, end = REQUEST.split(b"\r\n", 1)
            connection.sendall(first + b"\r\n" + padding + b"connection: close\r\n" + end)
            said = rest(connection)
        assert said.startswith(b"HTTP/1.1 %d " % status), size
        if status == 431:
            assert "32,768 bytes" in problem(said)[1]["detail"]


def test_half_a_head_is_told_408_and_one_that_never_begins_is_closed(url: str) -> None:
    with closing(connect(url)) as half, closing(connect(url)) as silent:
        half.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\n")
        status, said = problem(rest(half))
        detail = "The request head did not arrive within 0.3 seconds."
        assert (status, said["detail"]) == (408, detail)
        assert rest(silent) == b""


def test_a_head_that_comes_byte_by_byte_may_take_no_longer(url: str) -> None:
    with closing(connect(url)) as connection:
        sent = send_on(connection, b"a", 100_000_000)
        assert sent < 100_000_000
        assert predict(url).status_code == 200


def test_half_a_second_head_on_a_kept_connection_is_refused_too(url: str) -> None:
    with closing(connect(url)) as connection:
        connection.sendall(REQUEST)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"POST /predict HTTP/1.1\r\n")
        assert problem(rest(connection))[0] == 408


def test_many_half_heads_keep_nobody_out(url: str, limits: HeadLimits) -> None:
    limits.seconds = 60
    held = [connect(url) for _ in range(100)]
    try:
        for connection in held:
            connection.sendall(b"GET /model HTTP/1.1\r\nhost: x\r\n")
        assert predict(url).status_code == 200
        wait_for("more wait than may", lambda: len(limits.waiting) <= limits.most_waiting)
        # Those that have waited longest are closed, and the newest may still finish.
        assert rest(held[0]) == b""
        held[-1].sendall(b"connection: close\r\n\r\n")
        assert rest(held[-1]).startswith(b"HTTP/1.1 200")
    finally:
        for connection in held:
            connection.close()


@pytest.mark.parametrize("part", ["a chunk's extension", "a trailer"])
def test_what_surrounds_a_body_may_not_go_on_without_end(url: str, part: str) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    begins = {
        "a chunk's extension": b"5;x=",
        "a trailer": b"2\r\n{}\r\n0\r\nx: ",
    }
    with closing(connect(url)) as connection:
        connection.sendall(head + begins[part])
        sent = send_on(connection, b"a" * 60000, ENDLESS)
        assert sent < ENDLESS
        assert predict(url).status_code == 200


def test_a_body_that_goes_on_after_its_answer_is_not_listened_to_for_long(url: str) -> None:
    with closing(connect(url)) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")
        sent = send_on(connection, b"a", 500_000_000)
        assert sent < 500_000_000


def test_requests_in_one_piece_and_in_many_are_answered_in_order(url: str) -> None:
    with closing(connect(url)) as connection:
        connection.sendall(REQUEST * 3 + REQUEST[:40])
        connection.sendall(REQUEST[40:-5])
        last = REQUEST[-5:] + REQUEST.replace(b"host: x", b"host: x\r\nconnection: close")
        connection.sendall(last)
        assert rest(connection).count(b"HTTP/1.1 200") == 5


def test_what_is_no_http_is_told_as_a_problem(url: str) -> None:
    with closing(connect(url)) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert problem(rest(connection))[0] == 400
