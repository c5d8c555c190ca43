"""Alerting: what became of the notices of a channel, and its newest test, without reading all.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds both indexes; ticks and senders wait while they are built, saves do not."""
    # How each channel stands, from the index alone.
    op.execute("""
        CREATE INDEX alert_outbox_came_to_idx
        ON alert_outbox (channel, state, ended_at, made_at) INCLUDE (is_perhaps_repeated)
    """)
    # Somebody tests now and then; rules write all the time.
    op.execute("""
        CREATE INDEX alert_outbox_tests_idx ON alert_outbox (channel, made_at DESC, id DESC)
        WHERE kind = 'test'
    """)


def downgrade() -> None:
    """Drops both."""
    op.execute("DROP INDEX alert_outbox_tests_idx")
    op.execute("DROP INDEX alert_outbox_came_to_idx")
