"""The whole system, started as `make run` starts it, watched from outside: by Prometheus' way of
asking each program, and by a collector of traces."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compose.local.children import MEASURED
from tests.browser import chromium
from tests.collector import Collector, Span, collector
from tests.house import House
from tests.monitoring.scrape import Samples, scrape
from tests.pages import shell, steps
from tests.stacks import ROOT, lacking, wait_for

ROW = ["bed=3", "bath=2", "acre_lot=0.3", "house_size=1500", "state=Connecticut", "status=for_sale"]
MONITORING = ROOT / "compose" / "monitoring"
DASHBOARD = json.loads(
    (MONITORING / "grafana" / "dashboards" / "driftdesk.json").read_text(encoding="utf-8")
)
QUERIES = [t["expr"] for panel in DASHBOARD["panels"] for t in panel.get("targets", ())]
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}

# What Prometheus itself adds, and what its functions and labels are called.
OWN = {"up"}


NAME = "real_estate"


@dataclass
class Watched:
    house: House
    collector: Collector
    programs: dict[str, Samples]
    trained: dict[str, Any]
    printed: list[str]
    """What the handbook's commands print, one after the other."""


def ports(count: int) -> int:
    """The first of so many free ports in a row.

    They are below those that the system gives to callers: the console opens its own late.
    """
    for first in range(20_000 + os.getpid() % 1000 * 10, 32_000, count):
        with ExitStack() as held, contextlib.suppress(OSError):
            for number in range(first, first + count):
                held.enter_context(socket.create_server(("127.0.0.1", number)))
            return first
    raise OSError("no free ports in a row")


def handbook(house: House, trace: str) -> list[str]:
    """What the page's commands print, with this system's ports, trace and folder for its own."""
    first = int(house.env["METRICS_PORT"])
    ours = {"4bf92f3577b34da6a3ce929d0e0e4736": trace, ".data/": f"{house.folder}/"}
    ours |= {f":{9100 + n}": f":{first + n}" for n in range(len(MEASURED))}
    said = []
    for block, _ in steps("monitoring.md"):
        for command in block.commands:
            if command.endswith("make run"):
                assert command == "METRICS_PORT=9100 make run"  # as this system was started
                continue
            for theirs, own in ours.items():
                command = command.replace(theirs, own)  # noqa: PLW2901
            said.append(shell([command], os.environ))
    return said


def press(house: House, label: str) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{house.console}/pipeline")
        page.get_by_role("button", name=label).click()
        page.get_by_text("queued").first.wait_for()


def _compared(url: str) -> float | None:
    runs = {"queue": "work", "dataset": NAME, "kind": "drift", "result": "succeeded"}
    return scrape(url).get("worker_runs_total", **runs)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    first = ports(len(MEASURED))
    with collector() as kept:
        house = House(
            tmp_path_factory.mktemp("watched") / "data",
            "--scale 0.02",
            METRICS_PORT=str(first),
            OTEL_EXPORTER_OTLP_ENDPOINT=kept.url,
            OTEL_BSP_SCHEDULE_DELAY="200",
            LOG_FORMAT="json",
        )
        house.cli_env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": kept.url}
        with house.running():
            trained = house.json("ingest", "--train", "--wait")
            house.json("force", "1", "--reason", "the first", "--wait")
            house.json("predict", *ROW)
            press(house, "Ingest next batch")
            wait_for("no span of the button", lambda: bool(kept.named("console request_ingest")))
            wait_for("batch 1 was not compared", lambda: len(kept.named("job drift")) == 2)
            urls = {name: f"http://127.0.0.1:{first + n}" for n, name in enumerate(MEASURED)}
            urls["serving"] = house.cli_env["SERVING_URL"]
            # The worker counts a run once the job's process has ended, after its last span.
            wait_for("the last run is not counted", lambda: _compared(urls["work"]) == 2)
            found = {name: scrape(url) for name, url in urls.items()}
            printed = handbook(house, kept.named("command ingest")[0].trace)
        yield Watched(house, kept, found, trained, printed)


# Traces


