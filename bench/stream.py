"""A hundred thousand rows through `/predict/batch` against the runtime's own time for them.

    python bench/stream.py [--rows ../shared/realtor/rows.csv] [--count 100000]

The reference is one process that reads the same NDJSON or CSV with the same checks and runs the
model on it, chunk by chunk, and nothing else: no HTTP, no ids, no ranges, no record, no answer
written. The service does all of that. Both are timed in turn, three rounds, medians; the service
as the client sees it (first byte sent to last byte read) and by its own processor time until every
row is in its database. Memory is the process's peak over what it had before the first stream.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import http.client
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from peers.subject import make
from training import REALTOR

from core.adapters.onnx_runtime import Runtime
from core.adapters.store.migrate import migrate
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from core.rules.model.contract_batch import read_columns
from serving.http.stream import Format, csv_chunks, ndjson_chunks

ROUNDS = 3
PIECE = 64 * 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=Path, default=REALTOR / "rows.csv")
    options.add_argument("--count", type=int, default=100_000)
    chosen = options.parse_args()
    dataset = load(SHIPPED_DATASETS / "real_estate.toml")
    subject = make(dataset, chosen.rows)
    rows = [subject.rows[n % len(subject.rows)] for n in range(chosen.count)]
    bodies = {Format.NDJSON: ndjson(rows), Format.CSV: as_csv(rows, list(subject.rows[0]))}
    runtime = Runtime(subject.model)
    print(f"{chosen.count:,} rows, medians of {ROUNDS} rounds")
    print("| format | MB | runtime + parsing s | streamed s | ratio | server CPU s | MB more |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        keep(subject.model, Path(name) / "serving")
        migrate(f"sqlite:///{Path(name) / 'log.db'}", dataset)
        service = Service(Path(name))
        try:
            for format_, body in bodies.items():
                measure(format_, body, runtime, service)
        finally:
            service.stop()


def measure(format_: Format, body: bytes, runtime: Runtime, service: Service) -> None:
    bare, streamed, cpu = [], [], []
    idle = service.peak()
    for _ in range(ROUNDS):
        start = time.perf_counter()
        alone(format_, body, runtime)
        bare.append(time.perf_counter() - start)
        before, start = service.used(), time.perf_counter()
        service.answered += ask(service.port, body, format_)
        streamed.append(time.perf_counter() - start)
        while service.recorded() < service.answered:
            time.sleep(0.1)
        cpu.append(service.used() - before)
    ratio = median(s / b for s, b in zip(streamed, bare, strict=True))
    print(
        f"| {format_.name} | {len(body) / 1e6:.1f} | {median(bare):.2f} | {median(streamed):.2f} | "
        f"{ratio:.2f} | {median(cpu):.2f} | {(service.peak() - idle) / 1024:.0f} |"
    )


def alone(format_: Format, body: bytes, runtime: Runtime) -> None:
    file = io.BytesIO(body)
    lots = csv_chunks(file, runtime.contract) if format_ is Format.CSV else ndjson_chunks(file)
    for rows, amiss in lots:
        columns, problems = read_columns(runtime.contract, rows, typed=True)
        assert not amiss
        assert not problems
        runtime.predict(columns)


def ask(port: int, body: bytes, format_: Format) -> int:
    """Stream a body and read the answer; returns how many rows were answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def pieces() -> Iterator[bytes]:
        for n in range(0, len(body), PIECE):
            yield body[n : n + PIECE]

    connection.request(
        "POST", "/predict/batch", pieces(), {"content-type": format_.value}, encode_chunked=True
    )
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    lines = 0
    while piece := answer.read(PIECE):
        lines += piece.count(b"\n")
    connection.close()
    return lines - (format_ is Format.CSV)


def ndjson(rows: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_csv(rows: list[dict[str, object]], names: list[str]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def keep(model: bytes, shelf: Path) -> None:
    """Put a model where a warm start finds it."""
    shelf.mkdir(parents=True)
    digest = hashlib.sha256(model).hexdigest()
    (shelf / f"{digest}.onnx").write_bytes(model)
    (shelf / "live.json").write_text(json.dumps({"version": 1, "digest": digest}))


class Service:
    """driftdesk's own serving with a kept model and a database of its own."""

    def __init__(self, folder: Path) -> None:
        self._database = folder / "log.db"
        self.answered = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        told = {
            "DATA_DIR": str(folder), "DATABASE_URL": f"sqlite:///{self._database}",
            "SERVING_PORT": str(self.port), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
            "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self._child = subprocess.Popen(
            [sys.executable, "-m", "serving"], env=os.environ | told, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not self._is_ready():
            assert self._child.poll() is None, "serving ended at its start"
            assert time.monotonic() < deadline, "serving is not ready"
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def stop(self) -> None:
        self._child.terminate()
        self._child.wait(20)

    def recorded(self) -> int:
        with sqlite3.connect(self._database) as database:
            return int(database.execute("SELECT COUNT(*) FROM predictions").fetchone()[0])

    def used(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self) -> int:
        """The most memory it ever had, in KiB."""
        lines = Path(f"/proc/{self._child.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    main()
