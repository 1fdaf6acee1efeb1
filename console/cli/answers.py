"""What each command prints with `--json`: the types that the reference makes its schemas of.

The commands name these types in their annotations and never import this module: it loads what the
command line leaves out to start fast.
"""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic, which makes the schemas, asks for this one

from console.actions.backup.create import Backup
from console.actions.backup.restore import Restored
from console.actions.dataset_files import Written
from console.actions.retention import Continued
from console.queries.dataset_files import Described, Listed
from console.queries.doctor_rules import Finding
from console.queries.live_traffic import Waiting
from console.queries.promotion import Checked
from console.queries.service_checks import Service
from console.queries.source import SourceState
from console.queries.status import Status as OneStatus
from console.text.file_check import FileCheck
from console.text.quarantine import BrokenRule
from core.adapters.store.dataset_columns import Changes
from core.domain.audit_event import AuditEvent
from core.domain.batches import Batch as LedgerEntry
from core.domain.drift import DriftReport
from core.domain.fleet import Cost, Hit
from core.domain.fleet import KnownDataset as Known
from core.domain.jobs import Job as OneJob
from core.domain.jobs import LogLine
from core.domain.promotions import FollowUp, ForceRequest, Promotion
from core.rules.data.epoch_ending import EpochRows
from core.rules.drift.batch_verdict import BatchVerdict
from core.rules.drift.live_windows import Window
from core.rules.drift.thresholds import Preview
from core.rules.ops.fleet_state import Line
from core.rules.ops.need import Need
from core.rules.ops.notification import Notice
from core.rules.ops.schedule import Schedule as OneSchedule


class StatusOfOne(TypedDict):
    """The state of one dataset's pipeline; `told` are notes, `needs` comes with `--check`."""

    status: OneStatus
    services: list[Service]
    stuck: dict[int, str]
    told: list[str]
    needs: NotRequired[tuple[Need, ...]]


class StatusOfAll(TypedDict):
    """A line for each dataset, and the services that they share."""

    datasets: list[Line]
    services: list[Service]


class Compared(TypedDict):
    """The addresses of both sides, and the report."""

    reference: str
    current: str
    report: DriftReport


class Traffic(TypedDict):
    """The progress of the next window of live traffic, and the windows before, newest first."""

    next: Waiting
    windows: list[Window]


class LimitInForce(TypedDict):
    """A limit, that of the dataset file, and whether a person set it here."""

    limit: float
    dataset: float
    set_here: bool


class NewKey(TypedDict):
    """A key, printed once; `datasets` are those that it is for, if not all."""

    name: str
    key: str
    datasets: NotRequired[list[str]]


class ListedKey(TypedDict):
    """A key by the start of its digest; `datasets` as in `NewKey`."""

    name: str
    digest: str
    datasets: NotRequired[list[str]]


class RemovedKeys(TypedDict):
    """How many keys were removed."""

    removed: int


class ExportedRows(TypedDict):
    """The file, and how many rows it has."""

    file: str
    rows: int


class GivenFeedback(TypedDict):
    """The actual value; `on_record` says whether the prediction is on record yet."""

    prediction_id: str
    actual: float | str
    on_record: bool


class SeenAlert(TypedDict):
    """The alert that a person has seen."""

    subject: str
    seen_by: str


Status = StatusOfOne | StatusOfAll
Job = OneJob
Jobs = list[OneJob]
Log = list[LogLine]
Audit = list[AuditEvent] | Checked
Passport = dict[str, Any]
Batches = list[LedgerEntry]
Batch = LedgerEntry
Verdict = BatchVerdict
Comparison = Compared
Reports = list[dict[str, Any]]
LiveTraffic = Traffic
Datasets = list[Listed]
Dataset = Described
KnownDataset = Known
Costs = list[Cost]
Hits = list[Hit]
Key = NewKey
Keys = list[ListedKey]
Removed = RemovedKeys
Limits = dict[str, LimitInForce] | list[Preview]
Notification = Notice
Prediction = dict[str, Any]
Quarantine = list[LedgerEntry] | list[BrokenRule]
Rows = list[EpochRows]
Exported = ExportedRows
Schedule = OneSchedule
Schedules = list[OneSchedule]
Source = SourceState
Candidates = list[dict[str, Any]]
Version = Promotion
Force = ForceRequest
Dossier = dict[str, Any]
FollowUps = list[FollowUp]
Rollbacks = list[Promotion]
Feedback = GivenFeedback
Seen = SeenAlert
Pruned = dict[str, Any]
Numbers = Continued

PRINTED = {
    "doctor": list[Finding],
    "backup": Backup,
    "restore": Restored,
    "dataset init": Written,
    "dataset check": FileCheck | Changes | list[Changes],
    "drift": OneJob | Reports | LiveTraffic,
}
"""Those of commands that print by themselves and return nothing."""
