"""A prediction in lines, for the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from console.text.contributions import (
    TYPICAL,
    baseline_words,
    explained_class,
    is_typical,
    steps,
    without_effect,
)
from console.text.prediction import Answer, amount, coverage_words, probability_words

_SHOWN = 10
"""The maximum number of classes whose probabilities are listed."""


def answer_lines(answer: Answer, units: Mapping[str, tuple[str, str]], unit: str) -> list[str]:
    """A prediction: number or label, what is around it, warnings, and contributions."""
    lines = list(_number(answer, unit) if answer.label is None else _classes(answer))
    lines += [f"warning: {warning}" for warning in answer.warnings]
    parts = steps(answer, units)
    if parts and is_typical(parts):
        lines.append(TYPICAL)
    elif parts:
        start, of_class = baseline_words(answer, unit), explained_class(answer)
        to = f" to the odds of {of_class}" if of_class else ""
        lines.append(f"feature contributions{to}, from {start} for a typical row:")
        moving = [step for step in parts if not step.is_zero]
        width = max(len(s.words) for s in moving)
        lines += [f"  {s.words:>{width}}  {s.label} ({s.value})" for s in moving]
        lines += [f"  {none}"] if (none := without_effect(parts)) else []
    lines.append(f"version {answer.version}, prediction {answer.id}")
    return lines


def _number(answer: Answer, unit: str) -> Iterator[str]:
    yield answer.in_words(unit)
    if answer.low is not None and answer.high is not None:
        yield f"interval {amount(answer.low)} to {amount(answer.high, unit)}"
        if answer.coverage:
            yield f"  {coverage_words(answer.coverage)}"


def _classes(answer: Answer) -> Iterator[str]:
    yield str(answer.label)
    ordered = sorted(answer.probabilities.items(), key=lambda item: -item[1])
    listed = [f"{label} {probability_words(p)}" for label, p in ordered[:_SHOWN]]
    more = f", and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    yield f"probabilities: {', '.join(listed)}{more}"
    if answer.inside is not None:
        yield f"prediction set: {', '.join(answer.inside)}"
        if answer.coverage:
            yield f"  {coverage_words(answer.coverage, 'set')}"
