"""Version, last modifier and full history of every quote.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BATCH = 5_000


def upgrade() -> None:
    """Adds the columns at once and the first revision of existing quotes in batches.

    The columns come with defaults, so that code of the release before keeps inserting; a constant
    default rewrites no row. Each step can be repeated: an interrupted upgrade is simply run again.
    """
    with op.get_context().autocommit_block():
        op.execute("""
            ALTER TABLE quote
                ADD COLUMN IF NOT EXISTS version integer NOT NULL DEFAULT 1,
                ADD COLUMN IF NOT EXISTS last_modified_by text NOT NULL DEFAULT 'unknown',
                ADD COLUMN IF NOT EXISTS last_modified_at timestamptz NOT NULL DEFAULT now()
        """)
        # NOT VALID takes the short lock; validating afterwards blocks no writer.
        op.execute("ALTER TABLE quote DROP CONSTRAINT IF EXISTS quote_version_positive")
        op.execute("""
            ALTER TABLE quote
                ADD CONSTRAINT quote_version_positive CHECK (version >= 1) NOT VALID
        """)
        op.execute("ALTER TABLE quote VALIDATE CONSTRAINT quote_version_positive")
        op.execute("""
            CREATE TABLE IF NOT EXISTS quote_revision (
                agent_id uuid NOT NULL,
                quote_id uuid NOT NULL,
                version integer NOT NULL,
                operation smallint NOT NULL,
                modified_by text NOT NULL,
                modified_at timestamptz NOT NULL,
                correlation_id text,
                attempt_id uuid,
                attempt_started_at timestamptz,
                changed_fields text NOT NULL,
                detail jsonb,
                snapshot jsonb NOT NULL,
                CONSTRAINT quote_revision_pkey PRIMARY KEY (agent_id, quote_id, version),
                CONSTRAINT quote_revision_quote_fkey
                    FOREIGN KEY (agent_id, quote_id) REFERENCES quote (agent_id, id),
                CONSTRAINT quote_revision_version_positive CHECK (version >= 1),
                CONSTRAINT quote_revision_attempt_whole
                    CHECK ((attempt_id IS NULL) = (attempt_started_at IS NULL))
            )
        """)
        op.execute("GRANT SELECT, INSERT ON quote_revision TO saveguard_app")
        _give_existing_quotes_their_first_revision()


def _give_existing_quotes_their_first_revision() -> None:
    connection = op.get_bind()
    while connection.exec_driver_sql(
        """
        INSERT INTO quote_revision (
            agent_id, quote_id, version, operation, modified_by, modified_at, changed_fields,
            snapshot
        )
        SELECT
            q.agent_id, q.id, q.version, 1, q.last_modified_by, q.last_modified_at, '', to_jsonb(q)
        FROM quote q
        WHERE NOT EXISTS (
            SELECT FROM quote_revision r
            WHERE r.agent_id = q.agent_id AND r.quote_id = q.id AND r.version = q.version
        )
        LIMIT %(batch)s
        ON CONFLICT DO NOTHING
        """,
        {"batch": _BATCH},
    ).rowcount:
        pass


def downgrade() -> None:
    """Drops the history and the columns; the quotes themselves stay as they are."""
    op.execute("DROP TABLE quote_revision")
    op.execute("""
        ALTER TABLE quote
            DROP CONSTRAINT quote_version_positive,
            DROP COLUMN version,
            DROP COLUMN last_modified_by,
            DROP COLUMN last_modified_at
    """)
