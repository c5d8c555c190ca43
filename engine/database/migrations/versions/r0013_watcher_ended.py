"""A process that ends in order says that it watches no more.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds when; of those that are gone nobody knows it."""
    op.execute("ALTER TABLE alert_watcher ADD COLUMN ended_at timestamptz")


def downgrade() -> None:
    """Takes it away: a time without a look is told again, whatever its reason."""
    op.execute("ALTER TABLE alert_watcher DROP COLUMN ended_at")
