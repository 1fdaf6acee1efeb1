"""Several batches or versions in words, by their numbers."""

from __future__ import annotations

from collections.abc import Iterable


def named_batches(numbers: Iterable[int], *, capital: bool = True) -> str:
    """Batches in ranges: "Batch 3", "Batches 0 to 4, 6 and 9"."""
    words = _named(numbers, "batch", "batches")
    return words[:1].upper() + words[1:] if capital else words


def named_versions(numbers: Iterable[int]) -> str:
    """Versions in ranges: "version 3", "versions 1 and 2"."""
    return _named(numbers, "version", "versions")


def _named(numbers: Iterable[int], one: str, several: str) -> str:
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    words: list[str] = []
    for run in ranges:
        is_long = len(run) > 2  # noqa: PLR2004 - "3 and 4" is no range
        words += [f"{run[0]} to {run[-1]}"] if is_long else [str(number) for number in run]
    noun = one if len(words) == 1 and len(ranges[0]) == 1 else several
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"{noun} {listed}"
