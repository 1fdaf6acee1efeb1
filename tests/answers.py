"""A data API on loopback whose next answers are whatever bytes a test puts in line."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

END = json.dumps({"detail": "Ya se recolectó toda la información minima necesaria"}).encode()

Speak = Callable[[socket.socket, Event], None]
"""Writes an answer to a connection; the event is set when the server closes."""


def batch_body(number: Any, rows: list[Any], **more: Any) -> bytes:
    """A batch as the data API says it."""
    return json.dumps({"group_number": 7, "batch_number": number, "data": rows} | more).encode()


def whole(body: bytes, *heads: str, status: str = "200 OK", length: str | None = None) -> bytes:
    """A complete answer; `length` replaces its Content-Length, and "" leaves it out."""
    said = str(len(body)) if length is None else length
    lines = [f"HTTP/1.1 {status}", *heads, *([f"Content-Length: {said}"] if said else [])]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class NextAnswers:
    """The server: each `/data` gets the next answer in line, and the end of data after the last."""

    def __init__(self, listening: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.line: deque[bytes | Speak] = deque()
        self.asked: list[str] = []
        self.closing = Event()
        self._listening = listening
        self._threads: list[Thread] = []

    def put(self, *answers: bytes | Speak) -> None:
        self.line.extend(answers)

    def serve(self) -> None:
        while not self.closing.is_set():
            try:
                peer, _ = self._listening.accept()
            except OSError:
                return
            thread = Thread(target=self._speak, args=(peer,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _speak(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request and (got := peer.recv(4096)):
                request += got
            path = request.split(b" ", 2)[1].split(b"?")[0].decode()
            self.asked.append(path)
            if path != "/data":
                peer.sendall(whole(b'{"ok": true}'))
            elif not self.line:
                peer.sendall(whole(END, status="400 Bad Request"))
            else:
                answer = self.line.popleft()
                if isinstance(answer, bytes):
                    peer.sendall(answer)
                else:
                    answer(peer, self.closing)

    def close(self) -> None:
        self.closing.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(5)


@contextmanager
def next_answers(*answers: bytes | Speak) -> Iterator[NextAnswers]:
    server = NextAnswers(socket.create_server(("127.0.0.1", 0)))
    server.put(*answers)
    thread = Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(5)


def silent(after: bytes = b"") -> Speak:
    """Some bytes, and then nothing on a connection that stays open."""

    def speak(peer: socket.socket, closing: Event) -> None:
        peer.sendall(after)
        closing.wait(60)

    return speak


def trickle(head: bytes, piece: bytes, every: float = 0.05) -> Speak:
    """A head, and then a piece now and then, without end."""

    def speak(peer: socket.socket, closing: Event) -> None:
        peer.sendall(head)
        while not closing.wait(every):
            peer.sendall(piece)

    return speak


def endless(head: bytes, piece: bytes) -> Speak:
    """A head, and then pieces as fast as they are taken, without end."""

    def speak(peer: socket.socket, closing: Event) -> None:
        peer.sendall(head)
        while not closing.is_set():
            peer.sendall(piece)

    return speak


def cut(answer: bytes) -> Speak:
    """An answer that is shorter than it says, on a connection that is closed then."""

    def speak(peer: socket.socket, _closing: Event) -> None:
        peer.sendall(answer)

    return speak
