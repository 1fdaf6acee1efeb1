"""The tables, as SQLAlchemy describes them, by subject.

Fixed tables are created by the migrations in `core/adapters/store/migrations`; the rows table and
the view `data_comp` follow from the dataset and are created by `core.adapters.store.migrate`.
Only types that SQLite, MySQL 8 and MariaDB share are used.
"""

from core.adapters.store.tables.dataset import data_comp, rows_table
from core.adapters.store.tables.decisions import (
    audit,
    audit_head,
    dossiers,
    follow_ups,
    force_requests,
    promotions,
)
from core.adapters.store.tables.drift import (
    batch_scores,
    drift_limits,
    drift_measures,
    drift_reports,
    drift_stats,
    forward_scores,
    trained_on,
)
from core.adapters.store.tables.ingest import batches, column_profiles, epochs, quarantine
from core.adapters.store.tables.job_runs import job_logs, job_tallies, jobs
from core.adapters.store.tables.operations import (
    datasets,
    deliveries,
    notifications,
    schedules,
)
from core.adapters.store.tables.serving import feedback, live_windows, predictions, replicas
from core.adapters.store.tables.types import UtcDateTime, metadata

__all__ = [
    "UtcDateTime",
    "audit",
    "audit_head",
    "batch_scores",
    "batches",
    "column_profiles",
    "data_comp",
    "datasets",
    "deliveries",
    "dossiers",
    "drift_limits",
    "drift_measures",
    "drift_reports",
    "drift_stats",
    "epochs",
    "feedback",
    "follow_ups",
    "force_requests",
    "forward_scores",
    "job_logs",
    "job_tallies",
    "jobs",
    "live_windows",
    "metadata",
    "notifications",
    "predictions",
    "promotions",
    "quarantine",
    "replicas",
    "rows_table",
    "schedules",
    "trained_on",
]
