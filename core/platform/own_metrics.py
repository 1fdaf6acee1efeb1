"""The own metrics of a dataset file: `metrics` of its `[evaluation]` section."""

from __future__ import annotations

import re
from typing import Any

from core.domain.evaluation import OwnMetric
from core.domain.metrics import METRICS, Metric, MetricUnit
from core.platform.toml_values import function, known_keys, one_of, shown, text

_KEYS = ("function", "name", "label", "better", "unit")
_UNITS = {"": MetricUnit.NONE, "target": MetricUnit.TARGET, "share": MetricUnit.SHARE}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_MOST = 10
_LONGEST_LABEL = 60
_EXAMPLE = '"mypackage.metrics:weighted_error"'


def parse(value: object) -> tuple[OwnMetric, ...]:
    """The team's own metrics; each entry is a function's name, or a table.

    Raises:
        ValueError: an entry is wrong; the message names its place and the remedy.
    """
    if not isinstance(value, list):
        raise ValueError(  # noqa: TRY004
            f"evaluation.metrics is {shown(value)}, and must be a list, as in [{_EXAMPLE}]"
        )
    if len(value) > _MOST:
        raise ValueError(f"evaluation.metrics has {len(value)} metrics, and may have {_MOST}")
    metrics: list[OwnMetric] = []
    for place, entry in enumerate(value, 1):
        try:
            metric = _metric(entry)
            if metric.key in METRICS:
                raise ValueError(f"the name {metric.key} is taken; give it another name")
            if metric.key in [m.key for m in metrics]:
                raise ValueError(f"{metric.key} is listed twice; give one another name")
        except ValueError as error:
            raise ValueError(f"evaluation.metrics, metric {place}: {error}") from error
        metrics.append(metric)
    return tuple(metrics)


def _metric(entry: object) -> OwnMetric:
    keys: dict[str, Any] = {"function": entry} if isinstance(entry, str) else {}
    if isinstance(entry, dict):
        keys = entry
    elif not keys:
        raise ValueError(f"it is {shown(entry)}, and must be text or a table, as in {_EXAMPLE}")
    known_keys(keys, _KEYS)
    called = function("function", keys.get("function"), _EXAMPLE)
    name = keys.get("name", called.partition(":")[2])
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"its name is {shown(name)}, and must have up to 40 lower-case letters, digits and _, "
            "the first one a letter; write name = in a table"
        )
    label = text("label", keys.get("label", name.replace("_", " ").strip()), longest=_LONGEST_LABEL)
    better = one_of("better", keys.get("better", "lower"), ("lower", "higher"))
    unit = _UNITS[one_of("unit", keys.get("unit", ""), _UNITS)]
    return OwnMetric(name, called, Metric(label, unit, higher_is_better=better == "higher"))