def test_one_trace_leads_from_the_command_to_the_candidate(watched: Watched) -> None:
    kept = watched.collector
    asked = next(s for s in kept.named("command ingest"))
    chain = [_of(kept, f"job {kind}", asked.trace) for kind in ("ingest", "drift", "train")]
    assert [s.program for s in (asked, *chain)] == ["driftdesk-cli", *["driftdesk-worker"] * 3]
    assert asked.parent == ""
    assert [s.parent for s in chain] == [s.id for s in (asked, *chain)][:3]
    ingest, drift, train = (s.attributes for s in chain)
    assert ingest["driftdesk.batch"] == drift["driftdesk.batch"] == 0
    assert train["driftdesk.version"] == 1
    assert ingest["driftdesk.actor"] == "ana"


def test_a_decision_leads_to_the_swap_and_the_swap_to_answers(watched: Watched) -> None:
    kept = watched.collector
    approved = next(s for s in kept.named("command force"))
    assert approved.links == (next(s for s in kept.named("command ingest")).trace,)
    promoted = _of(kept, "job promote", approved.trace)
    swapped = _of(kept, "swap", approved.trace)
    assert (promoted.program, swapped.program) == ("driftdesk-worker", "driftdesk-serving")
    assert promoted.parent == approved.id
    assert swapped.parent == promoted.id
    assert promoted.attributes["driftdesk.version"] == swapped.attributes["driftdesk.version"] == 1
    assert _of(kept, "POST /model/look", approved.trace).program == "driftdesk-serving"
    asked = next(s for s in kept.named("command predict"))
    answered = _of(kept, "POST /predict", asked.trace)
    assert answered.parent == asked.id
    assert answered.links == (approved.trace,)


def test_a_button_begins_a_trace_that_a_worker_goes_on_with(watched: Watched) -> None:
    kept = watched.collector
    (pressed,) = kept.named("console request_ingest")
    assert pressed.program == "driftdesk-console"
    worked = _of(kept, "job ingest", pressed.trace)
    assert worked.parent == pressed.id
    assert worked.attributes["driftdesk.batch"] == 1


def _of(kept: Collector, name: str, trace_id: str) -> Span:
    (found,) = [s for s in kept.named(name) if s.trace == trace_id]
    return found


def test_lines_of_every_program_carry_the_same_trace(watched: Watched) -> None:
    approved = next(s for s in watched.collector.named("command force")).trace
    logs = watched.house.folder / "logs"
    said: dict[str, list[dict[str, Any]]] = {}
    for name in ("work", "train", "desk", "serving", "console", "reconcile"):
        text = (logs / f"{name}.log").read_text(encoding="utf-8")
        said[name] = [
            json.loads(line[line.index("{") :]) for line in text.splitlines() if '"event"' in line
        ]
    promote = [line for line in said["desk"] if line.get("kind") == "promote"]
    assert {line["trace"] for line in promote} == {approved}
    assert promote[-1] | {"program": "worker", "event": "done", "version": 1} == promote[-1]
    (live,) = [line for line in said["serving"] if line["event"] == "model is live"]
    assert (live["trace"], live["program"]) == (approved, "serving")
    (done,) = [line for line in said["console"] if line["event"] == "done"]
    assert done["verb"] == "request_ingest"
    assert done["actor"] == "ana"
    assert {line["program"] for line in said["work"]} == {"worker"}
    # An entry that the reconciler queued a second time may be left alone after the end.
    ingest = [
        line for line in said["work"]
        if line.get("kind") == "ingest" and not line["event"].endswith("left alone")
    ]  # fmt: skip
    assert ingest[-1]["batch"] == 1
    assert ingest[-1]["trace"] == done["trace"]


# Metrics


