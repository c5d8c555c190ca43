"""Rollups: what tells a ledger that was restored into another server.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what the numbers of transactions are moved by, and the wish for a build; one row."""
    op.execute("""
        ALTER TABLE rollup_state
            ADD COLUMN txid_offset bigint NOT NULL DEFAULT 0,
            ADD COLUMN is_stale boolean NOT NULL DEFAULT false
    """)


def downgrade() -> None:
    """Drops both; numbers that were moved are not moved any more."""
    op.execute("ALTER TABLE attempt ALTER COLUMN txid SET DEFAULT txid_current()")
    op.execute("ALTER TABLE rollup_state DROP COLUMN txid_offset, DROP COLUMN is_stale")
