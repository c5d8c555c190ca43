"""The installation: a name that tells this database from every other.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the one row; it goes with the data into a dump, and onto a standby."""
    op.execute("""
        CREATE TABLE installation (
            is_only boolean NOT NULL,
            id uuid NOT NULL,
            CONSTRAINT installation_pkey PRIMARY KEY (is_only),
            CONSTRAINT installation_is_one CHECK (is_only)
        )
    """)
    op.execute("INSERT INTO installation VALUES (true, gen_random_uuid())")
    op.execute("REVOKE ALL ON installation FROM PUBLIC, saveguard_app")
    op.execute("GRANT SELECT ON installation TO saveguard_app")


def downgrade() -> None:
    """Forgets the name."""
    op.execute("DROP TABLE installation")
