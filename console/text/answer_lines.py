"""A prediction in lines, for the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from console.text.contributions import baseline_words, explained_class, steps
from console.text.prediction import Answer, coverage_words, probability_words

_SHOWN = 10
"""The maximum number of classes whose probabilities are listed."""


def answer_lines(answer: Answer, units: Mapping[str, tuple[str, str]], unit: str) -> list[str]:
    """A prediction: value and interval, or label, probabilities and set; and contributions."""
    lines = list(_number(answer) if answer.label is None else _classes(answer))
    if answer.contributions and (parts := steps(answer, units)):
        start, of_class = baseline_words(answer, unit), explained_class(answer)
        to = f" to the odds of {of_class}" if of_class else ""
        lines.append(f"feature contributions{to}, from the baseline {start} (typical values):")
        width = max(len(s.words) for s in parts)
        lines += [f"  {s.words:>{width}}  {s.label} ({s.value})" for s in parts]
    lines.append(f"version {answer.version}, prediction {answer.id}")
    return lines


def _number(answer: Answer) -> Iterator[str]:
    yield f"{answer.prediction:,.2f}"
    if answer.low is not None and answer.high is not None:
        yield f"interval {answer.low:,.2f} to {answer.high:,.2f}"
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
