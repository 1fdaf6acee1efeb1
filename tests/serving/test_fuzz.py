"""Bad bodies, ten thousand under THOROUGH: no server error, no NaN, no growing memory."""

from __future__ import annotations

import http.client
import json
import math
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from core.domain.dataset import Dataset
from tests.build import contract
from tests.replica import ROW, SUM, Replica, replica
from tests.serving.mutate import mutated, placed
from tests.stacks import THOROUGH

SEED, COUNT, CLIENTS = 20261124, 10_000 if THOROUGH else 2_000, 4
GROWTH_MB = 50


class Client(threading.Thread):
    """Sends its share over one connection, and keeps what should not have come back."""

    def __init__(self, port: int, seed: int, count: int) -> None:
        super().__init__(daemon=True)
        self._port, self._dice, self._count = port, random.Random(seed), count
        self.statuses: Counter[int] = Counter()
        self.wrong: list[Any] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        for _ in range(self._count):
            path, kind, body = placed(self._dice, mutated(self._dice))
            try:
                connection.request("POST", path, body, {"content-type": kind} if kind else {})
                answer = connection.getresponse()
                said = answer.read()
            except (ConnectionError, http.client.HTTPException) as error:
                # A body beyond its bound is refused before it is read, and the line may be cut.
                connection.close()
                if len(body) < 60_000:
                    self.wrong.append((path, body[:200], repr(error)))
                continue
            self.statuses[answer.status] += 1
            found = amiss(answer.status, answer.headers.get("content-type", ""), said)
            if found:
                self.wrong.append((found, path, kind, body[:200], answer.status, said[:300]))
        connection.close()


def amiss(status: int, kind: str, said: bytes) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if status >= 500:
        return "a fault of ours"
    if status >= 400:
        problem = json.loads(said)
        if kind != "application/problem+json" or not problem["detail"]:
            return "no problem details"
        named = all(e["pointer"].startswith("#") and e["detail"] for e in problem.get("errors", []))
        return "" if named else "an error without its field or rule"
    if kind.startswith("text/csv"):
        return "NaN" if b"nan" in said.lower().split(b"error")[0] else ""
    lines = said.splitlines() if "ndjson" in kind else [said]
    return next((found for found in map(_not_finite, lines) if found), "")


def _not_finite(line: bytes) -> str:
    def refuse(token: str) -> None:
        raise ValueError(token)

    try:
        document = json.loads(line, parse_constant=refuse)
    except ValueError as error:
        return f"no JSON: {error}"
    value = document.get("prediction", 0.0) if isinstance(document, dict) else 0.0
    return "" if math.isfinite(value) else "no number"


def test_bad_bodies(dataset: Dataset, tmp_path: Path) -> None:
    print(f"seed {SEED}")
    with replica(tmp_path, contract(dataset), serving_streams=4 * CLIENTS) as server:
        run(server, COUNT // 10, SEED)  # what it needs once is not growth
        before = server.rss_mb()
        statuses = run(server, COUNT, SEED + 1)
        grown = server.rss_mb() - before
        print(f"{sum(statuses.values())} answers {dict(statuses)}, {grown:.1f} MB more")
        assert grown < GROWTH_MB
        answer = server.ask(ROW).json()
        assert answer["prediction"] == SUM


def run(server: Replica, count: int, seed: int) -> Counter[int]:
    clients = [Client(server.port, seed * 10 + n, count // CLIENTS) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(240)
    wrong = [w for client in clients for w in client.wrong]
    assert wrong[:3] == []
    assert not any(client.is_alive() for client in clients)
    return sum((client.statuses for client in clients), Counter())
