"""Quarantined rows as a table: one line for each rule that a row breaks. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from core.domain.batches import NOT_KEPT, QuarantinedRow
from core.domain.dataset import Dataset

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that a row breaks.

    `row` is its number in the batch, from 0. `column` is empty where the row as a whole is not
    valid; `value` is then its content. Long values are shortened.
    """

    row: int
    column: str
    value: str
    reason: str


MOST_REASONS = 1_000
"""How many different reasons are counted; the rest count as one."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that rows broke: how many, and the first one's number and value."""

    rule: str
    rows: int
    first_row: int
    example: str


def reasons(rules: Iterable[BrokenRule]) -> list[Reason]:
    """How often each rule was broken, the most frequent first."""
    counts: dict[str, Reason] = {}
    for broken in rules:
        rule = f"{broken.column}: {broken.reason}" if broken.column else broken.reason
        key = rule if rule in counts or len(counts) < MOST_REASONS else "other reasons"
        first = counts.setdefault(key, Reason(key, 0, broken.row, broken.value))
        counts[key] = Reason(key, first.rows + 1, first.first_row, first.example)
    return sorted(counts.values(), key=lambda r: (-r.rows, r.rule))


def broken_rules(rows: Iterable[QuarantinedRow], dataset: Dataset) -> list[BrokenRule]:
    """Every rule that the rows break, with the value as it arrived."""
    names = "|".join(map(re.escape, sorted(dataset.names, key=len, reverse=True)))
    starts = re.compile(rf"(?:^|; )({names}): ")
    return [rule for row in rows for rule in _of_row(row, dataset, starts)]


def matching(rules: Iterable[BrokenRule], words: str) -> list[BrokenRule]:
    """The rules in which every word occurs, in whatever case."""
    wanted = words.lower().split()
    return [
        rule
        for rule in rules
        if all(w in f"{rule.row} {rule.column} {rule.value} {rule.reason}".lower() for w in wanted)
    ]


def _of_row(row: QuarantinedRow, dataset: Dataset, starts: re.Pattern[str]) -> Iterator[BrokenRule]:
    matches = list(starts.finditer(row.reason))
    if not matches:
        yield BrokenRule(row.row_number, "", _cut(row.content), row.reason)
        return
    values = _values(row, dataset)
    ends = [match.start() for match in matches[1:]] + [len(row.reason)]
    for match, end in zip(matches, ends, strict=True):
        name = match[1]
        shown = values.get(name, "") if values is not None else _cut(row.content)
        yield BrokenRule(row.row_number, name, shown, row.reason[match.end() : end])


def _values(row: QuarantinedRow, dataset: Dataset) -> dict[str, str] | None:
    """The values by column; None where the content has none, or was not kept whole."""
    if row.content.startswith(NOT_KEPT):
        return {}
    try:
        content: Any = json.loads(row.content)
    except (ValueError, RecursionError):
        return None
    if isinstance(content, list):
        content = dict(zip(dataset.source_names, content, strict=False))
    if not isinstance(content, dict):
        return None
    return {
        column.name: _text(content[source])
        for column, source in zip(dataset.columns, dataset.source_names, strict=True)
        if source in content
    }


def _text(value: Any) -> str:
    return _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
