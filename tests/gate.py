"""A gate before an HTTP server: it passes requests on, and can hold one until it is told."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OWN = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Gate:
    """Where the gate is, what went through, and the one request that it holds."""

    def __init__(self, behind: str) -> None:
        self.behind = urlsplit(behind).netloc
        self.url = ""
        self.passed: list[str] = []
        self.answered: list[str] = []
        self.holds = threading.Event()
        self._wanted = ""
        self._open = threading.Event()
        self._lock = threading.Lock()

    def hold(self, start: str) -> None:
        """Hold the next request whose method and path contain this."""
        self._open.clear()
        self.holds.clear()
        self._wanted = start

    def release(self) -> None:
        """Let the request that is held go on."""
        self._open.set()

    def count(self, what: str) -> int:
        """How many requests went through whose method and path contain this."""
        return sum(what in line for line in self.passed)

    def answers(self, what: str) -> int:
        """How many of them the server has answered."""
        return sum(what in line for line in self.answered)

    def enter(self, line: str) -> None:
        """Wait at the gate, if this is the request to hold."""
        with self._lock:
            held = bool(self._wanted) and self._wanted in line
            if held:
                self._wanted = ""
        if held:
            self.holds.set()
            self._open.wait(300)
        self.passed.append(line)


def _handler(gate: Gate) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            gate.enter(f"{self.command} {self.path}")
            behind = http.client.HTTPConnection(gate.behind, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _OWN | {"host"}}
            behind.request(self.command, self.path, body, headers)
            answer = behind.getresponse()
            said = answer.read()
            behind.close()
            gate.answered.append(f"{self.command} {self.path}")
            try:
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in _OWN:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
            except OSError:  # whoever asked is dead
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _pass_on  # noqa: N815 - the library's

    return Handler


@contextmanager
def gate_before(url: str) -> Iterator[Gate]:
    """A gate on a free port before the server at this URL."""
    gate = Gate(url)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gate))
    server.daemon_threads = True
    gate.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        gate.release()
        server.shutdown()
        server.server_close()
        thread.join()
