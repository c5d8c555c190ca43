"""Looking attempts up: by trace id and by idempotency key.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from alembic import op

from engine.database.migrations.days import give_days_their_index
from engine.database.migrations.session import short_transactions

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


# Neither id holds a time that would say which day to read, and callers choose both. A row without
# one is in no index. Characters are compared as bytes, whatever the collation: that is quicker, and
# rows with the same id can be read from the newest.
_INDEXES = (
    (
        "attempt_trace_idx",
        "_substr_idx",
        "(substr(traceparent, 4, 32) text_pattern_ops) WHERE traceparent IS NOT NULL",
    ),
    (
        "attempt_idempotency_idx",
        "_idempotency_key_idx",
        "(idempotency_key text_pattern_ops) WHERE idempotency_key IS NOT NULL",
    ),
)


def upgrade() -> None:
    """Adds an index on each while saves go on; an interrupted upgrade is simply run again."""
    with short_transactions() as run:
        for name, ending, definition in _INDEXES:
            give_days_their_index(run, name, ending, definition)


def downgrade() -> None:
    """Drops both."""
    op.execute("DROP INDEX attempt_idempotency_idx")
    op.execute("DROP INDEX attempt_trace_idx")
