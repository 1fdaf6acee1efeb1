"""The comparisons of two versions in words: on which rows each was made, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from console.text import formatting
from core.domain.dossier import DossierSummary, RowsFrom
from core.domain.job_results import VersionsCompared
from core.rules.model.metric_comparison import Sense, certainty, pair_in_words, sense


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of two versions: its result, and when it was made.

    `dossier` is the version whose evaluation it is from, None for one on demand. `is_present` is
    False for an evaluation that is not the one that the version is decided on.
    """

    found: VersionsCompared
    at: datetime | None
    dossier: int | None = None
    is_present: bool = True

    @property
    def name(self) -> str:
        """What made it: an evaluation, or a comparison on demand."""
        if self.dossier is None:
            return "Comparison on demand"
        return (
            f"{'Evaluation' if self.is_present else 'Other evaluation'} of version {self.dossier}"
        )

    @property
    def batches(self) -> str:
        """The batches that its rows are from."""
        found = self.found
        if not found.batches:
            return "batches not recorded"
        return batches_words(RowsFrom(found.epoch, found.batches))

    @property
    def rows(self) -> str:
        """The number of its rows, and the batches that they are from."""
        return f"{formatting.count(self.found.rows, 'row')} of {self.batches}"

    def sense(self, metric: str) -> Sense | None:
        """What it says of the first version in this metric; None if it lacks the metric."""
        found = self.found
        if metric not in found.metrics or metric not in found.others:
            return None
        return sense(metric, found.metrics[metric], found.others[metric])

    def is_significant(self, metric: str) -> bool:
        """Whether the interval of the difference excludes zero."""
        difference = self.found.differences.get(metric)
        return difference is not None and certainty(metric, difference) is not Sense.SAME


def batches_words(rows: RowsFrom) -> str:
    """Batches of an epoch, such as "batches 0 to 11 of epoch 1"."""
    numbers = sorted(rows.batches)
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        text = f"batch {first}"
    elif last - first == 1:
        text = f"batches {first} and {last}"
    elif last - first == len(numbers) - 1:
        text = f"batches {first} to {last}"
    else:
        text = f"{len(numbers)} batches ({first} to {last})"
    return f"{text} of epoch {rows.epoch}"


def evaluated_words(dossier: DossierSummary) -> str:
    """How many rows a version was evaluated on, and the batches that they are from, if recorded."""
    rows = formatting.count(dossier.candidate.rows, "held-out row")
    where = dossier.evaluated_on
    return f"{rows} of {batches_words(where)}" if where and where.batches else rows


def result_words(made: Comparison, metric: str, unit: str) -> str:
    """One result with its rows and time, as sentences; empty if it lacks the metric."""
    found = made.found
    if made.sense(metric) is None:
        return ""
    at = f", {made.at:%Y-%m-%d %H:%M} UTC" if made.at else ""
    after = f", later than {found.after}" if found.after else ""
    says = pair_in_words(
        metric,
        (found.version, found.against),
        (found.metrics[metric], found.others[metric]),
        found.differences.get(metric),
        rows=found.rows,
        unit=unit,
    )
    return f"{made.name}{at}, on held-out rows of {made.batches}{after}: {says}"


def conflict(made: Sequence[Comparison], metric: str) -> str:
    """That the newest result contradicts an earlier one, as a sentence; empty if none does.

    `made` are comparisons of the same two versions, the oldest first.
    """
    if not made:
        return ""
    newest, opposite = made[-1], {Sense.BETTER: Sense.WORSE, Sense.WORSE: Sense.BETTER}
    against = opposite.get(newest.sense(metric) or Sense.SAME)
    earlier = next((m for m in reversed(made[:-1]) if m.sense(metric) is against), None)
    if against is None or earlier is None:
        return ""
    version = newest.found.version
    more = {True: ", which are more", False: ""}
    sure = [m.is_significant(metric) for m in (earlier, newest)]
    certain = (
        "both differences are significant"
        if all(sure)
        else "neither difference is significant"
        if not any(sure)
        else f"only the {'older' if sure[0] else 'newer'} difference is significant"
    )
    return (
        f"The results contradict each other: version {version} is {against} on the {earlier.rows}"
        f"{more[earlier.found.rows > newest.found.rows]}, and {newest.sense(metric)} in the newer "
        f"comparison on the {newest.rows}{more[newest.found.rows > earlier.found.rows]}; {certain},"
        " and each holds for its own rows only."
    )


def trained_words(*trained: tuple[int, RowsFrom | None]) -> str:
    """Which batches two versions were trained on, as a sentence; empty if it is not known."""
    known = [(v, batches_words(rows)) for v, rows in trained if rows]
    if len(known) < len(trained):
        return ""
    (first, its), *others = known
    also = "".join(f", version {v} on {batches}" for v, batches in others)
    return f"Version {first} was trained on {its}{also}."
