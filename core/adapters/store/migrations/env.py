"""Alembic's entry: runs on the connection that `core.adapters.store.migrate.migrate` hands over."""

from alembic import context

from core.adapters.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
