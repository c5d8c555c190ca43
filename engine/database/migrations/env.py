"""Alembic's entry: runs the revisions on the connection that `engine.database.migrate` opened."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    transaction_per_migration=True,
    on_version_apply=context.config.attributes["noted"],
)
with context.begin_transaction():
    context.run_migrations()
