"""Coverage: how many log lines each process wrote.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table; processes of the release before write no row of it and are not judged."""
    op.execute("""
        CREATE TABLE line_count (
            bucket timestamptz NOT NULL,
            process_id uuid NOT NULL,
            origin_id bigint NOT NULL,
            written integer NOT NULL,
            lost integer NOT NULL,
            CONSTRAINT line_count_pkey PRIMARY KEY (bucket, process_id)
        )
    """)
    op.execute("REVOKE ALL ON line_count FROM PUBLIC, saveguard_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON line_count TO saveguard_app")


def downgrade() -> None:
    """Drops the table; the log files stay."""
    op.execute("DROP TABLE line_count")
