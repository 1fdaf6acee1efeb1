"""The dataset in every row, for a desk with many: what is there belongs to the one of until now"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

LONG = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

revision = "0019"
down_revision = "0018"

Keys = dict[str, tuple[str, ...]]

TABLES: dict[str, Keys] = {
    "epochs": {"pk_epochs": ("dataset", "number")},
    "batches": {
        "ix_batches_id": ("dataset", "id"),
        "ix_batches_epoch": ("dataset", "epoch"),
        "ix_batches_state": ("dataset", "state"),
        "uq_batches_stored_key": ("dataset", "stored_key"),
    },
    "quarantine": {},
    "column_profiles": {
        "uq_column_profiles_owner": ("dataset", "owner", "owner_id", "column_name"),
    },
    "jobs": {
        "ix_jobs_id": ("dataset", "id"),
        "ix_jobs_kind": ("dataset", "kind"),
        "ix_jobs_state": ("state", "dataset"),
        "ix_jobs_actor": ("dataset", "actor"),
        "uq_jobs_active_key": ("dataset", "active_key"),
    },
    "job_logs": {},
    "job_tallies": {"pk_job_tallies": ("dataset", "kind", "result", "up_to_ms")},
    "schedules": {"ix_schedules_next_run_at": ("dataset", "next_run_at")},
    "notifications": {
        "ix_notifications_id": ("dataset", "id"),
        "ix_notifications_state": ("dataset", "state"),
    },
    "predictions": {
        "ix_predictions_id": ("dataset", "id"),
        "ix_predictions_at_id": ("dataset", "at", "id"),
        "ix_predictions_version_at_id": ("model_version", "dataset", "at", "id"),
    },
    "feedback": {"ix_feedback_at": ("dataset", "at")},
    "replicas": {
        "pk_replicas": ("dataset", "id"),
        "ix_replicas_heard_at": ("dataset", "heard_at"),
    },
    "live_windows": {
        "ix_live_windows_id": ("dataset", "id"),
        "uq_live_windows_last_id": ("dataset", "last_id"),
    },
    "drift_reports": {
        "ix_drift_reports_id": ("dataset", "id"),
        "ix_drift_reports_reference": ("dataset", "reference"),
        "ix_drift_reports_created_at": ("dataset", "created_at"),
        "uq_drift_reports_batch_id": ("dataset", "batch_id", "reference", "reference_name"),
    },
    "drift_stats": {},
    "drift_measures": {},
    "batch_scores": {
        "pk_batch_scores": ("dataset", "batch_id", "version"),
        "ix_batch_scores_version": ("dataset", "version", "batch_id"),
    },
    "forward_scores": {"pk_forward_scores": ("dataset", "version", "batch_id")},
    "trained_on": {"pk_trained_on": ("dataset", "version", "batch_id")},
    "drift_limits": {"ix_drift_limits_column_name": ("dataset", "column_name", "statistic")},
    "promotions": {
        "ix_promotions_state": ("dataset", "state"),
        "uq_promotions_version": ("dataset", "version"),
        "uq_promotions_live_key": ("dataset", "live_key"),
    },
    "audit": {
        "ix_audit_id": ("dataset", "id"),
        "ix_audit_at": ("dataset", "at"),
        "ix_audit_actor": ("dataset", "actor"),
        "ix_audit_action": ("dataset", "action"),
        "ix_audit_subject": ("dataset", "subject"),
    },
    "dossiers": {
        "pk_dossiers": ("dataset", "digest"),
        "ix_dossiers_version": ("dataset", "version"),
    },
    "force_requests": {
        "ix_force_requests_version": ("dataset", "version"),
        "uq_force_requests_open_key": ("dataset", "open_key"),
    },
    "follow_ups": {
        "ix_follow_ups_subject": ("dataset", "subject"),
        "ix_follow_ups_closed_at": ("dataset", "closed_at"),
    },
}
"""The tables with facts of a dataset, each with the keys and indexes that change or are new."""


def upgrade() -> None:
    connection = op.get_bind()
    name = str(context.config.attributes.get("dataset") or "")
    if not name and any(_has_rows(connection, table) for table in TABLES):
        raise ValueError("the rows of this database belong to a dataset: say to which")
    # It refers to tables that are replaced; `prepare` creates it again after the migrations.
    op.execute("DROP VIEW IF EXISTS data_comp")
    inspector = sa.inspect(connection)
    change = _replace if connection.dialect.name == "sqlite" else _alter
    for table, keys in TABLES.items():
        # MySQL commits with each statement: a killed run is completed by the next one.
        if all(c["name"] != "dataset" for c in inspector.get_columns(table)):
            change(table, keys, _there(inspector, table), name)
        if change is _alter:
            op.execute(f"ALTER TABLE {_q(table)} ALTER COLUMN dataset DROP DEFAULT")
    if not inspector.has_table("datasets"):
        op.create_table(
            "datasets",
            sa.Column("name", sa.String(length=48), nullable=False),
            sa.Column("digest", sa.String(length=64), nullable=False),
            sa.Column("seen_at", TIME, nullable=False),
            sa.Column("disabled_at", TIME, nullable=True),
            sa.Column("disabled_by", sa.String(length=200), nullable=False),
            sa.Column("reason", LONG, nullable=False),
            sa.PrimaryKeyConstraint("name", name=op.f("pk_datasets")),
        )


def _q(name: str) -> str:
    return op.get_bind().dialect.identifier_preparer.quote_identifier(name)


def _has_rows(connection: sa.Connection, table: str) -> bool:
    query = f"SELECT 1 FROM {_q(table)} LIMIT 1"  # noqa: S608 - one of our own tables
    return connection.exec_driver_sql(query).first() is not None


def _there(inspector: sa.Inspector, table: str) -> set[str]:
    """The names of the indexes and unique keys that a table has."""
    found = [*inspector.get_indexes(table), *inspector.get_unique_constraints(table)]
    return {str(key["name"]) for key in found}


def _alter(table: str, keys: Keys, there: set[str], name: str) -> None:
    """One statement for a table, which MySQL and MariaDB do wholly or not at all."""
    parts = [f"ADD COLUMN dataset VARCHAR(48) NOT NULL DEFAULT '{name}'"]
    for key, columns in keys.items():
        listed = ", ".join(map(_q, columns))
        if key.startswith("pk_"):
            parts += ["DROP PRIMARY KEY", f"ADD PRIMARY KEY ({listed})"]
            continue
        parts += [f"DROP INDEX {key}"] if key in there else []
        kind = "UNIQUE INDEX" if key.startswith("uq_") else "INDEX"
        parts.append(f"ADD {kind} {key} ({listed})")
    op.execute(f"ALTER TABLE {_q(table)} {', '.join(parts)}")


def _replace(table: str, keys: Keys, there: set[str], name: str) -> None:
    """SQLite can add a column in place; other keys need a new table."""
    op.execute(f"ALTER TABLE {_q(table)} ADD COLUMN dataset VARCHAR(48) NOT NULL DEFAULT '{name}'")
    with op.batch_alter_table(table, recreate="always") as new:
        new.alter_column("dataset", server_default=None)
        for key, columns in keys.items():
            listed = list(columns)
            if key.startswith("pk_"):
                new.drop_constraint(key, type_="primary")
                new.create_primary_key(key, listed)
            elif key.startswith("uq_"):
                new.drop_constraint(key, type_="unique")
                new.create_unique_constraint(key, listed)
            else:
                if key in there:
                    new.drop_index(key)
                new.create_index(key, listed)
