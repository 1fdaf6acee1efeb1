"""What an answer of serving costs beside its peers, with one model and the same rows for all.

    make bench-serving
    make bench-serving ARGS="--rounds 1 --only driftdesk,empty-fastapi"
    make bench-serving ARGS="--database mysql+pymysql://root@127.0.0.1:3306/bench"

One model is trained on the real rows, or on stand-in ones where those are not at hand, and
published into a private MLflow. The servers, one process each:

- driftdesk: `python -m serving`, following that MLflow, with its prediction log on;
- empty-fastapi: validates the row by a model made from the contract, and answers with a constant;
- empty-starlette: parses the JSON, and answers with a constant;
- sklearn-fastapi: FastAPI, a DataFrame of one row and the fitted model before its export;
- mlflow: `mlflow models serve` of the same file (`peers/logged.py` says why through a wrapper);
- mlflow-sklearn: the same of an ordinary scikit-learn pipeline, which is another model of the same
  rows and columns: what is usually meant by serving with MLflow.

Servers run on one core, the load generator (`peers/load.py`) and MLflow on the other. In each round
every server is taken in turn: a closed loop with 1 and with 16 connections, then an open loop at
80 % of the requests a second that 16 connections got. Processor time is that of the server's whole
process tree, its log included, from /proc. Tables have medians over rounds, and ratios are taken
within a round. A server whose start takes more than five seconds is started once, others in each
round. driftdesk's start is its second: with the model on its disk.

A database that is named gets the predictions of the run: give it one of its own.
"""

from __future__ import annotations

import argparse
import compileall
import json
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from peers import subject
from peers.measure import Load, Round, Server
from peers.processes import CORES, ROOT, Trouble
from peers.servers import check, publish, registry, servers
from training import REALTOR

from core.adapters.mlflow.registry import digest_of
from core.adapters.store.migrate import migrate
from core.adapters.store.tables import predictions
from core.domain.errors import DriftdeskError
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from tests.record import decide_at
from tests.stacks import free_port

SLOW_START = 5.0
LIBRARIES = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "onnxruntime",
             "scikit-learn", "pandas", "mlflow")  # fmt: skip


def on_record(database: str) -> int:
    engine = sa.create_engine(database)
    with engine.connect() as connection:
        count = connection.exec_driver_sql(f"SELECT COUNT(*) FROM {predictions.name}").scalar()
    engine.dispose()
    return int(count or 0)


def run(options: argparse.Namespace, open_: ExitStack) -> None:
    folder = Path(
        open_.enter_context(tempfile.TemporaryDirectory("", "bench-", ignore_cleanup_errors=True))
    )
    for package in ("core", "serving", "workers"):  # as an installed package has it
        compileall.compile_dir(ROOT / package, quiet=2)
    port = free_port()
    mlflow = open_.enter_context(registry(folder, port))
    dataset = load(SHIPPED_DATASETS / "real_estate.toml")
    about = subject.make(dataset, options.rows)
    about.write(folder)
    database = options.database or f"sqlite:///{folder / 'desk.db'}"
    migrate(database, dataset)
    before = on_record(database)
    mlflow.ready(port, "/health")
    uri = f"http://127.0.0.1:{port}"
    version = publish(uri, about, dataset, folder)
    decide_at(database, dataset, version, digest_of(about.model))  # serving takes what was decided
    chosen = [s for s in servers(folder, uri, database) if s.name in options.only]
    generator = Load(folder, options.seconds, random_gaps=options.random_gaps)
    open_.enter_context(generator.process)
    for server in chosen:
        (folder / f"{server.name}.json").write_text(json.dumps([*map(server.body, about.rows)]))
        open_.callback(server.stop)
        server.start(folder, about.rows[0])
        check(server, about)
    for number in range(options.rounds):
        for server in chosen:
            if (number == 0 and server.name == "driftdesk") or server.cold < SLOW_START:
                server.start(folder, about.rows[0])
            print(f"round {number + 1}: {server.name}", file=sys.stderr)
            server.rounds.append(generator.measure(server))
    for server in chosen:
        server.stop()
    report(chosen, "real" if options.rows.exists() else "stand-in")
    for server in chosen:
        if server.name == "driftdesk":
            kept = on_record(database) - before
            print(f"\nPrediction log: {kept:,} of {server.answers:,} answers are on record.")