def test_each_program_tells_what_it_did(watched: Watched) -> None:
    work, desk = watched.programs["work"], watched.programs["desk"]
    for kind in ("ingest", "drift"):
        ended = {"dataset": NAME, "kind": kind, "result": "succeeded"}
        assert work.get("worker_runs_total", queue="work", **ended) == 2
    train = watched.programs["train"]
    ended = {"dataset": NAME, "kind": "train", "result": "succeeded"}
    assert train.get("worker_runs_total", queue="train", **ended) == 1
    # A job may come out of its queue again; that run leaves it alone, and took its time, too.
    assert train.sum("worker_run_seconds_count", queue="train", dataset=NAME, kind="train") >= 1
    ended = {"dataset": NAME, "kind": "promote", "result": "succeeded"}
    assert desk.get("worker_runs_total", queue="desk", **ended) == 1
    assert (work.get("worker_children_cpu_seconds_total") or 0) > 0
    pipeline = watched.programs["reconcile"]
    assert pipeline.get("jobs_total", dataset=NAME, kind="ingest", result="succeeded") == 2
    assert pipeline.get("job_seconds_count", dataset=NAME, kind="promote") == 1
    assert pipeline.get("champion_version", dataset=NAME) == 1
    assert pipeline.get("workers_alive", queue="work") == 1
    assert pipeline.get("serving_replicas", dataset=NAME, version="1") == 1
    console = watched.programs["console"]
    assert console.get("console_actions_total", verb="request_ingest", result="ok") == 1
    assert console.sum("console_rerun_seconds_count", page="Pipeline") >= 1
    assert watched.programs["serving"].sum("serving_predictions_total", version="1") == 1


def names(programs: dict[str, Samples]) -> set[str]:
    """Every name under which Prometheus keeps something of them."""
    return {
        (family.name if family.type != "counter" else family.name.removesuffix("_total")) + suffix
        for samples in programs.values()
        for family in samples.families
        for suffix in SUFFIXES.get(family.type, ("",))
    }


def metrics_in(promql: str) -> set[str]:
    """The metrics that an expression names."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', "", promql)
    return set(re.findall(r"\b(?:driftdesk|process|python)_\w+|\bup\b", bare))


def test_whatever_the_dashboard_asks_for_is_there(watched: Watched) -> None:
    asked = set().union(*map(metrics_in, QUERIES))
    assert len(asked) > 30
    assert asked <= names(watched.programs) | OWN


def test_whatever_the_rules_watch_is_there(watched: Watched) -> None:
    rules = (MONITORING / "rules.yml").read_text(encoding="utf-8")
    watched_for = set(re.findall(r"\bdriftdesk_\w+", rules))
    assert len(watched_for) > 15
    assert watched_for <= names(watched.programs) | OWN


def test_the_handbook_lists_every_metric_and_no_other(watched: Watched) -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(driftdesk_\w+)` \| (\w+) \|", text, re.MULTILINE))
    offered = {
        (f.name + "_total" * (f.type == "counter"), f.type)
        for samples in watched.programs.values()
        for f in samples.families
        if f.name.startswith("driftdesk_")
    }
    assert listed == offered


def test_the_commands_of_the_handbook_find_what_they_look_for(watched: Watched) -> None:
    followed, metrics = watched.printed
    assert {json.loads(line[line.index("{") :])["kind"] for line in followed.splitlines()} >= {
        "ingest", "drift", "train",
    }  # fmt: skip
    assert "driftdesk_database_up 1.0" in metrics


# What is only read


def test_each_panel_of_the_dashboard_has_an_id_and_a_place_of_its_own() -> None:
    panels = DASHBOARD["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)
    places = [tuple(panel["gridPos"].values()) for panel in panels]
    assert len(set(places)) == len(places)
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        letters = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(letters)) == len(letters)


@pytest.mark.parametrize(
    "command",
    [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules.test.yml"],
    ],
)
def test_prometheus_takes_the_configuration_and_the_rules_do_what_they_say(
    command: list[str],
) -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        lacking("promtool (Debian: prometheus)")
    done = subprocess.run(
        [str(promtool), *command], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout + done.stderr


def test_every_expression_of_the_dashboard_can_be_read_by_prometheus(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        lacking("promtool (Debian: prometheus)")
    rules = [
        {
            "record": f"asked:{n}",
            "expr": query.replace("$__rate_interval", "5m").replace("$dataset", ".*"),
        }
        for n, query in enumerate(QUERIES)
    ]
    file = tmp_path / "asks.yml"
    file.write_text(json.dumps({"groups": [{"name": "asks", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(
        [str(promtool), "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
