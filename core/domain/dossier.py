"""The dossier: the evidence about a model version, on which a person decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.domain.evaluation import SplitDate
from core.domain.metrics import Metric
from core.domain.task import Task

FORMAT = 3
"""The current format of stored dossiers; the first format has no number in its JSON.

The third format adds the evidence about classes.
"""


@dataclass(frozen=True, slots=True)
class Score:
    """How one model version does on the held-out rows."""

    version: int
    rows: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus another model in one metric, with its 95 % interval."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """A constant prediction as a baseline: the median of the training target, or class shares.

    `metrics` are on the same held-out rows as the candidate's; `differences` are candidate minus
    baseline. For a classifier, `shares` are the class shares of the training rows, and `value` is
    the largest of them.
    """

    value: float
    metrics: Mapping[str, float]
    differences: Mapping[str, Difference]
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnFigure:
    """The values of one of the team's own metrics on the same held-out rows.

    A value is None if there is no such model, or if its code failed; `problem` says why then.
    """

    key: str
    metric: Metric
    candidate: float | None = None
    champion: float | None = None
    baseline: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class NewerRows:
    """Both models on the rows of batches that are newer than all training batches of both.

    `batches` has their numbers. `differences` are candidate minus champion, with 95 % intervals.
    """

    batches: tuple[int, ...]
    rows: int
    candidate: Mapping[str, float]
    champion: Mapping[str, float]
    differences: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class RowsFrom:
    """Where rows are from: an epoch, and the numbers of its batches."""

    epoch: int
    batches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """Both models on a slice: their errors, and the interval of the difference.

    The error is the mean absolute error; for classifiers, the share of wrong answers.
    `champion` and `difference` are None without a champion.
    """

    by: str
    value: str
    rows: int
    candidate: float
    champion: float | None
    difference: Difference | None


class GateName(StrEnum):
    """The gates of a candidate, in the order of a dossier.

    A classifier has `CLASS_SHARES` instead of `BASELINE`.
    """

    NO_OVERLAP = "no overlap"
    BASELINE = "better than the median"
    BETTER = "better"
    SIGNIFICANT = "statistically significant"
    NO_REGRESSION = "no regression"
    NO_WORSE_SEGMENT = "no worse segment"
    COMPARED = "compared"
    CLASS_SHARES = "better than the class shares"
    METRIC_LIMIT = "metric limit"
    SEGMENT_LIMIT = "segment limit"


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition that a candidate must fulfil to be recommended, and whether it does.

    One that `blocks` and is not passed makes the other figures worthless. One that `compares` is
    about the difference to the champion alone.
    """

    name: GateName
    passed: bool
    says: str
    blocks: bool = False
    compares: bool = False


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """A batch among the training rows; `rows` counts its stored rows."""

    id: int
    epoch: int
    number: int | None
    rows: int | None


@dataclass(frozen=True, slots=True)
class LessonBatch:
    """A batch of a lesson with the hash of its content."""

    id: int
    content: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """The rows, the recipe and the revision of the dataset file that a model is made of.

    `rows` and `dataset` are digests.
    """

    rows: str
    recipe: str
    dataset: str
    batches: tuple[LessonBatch, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What two lessons have in common when they make the same model."""
        return self.rows, self.recipe, self.dataset


@dataclass(frozen=True, slots=True)
class Replay:
    """The latest real requests, predicted by both models again.

    `moved` is the share whose prediction changes by more than 10 %, or whose label changes;
    `unreadable` counts requests that the candidate does not accept.
    """

    requests: int = 0
    unreadable: int = 0
    moved: float = 0.0


@dataclass(frozen=True, slots=True)
class GoldenRow:
    """A request with the prediction that serving must give before the version counts as live.

    A classifier's prediction is the probability of each class, in the order of its contract.
    """

    row: Mapping[str, float | str | None]
    prediction: float | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve of at most 50 points; `of` is the class, "" for the mean of all classes."""

    of: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """A classifier's confusion matrix and curves on the held-out rows.

    `confusion` counts rows: one line for each actual class, one column for each answered class,
    both in the order of the dossier's `classes`. The curves are those of the positive class of a
    binary task, else of each class against the rest, or their mean for more than 10 classes. `roc`
    is the true positive rate by the false positive rate, `precision_recall` precision by recall,
    and `calibration` the share of rows of the class by the mean probability, in 10 bins of equal
    width.
    """

    confusion: tuple[tuple[int, ...], ...] = ()
    roc: tuple[Curve, ...] = ()
    precision_recall: tuple[Curve, ...] = ()
    calibration: tuple[Curve, ...] = ()
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """Actual and predicted values of the same few rows for every version, for charts."""

    actual: tuple[float, ...] = ()
    candidate: tuple[float, ...] = ()
    champion: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierSummary:
    """The evidence about a version without the parts that only charts and serving need.

    `digest` is the SHA-256 of the model file; `data_digest` names the rows. `parity` is the largest
    difference, relative or of probabilities, between the fitted and the exported model.
    `uncompared` is the version of a champion that could not be scored. `importance` is the relative
    increase of the error when a column is shuffled. `learned` is None in dossiers from before
    lessons were recorded. `classes` are those of both models and of the held-out rows; in a binary
    task the positive one is last.
    `split` is the split date of a version that was trained with a split by time. `compared_after`
    is set if only the held-out rows after this time are unseen by both models. `coverage` is the
    measured coverage of the prediction intervals. `newer` is None if no batch is newer than both
    models. `evaluated_on` has the batches of the held-out rows that were scored, and `typical` the
    typical row of the model file; both are empty in older dossiers.
    """

    job: int | None = None
    parity: float | None = None
    digest: str = ""
    data_digest: str = ""
    primary_metric: str = ""
    training_rows: int
    held_out_rows: int
    overlap: int = 0
    candidate: Score
    champion: Score | None = None
    uncompared: int | None = None
    baseline: Baseline | None = None
    own_metrics: tuple[OwnFigure, ...] = ()
    batches: tuple[TrainingBatch, ...] = ()
    differences: Mapping[str, Difference] = field(default_factory=dict)
    gates: tuple[Gate, ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    replay: Replay = Replay()
    learned: Lesson | None = None
    task: Task = Task.REGRESSION
    classes: tuple[str, ...] = ()
    split: SplitDate | None = None
    compared_after: SplitDate | None = None
    coverage: float | None = None
    newer: NewerRows | None = None
    evaluated_on: RowsFrom | None = None
    typical: Mapping[str, float | str | None] = field(default_factory=dict)

    @property
    def compared_with(self) -> int | None:
        """The version that it was to be compared with, also one that could not be scored."""
        return self.champion.version if self.champion else self.uncompared

    @property
    def batch_ids(self) -> tuple[int, ...]:
        """The batches that the version was trained on."""
        return tuple(batch.id for batch in (self.learned or self).batches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier(DossierSummary):
    """The whole evidence about a version; a regression has `points`, a classifier class figures."""

    slices: tuple[Slice, ...] = ()
    points: Points = Points()
    golden: tuple[GoldenRow, ...] = ()
    candidate_classes: ClassFigures | None = None
    champion_classes: ClassFigures | None = None
