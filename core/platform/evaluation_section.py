"""The `[evaluation]` section of a dataset file: TOML in, a checked `Evaluation` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.domain.dataset import Column, ColumnType, Role
from core.domain.evaluation import Evaluation, MetricLimit, SegmentLimit, SplitBy
from core.domain.metrics import METRICS, METRICS_OF, Metric
from core.domain.task import Task
from core.platform import own_metrics
from core.platform.toml_values import known_keys, number, one_of, section, shown

_KEYS = ("split", "time_column", "share", "gates", "metrics")
_GATE_KEYS = ("metric", "at_most", "at_least", "slice", "worse_by_at_most")
_SHARES = (0.05, 0.5)
_MOST_GATES = 20
_TIMES = (ColumnType.DATE, ColumnType.TIMESTAMP)
_SEGMENTS = (ColumnType.CATEGORY, ColumnType.BOOLEAN)
_TARGET = "target"


def parse(table: object, columns: Sequence[Column], task: Task) -> Evaluation:
    """The settings of an `[evaluation]` table; by default a fifth by hash and no own gates.

    Raises:
        ValueError: a key is unknown or wrong; the message names it and the remedy.
    """
    keys = section("evaluation", table)
    known_keys(keys, _KEYS)
    split = SplitBy(one_of("evaluation.split", keys.get("split", "hash"), tuple(SplitBy)))
    own = own_metrics.parse(keys.get("metrics", []))
    known = {key: METRICS[key] for key in METRICS_OF[task]} | {m.key: m.metric for m in own}
    gates = _gates(keys.get("gates", []), columns, known)
    if split is SplitBy.HASH:
        for key in ("time_column", "share"):
            if key in keys:
                raise ValueError(
                    f'evaluation.{key} goes with split = "time"; take it out, or set that split'
                )
        return Evaluation(gates=gates, metrics=own)
    share = number("evaluation.share", keys.get("share", Evaluation().share))
    if not _SHARES[0] <= share <= _SHARES[1]:
        raise ValueError(
            f"evaluation.share is {share:g}, and must be from {_SHARES[0]:g} to {_SHARES[1]:g}: "
            "the share of the rows that is held out"
        )
    time_column = _time_column(keys.get("time_column"), columns)
    return Evaluation(split, time_column, share, gates, own)


def _time_column(value: object, columns: Sequence[Column]) -> str:
    times = [c.name for c in columns if c.type in _TIMES]
    if not times:
        raise ValueError(
            'evaluation.split is "time", but no column is of type date or timestamp; add one, or '
            'write split = "hash"'
        )
    return one_of("evaluation.time_column", value, times)


def _gates(
    value: object, columns: Sequence[Column], metrics: Mapping[str, Metric]
) -> tuple[MetricLimit | SegmentLimit, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ValueError(
            f"evaluation.gates is {shown(value)}, and must be a list of tables, as in "
            '[{metric = "mdape", at_most = 0.25}]'
        )
    if len(value) > _MOST_GATES:
        raise ValueError(f"evaluation.gates has {len(value)} gates, and may have {_MOST_GATES}")
    gates = tuple(_gate(place, entry, columns, metrics) for place, entry in enumerate(value, 1))
    for place, gate in enumerate(gates):
        if gate in gates[:place]:
            raise ValueError(f"evaluation.gates: gate {place + 1} is listed twice; take one out")
    return gates


def _gate(
    place: int, entry: dict[str, object], columns: Sequence[Column], metrics: Mapping[str, Metric]
) -> MetricLimit | SegmentLimit:
    where = f"evaluation.gates, gate {place}"
    try:
        known_keys(entry, _GATE_KEYS)
        if ("metric" in entry) == ("slice" in entry):
            raise ValueError("it must have either metric or slice")
        return _metric(entry, metrics) if "metric" in entry else _segment(entry, columns)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _metric(entry: dict[str, object], metrics: Mapping[str, Metric]) -> MetricLimit:
    bounds = [key for key in ("at_most", "at_least") if key in entry]
    if len(bounds) != 1 or "worse_by_at_most" in entry:
        raise ValueError("a gate of a metric has at_most or at_least, one of the two and no other")
    name = one_of("metric", entry["metric"], metrics)
    (key,) = bounds
    needed = "at_least" if metrics[name].higher_is_better else "at_most"
    if key != needed:
        better = "higher" if metrics[name].higher_is_better else "lower"
        raise ValueError(f"{name} is better when {better}, so write {needed} in place of {key}")
    return MetricLimit(name, **{key: number(key, entry[key])})


def _segment(entry: dict[str, object], columns: Sequence[Column]) -> SegmentLimit:
    if "at_most" in entry or "at_least" in entry:
        raise ValueError("a gate of a slice has worse_by_at_most alone; take the other bound out")
    segments = [c.name for c in columns if c.role is Role.FEATURE and c.type in _SEGMENTS]
    column = one_of("slice", entry["slice"], [_TARGET, *segments])
    if "worse_by_at_most" not in entry:
        raise ValueError("worse_by_at_most is missing: the share by which the error may rise")
    worst = number("worse_by_at_most", entry["worse_by_at_most"])
    if not 0 < worst <= 1:
        raise ValueError(f"worse_by_at_most is {worst:g}, and must be above 0 and at most 1")
    return SegmentLimit(column, worst)
