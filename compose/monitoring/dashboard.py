"""The Grafana dashboard as code: `python -m compose.monitoring.dashboard` writes its JSON anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "grafana" / "dashboards" / "driftdesk.json"

_SOURCE = {"type": "prometheus", "uid": "driftdesk-prometheus"}
_WIDE = 24
_ROW_HEIGHT, _STAT_HEIGHT, _GRAPH_HEIGHT = 1, 4, 8
_GOOD, _BAD = "green", "red"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: what it is called, what it asks (legend to PromQL), and how it is shown.

    `bad_from` is the value from which on it is red.
    """

    title: str
    asks: dict[str, str]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    bad_from: float | None = None


def _stat(title: str, ask: str, **more: Any) -> Panel:
    return Panel(title, {"": ask}, kind="stat", **{"width": 4} | more)


_RATE = "[$__rate_interval]"

ROWS: dict[str, Sequence[Panel]] = {
    "At a glance": (
        _stat("Champion", "max(driftdesk_champion_version)", unit="none"),
        _stat("Candidates waiting", "max(driftdesk_candidates_waiting)"),
        _stat("Last batch", "max(driftdesk_batch_number)", unit="none"),
        _stat("Stored", "max(driftdesk_batch_age_seconds)", unit="s", bad_from=86400),
        _stat(
            "Drift against the champion",
            'max(driftdesk_drift_breach{reference="champion"})',
            bad_from=1,
        ),
        _stat("Live traffic drifted", "max(driftdesk_live_window_drifted)", bad_from=1),
    ),
    "Pipeline": (
        Panel(
            "Runs that ended",
            {
                "{{kind}} {{result}}": "sum by (kind, result) "
                f"(increase(driftdesk_jobs_total{_RATE}))"
            },
        ),
        Panel(
            "How long runs take (90%)",
            {
                "{{kind}}": "histogram_quantile(0.9, sum by (kind, le) "
                f"(rate(driftdesk_job_seconds_bucket{_RATE})))"
            },
            unit="s",
        ),
        Panel("Running", {"{{kind}}": "sum by (kind) (driftdesk_jobs_running)"}),
        Panel(
            "Age of the oldest waiting job",
            {"{{queue}}": "max by (queue) (driftdesk_queue_age_seconds)"},
            unit="s",
        ),
        Panel(
            "Waiting",
            {
                "{{queue}} in the table": "max by (queue) (driftdesk_jobs_waiting)",
                "{{queue}} in Redis": "max by (queue) (driftdesk_queue_entries)",
            },
        ),
        Panel("Workers", {"{{queue}}": "max by (queue) (driftdesk_workers_alive)"}),
    ),
    "Data and models": (
        Panel("Rows of the last batch", {"{{outcome}}": "max by (outcome) (driftdesk_batch_rows)"}),
        Panel(
            "Drift",
            {
                "{{reference}}": "max by (reference) (driftdesk_drift_breach)",
                "live traffic": "max(driftdesk_live_window_drifted)",
            },
        ),
        Panel(
            "Replicas of serving by version",
            {"version {{version}}": "max by (version) (driftdesk_serving_replicas)"},
        ),
        Panel("Quarantined in this epoch", {"rows": "max(driftdesk_quarantined_rows)"}),
        Panel("Age of the champion", {"": "max(driftdesk_champion_age_seconds)"}, unit="s"),
        Panel(
            "Notices not delivered",
            {"{{state}}": "max by (state) (driftdesk_notifications_undelivered)"},
        ),
    ),
    "Serving": (
        Panel(
            "Answers",
            {
                "{{route}} {{status}}": "sum by (route, status) "
                f"(rate(driftdesk_serving_requests_total{_RATE}))"
            },
            unit="reqps",
        ),
        Panel(
            "How long /predict takes",
            {
                name: f"histogram_quantile({level}, sum by (le) "
                f'(rate(driftdesk_serving_request_seconds_bucket{{route="/predict"}}{_RATE})))'
                for name, level in (("50%", 0.5), ("99%", 0.99))
            },
            unit="s",
        ),
        Panel(
            "Rows answered",
            {
                "version {{version}}": "sum by (version) "
                f"(rate(driftdesk_serving_predictions_total{_RATE}))"
            },
        ),
        Panel(
            "Records",
            {
                "waiting on disk, bytes": "sum(driftdesk_serving_spool_bytes)",
                "dropped": "sum(driftdesk_serving_records_dropped_total)",
                "rejected": "sum(driftdesk_serving_records_rejected_total)",
            },
        ),
        Panel(
            "Swaps and refusals",
            {
                "swaps": f"sum(increase(driftdesk_serving_swaps_total{_RATE}))",
                "refusals": f"sum(increase(driftdesk_serving_refusals_total{_RATE}))",
            },
        ),
        Panel(
            "What serving reaches",
            {
                "a model": "min(driftdesk_serving_model_live)",
                "the registry": "min(driftdesk_serving_registry_up)",
                "the database": "min(driftdesk_serving_database_up)",
            },
        ),
    ),
    "Console": (
        Panel(
            "Pages drawn",
            {"{{page}}": f"sum by (page) (rate(driftdesk_console_rerun_seconds_count{_RATE}))"},
        ),
        Panel(
            "How long pages take (90%)",
            {
                "{{page}}": "histogram_quantile(0.9, sum by (page, le) "
                f"(rate(driftdesk_console_rerun_seconds_bucket{_RATE})))"
            },
            unit="s",
        ),
        Panel(
            "Actions and errors",
            {
                "{{verb}} {{result}}": "sum by (verb, result) "
                f"(increase(driftdesk_console_actions_total{_RATE}))",
                "{{where}}: {{type}}": "sum by (where, type) "
                f"(increase(driftdesk_console_errors_total{_RATE}))",
            },
        ),
    ),
    "Processes": (
        Panel("Memory", {"{{job}}": "sum by (job) (process_resident_memory_bytes)"}, unit="bytes"),
        Panel("CPU", {"{{job}}": f"sum by (job) (rate(process_cpu_seconds_total{_RATE}))"}),
        Panel(
            "CPU of jobs",
            {"{{job}}": f"sum by (job) (rate(driftdesk_worker_children_cpu_seconds_total{_RATE}))"},
        ),
        Panel(
            "Largest job",
            {"{{job}}": "max by (job) (driftdesk_worker_children_max_memory_bytes)"},
            unit="bytes",
        ),
        Panel("Workers at work", {"{{queue}}": "sum by (queue) (driftdesk_worker_busy)"}),
        Panel(
            "What the reconciler reaches",
            {
                "the database": "min(driftdesk_database_up)",
                "Redis": "min(driftdesk_queue_up)",
            },
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """The whole dashboard as Grafana's JSON model has it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append(_heading(title, top))
        top += _ROW_HEIGHT
        left = 0
        for panel in row:
            height = _STAT_HEIGHT if panel.kind == "stat" else _GRAPH_HEIGHT
            if left + panel.width > _WIDE:
                left, top = 0, top + height
            place = {"x": left, "y": top, "w": panel.width, "h": height}
            panels.append(_panel(panel, place))
            left += panel.width
        top += height
    for number, made in enumerate(panels, 1):
        made["id"] = number
    return {
        "uid": "driftdesk",
        "title": "driftdesk",
        "tags": ["driftdesk"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": panels,
    }


def _heading(title: str, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": _WIDE, "h": _ROW_HEIGHT}
    return {"type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": _GOOD, "value": None}]
    if panel.bad_from is not None:
        steps.append({"color": _BAD, "value": panel.bad_from})
    return {
        "type": panel.kind,
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "thresholds": {"mode": "absolute", "steps": steps},
                "noValue": "-",
            },
            "overrides": [],
        },
        "options": _OPTIONS[panel.kind],
        "targets": [
            {
                "refId": chr(ord("A") + n),
                "datasource": _SOURCE,
                "expr": ask,
                "legendFormat": legend or "__auto",
            }
            for n, (legend, ask) in enumerate(panel.asks.items())
        ],
    }


_OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
    },
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
}


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
