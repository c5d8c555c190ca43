"""A journal of migrations, and two more kinds of readiness records.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_KINDS_BEFORE = (
    "'release', 'deployment', 'evidence', 'contradiction', 'waiver', 'n/a', 'second', 'sign-off',"
    " 'revocation', 'contacts', 'risks'"
)


def upgrade() -> None:
    """Creates the journal, which nobody changes; lets feedback and dispositions be put down."""
    op.execute("""
        CREATE TABLE schema_change (
            revision text NOT NULL,
            direction text NOT NULL,
            ran_at timestamptz NOT NULL,
            ran_by text NOT NULL,
            duration_us bigint NOT NULL,
            checksum bytea NOT NULL,
            CONSTRAINT schema_change_pkey PRIMARY KEY (revision, ran_at),
            CONSTRAINT schema_change_direction_known CHECK (direction IN ('up', 'down')),
            CONSTRAINT schema_change_checksum_is_sha256 CHECK (octet_length(checksum) = 32)
        )
    """)
    op.execute("REVOKE ALL ON schema_change FROM PUBLIC, saveguard_app")
    op.execute("GRANT SELECT ON schema_change TO saveguard_app")
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON schema_change FROM CURRENT_USER")
    _kinds(f"{_KINDS_BEFORE}, 'feedback', 'disposition'")


def downgrade() -> None:
    """Drops the journal.

    Records of the newer kinds stay, since nobody may delete one: then the rule about kinds holds
    for new rows alone.
    """
    _kinds(_KINDS_BEFORE)
    op.execute("DROP TABLE schema_change")


def _kinds(kinds: str) -> None:
    """Lets records be of these kinds; rows are read under a lock that lets others write."""
    op.execute("ALTER TABLE readiness_record DROP CONSTRAINT readiness_record_kind_known")
    op.execute(f"""
        ALTER TABLE readiness_record
        ADD CONSTRAINT readiness_record_kind_known CHECK (kind IN ({kinds})) NOT VALID
    """)
    op.execute(f"""
        DO $$
        BEGIN
            IF NOT EXISTS (SELECT FROM readiness_record WHERE kind NOT IN ({kinds})) THEN
                ALTER TABLE readiness_record VALIDATE CONSTRAINT readiness_record_kind_known;
            END IF;
        END
        $$
    """)