def report(chosen: Sequence[Server], rows: str) -> None:
    about = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    split = "servers on one, load on the other" if len(CORES) > 1 else "all on it"
    print(
        f"{len(CORES)} cores ({split}), Python {platform.python_version()}, {about}; {rows} rows\n"
    )
    print("| server | CPU µs/request (1 / 16) | p50 ms (1 / 16) | p99 ms (1 / 16) "
          "| requests/s (1 / 16) | RSS MB | cold s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for s in chosen:

        def both(what: str, digits: int, s: Server = s) -> str:
            sides = [[getattr(getattr(r, n), what) for r in s.rounds] for n in ("one", "many")]
            return " / ".join(f"{median(side):,.{digits}f}" for side in sides)

        rss, cold = median(r.rss for r in s.rounds), median(r.cold for r in s.rounds)
        print(f"| {s.name} | {both('cpu', 0)} | {both('p50', 2)} | {both('p99', 2)} "
              f"| {both('rate', 0)} | {rss:.0f} | {cold:.1f} |")  # fmt: skip
    print("\n| open loop at 80 % | requests/s | CPU µs/request | p50 ms | p99 ms | p99 / p50 |")
    print("|---|---|---|---|---|---|")
    for s in chosen:
        rate, cpu, p50, p99, ratio = (
            median(values)
            for values in zip(
                *((o.rate, o.cpu, o.p50, o.p99, o.p99 / o.p50) for o in (r.open for r in s.rounds)),
                strict=True,
            )
        )
        print(f"| {s.name} | {rate:,.0f} | {cpu:,.0f} | {p50:.2f} | {p99:.2f} | {ratio:.1f} |")
    if lines := judged({s.name: s.rounds for s in chosen}):
        print("\n| ratio or bound | target | median | of the rounds |\n|---|---|---|---|")
    for name, target, values in lines:
        each = ", ".join(f"{v:.3g}" for v in values)
        print(f"| {name} | {target} | {median(values):.3g} | {each} |")


def judged(rounds: dict[str, list[Round]]) -> list[tuple[str, str, list[float]]]:
    """Each figure with its target and its value in every round, for the servers that ran."""
    ours, none = rounds.get("driftdesk", []), list[Round]()
    empty, mlflow, ordinary = (
        rounds.get(name, none) for name in ("empty-fastapi", "mlflow", "mlflow-sklearn")
    )
    made = [
        (
            "CPU at 16 connections, driftdesk / empty FastAPI",
            "≤ 1.1",
            [o.many.cpu / e.many.cpu for o, e in zip(ours, empty, strict=False)],
        ),
        (
            "CPU at 16 connections, mlflow / driftdesk",
            "≥ 50",
            [m.many.cpu / o.many.cpu for o, m in zip(ours, mlflow, strict=False)],
        ),
        (
            "CPU at 16 connections, mlflow-sklearn / driftdesk",
            "",
            [m.many.cpu / o.many.cpu for o, m in zip(ours, ordinary, strict=False)],
        ),
        (
            "p99 / p50 in the open loop at 80 %, driftdesk",
            "< 10",
            [o.open.p99 / o.open.p50 for o in ours],
        ),
        (
            "p50 in the open loop / with 1 connection, driftdesk (1: it kept up)",
            "",
            [o.open.p50 / o.one.p50 for o in ours],
        ),
        ("resident memory, driftdesk, MB", "< 150", [o.rss for o in ours]),
        ("cold start, driftdesk, s", "< 3", [o.cold for o in ours]),
    ]
    return [line for line in made if line[2]]


def stopped(number: int, _frame: object) -> None:
    """The first signal ends the run; others must not interrupt the clearing up."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    print(f"Stopped by {signal.Signals(number).name}; clearing up.", file=sys.stderr)
    raise SystemExit(128 + number)


def main() -> None:
    names = [s.name for s in servers(Path(), "", "")]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each loop (2)")
    parser.add_argument("--only", default=",".join(names), help="servers, separated by commas")
    parser.add_argument("--rows", type=Path, default=REALTOR / "rows.csv")
    parser.add_argument("--database", default="", help="for the prediction log; private SQLite")
    parser.add_argument(
        "--random-gaps", action="store_true", help="arrivals as a Poisson process, not evenly"
    )
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(names):
        parser.error(f"--only knows {', '.join(names)}, not {', '.join(sorted(unknown))}")
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds must be at least 1, and --seconds above 0")
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, stopped)
    try:
        with ExitStack() as open_:
            run(options, open_)
    except (Trouble, DriftdeskError) as trouble:
        sys.exit(str(trouble))


if __name__ == "__main__":
    main()
