"""How a version was decided: a rollback is no force, and a force that was overtaken is closed"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ACTIONS = ("approve", "force", "rollback", "reject")


def upgrade() -> None:
    op.add_column(
        "promotions",
        sa.Column("decided_as", sa.String(length=20), nullable=False, server_default=""),
    )
    connection = op.get_bind()
    for version, action in _decided(connection).items():
        connection.execute(
            sa.text(
                "UPDATE promotions SET decided_as = :action, forced = :forced "
                "WHERE version = :version"
            ),
            {"version": version, "action": action, "forced": action == "force"},
        )
    # A force that still waits for a second person, though the version was decided since.
    op.execute(
        "UPDATE force_requests SET outcome = 'superseded', open_key = NULL, "
        "closed_at = (SELECT p.decided_at FROM promotions p WHERE p.version = "
        "force_requests.version), "
        "closed_by = (SELECT p.decided_by FROM promotions p WHERE p.version = "
        "force_requests.version) "
        "WHERE open_key IS NOT NULL AND EXISTS (SELECT 1 FROM promotions p WHERE p.version = "
        "force_requests.version AND p.decided_at > force_requests.asked_at)"
    )


def _decided(connection: sa.Connection) -> dict[int, str]:
    """How each version was decided last, by the audit trail; by its row where that says nothing."""
    rows = connection.execute(
        sa.text("SELECT version, state, forced FROM promotions WHERE decided_at IS NOT NULL")
    )
    found = {}
    for version, state, forced in rows:
        found[version] = "reject" if state == "REJECTED" else "force" if forced else "approve"
    events = connection.execute(
        sa.text(
            "SELECT subject, action FROM audit WHERE action IN :actions ORDER BY id"
        ).bindparams(sa.bindparam("actions", _ACTIONS, expanding=True))
    )
    for subject, action in events:
        kind, _, number = subject.partition(":")
        if kind == "version" and number.isdecimal() and int(number) in found:
            found[int(number)] = action
    return found
