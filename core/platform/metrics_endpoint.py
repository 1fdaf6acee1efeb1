"""Prometheus metrics of programs without an HTTP server of their own."""

from __future__ import annotations

import os

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from core.domain.errors import SettingsError

disable_created_metrics()  # type: ignore[no-untyped-call]  # omits a `_created` series per metric


def new_registry() -> CollectorRegistry:
    """A registry with the process's memory, CPU, files and Python metrics."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


def expose(registry: CollectorRegistry, host: str, port: int) -> int:
    """Serve `GET /metrics` from a thread; returns the port.

    Raises:
        SettingsError: the port cannot be opened.
    """
    try:
        server, _ = start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"Metrics cannot be offered on {host}:{port} ({error}): set METRICS_PORT to a free "
            "port, METRICS_HOST to an address of this machine, or METRICS_PORT to 0."
        ) from error
    # A child that outlives this process must not keep the port open.
    os.register_at_fork(after_in_child=server.socket.close)
    return int(server.server_port)
