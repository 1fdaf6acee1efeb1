"""Reading /metrics as Prometheus does."""

from __future__ import annotations

from collections.abc import Iterable

import requests
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry


class Samples:
    """Every sample of one scrape, by its name and labels."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self._found = {
            (s.name, frozenset(s.labels.items())): s.value for f in self.families for s in f.samples
        }

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self._found}

    def of(self, dataset: str) -> Samples:
        """The samples of this dataset without its label, and those that are of none."""
        about, mine = Samples(""), ("dataset", dataset)
        about.families = self.families
        for (name, labels), value in self._found.items():
            if mine in labels or all(label != "dataset" for label, _ in labels):
                about._found[name, labels - {mine}] = value
        return about

    def get(self, name: str, **labels: str) -> float | None:
        return self._found.get((f"driftdesk_{name}", frozenset(labels.items())))

    def all(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        return {at: v for (n, at), v in self._found.items() if n == f"driftdesk_{name}"}

    def sum(self, name: str, **labels: str) -> float:
        wanted = set(labels.items())
        return sum(v for at, v in self.all(name).items() if wanted <= at)


def scrape(url: str) -> Samples:
    answer = requests.get(f"{url}/metrics", timeout=10)
    answer.raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain")
    return Samples(answer.text)


def collected(collectors: Iterable[Collector]) -> Samples:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return Samples(generate_latest(registry).decode())
