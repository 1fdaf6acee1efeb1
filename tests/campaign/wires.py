"""TCP proxies between driftdesk and its neighbours, which can be cut, be silent, or lie."""

from __future__ import annotations

import contextlib
import socket
import threading
from enum import StrEnum
from typing import Self

_CHUNK = 1 << 16
_LIE = b"<!DOCTYPE html><html><body><h1>Please sign in to the network</h1></body></html>"
_PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_LIE), _LIE)
)
_BROKEN = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: 11\r\n\r\nBad Gateway"
)


class Mode(StrEnum):
    """What a wire does with bytes."""

    PASS = "pass"
    REFUSE = "refuse"  # accepts and closes at once
    SILENT = "silent"  # keeps connections open and carries nothing
    SIGN_IN = "sign in"  # answers each HTTP request with a page of somebody else
    BAD_GATEWAY = "bad gateway"


class Wire:
    """A port of its own in front of another port.

    `cut` closes each connection that is open; `mode` holds for new bytes, on open connections
    too where it can.
    """

    def __init__(self, name: str, target: int) -> None:
        self.name = name
        self._target = target
        self._mode = Mode.PASS
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._passing = threading.Event()
        self._passing.set()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name=f"wire {self.name}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._passing.set()
        self.cut()

    def cut(self) -> int:
        """Close every open connection; returns how many ends there were."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        return len(ends)

    def turn(self, mode: Mode) -> None:
        """Behave so from now on."""
        self._mode = mode
        if mode is Mode.SILENT:
            self._passing.clear()
            return
        self._passing.set()
        if mode is not Mode.PASS:
            self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        if self._mode is Mode.REFUSE:
            near.close()
            return
        if self._mode in (Mode.SIGN_IN, Mode.BAD_GATEWAY):
            answer = _PAGE if self._mode is Mode.SIGN_IN else _BROKEN
            with contextlib.suppress(OSError), near:
                near.settimeout(5)
                near.recv(_CHUNK)
                near.sendall(answer)
            return
        try:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self._lock:
            self._open |= {near, far}
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(_CHUNK):
                self._passing.wait()
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            with self._lock:
                self._open -= {source, sink}
            for end in (source, sink):  # a close alone waits for the other thread's recv
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
