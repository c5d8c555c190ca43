"""Version, last modifier and full history of every quote.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from uuid import UUID

from alembic import op

from engine.database.migrations.session import Run, short_transactions
from engine.database.migrations.versions.r0001_base import QUOTE_FAULT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Some 50 ms of writing: what a batch locks is soon free again, and an interruption loses little.
_BATCH = 1_000
_FIRST = UUID(int=0)

# The columns come with defaults, so that code of the release before keeps inserting; a constant
# default rewrites no row.
_COLUMNS = """
    ALTER TABLE quote
        ADD COLUMN IF NOT EXISTS version integer NOT NULL DEFAULT 1,
        ADD COLUMN IF NOT EXISTS last_modified_by text NOT NULL DEFAULT 'unknown',
        ADD COLUMN IF NOT EXISTS last_modified_at timestamptz NOT NULL DEFAULT now()
"""
# Every row has version 1 by then, so the constraint that stands on the function stays true.
_RULE = QUOTE_FAULT.replace(
    "RETURN CASE",
    "RETURN CASE\n        WHEN NOT (q.version >= 1) THEN 'version_positive'",
)
_HISTORY = """
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
"""
# Whatever default privileges gave, nobody changes or removes a revision; nor does the owner, unless
# it takes the privilege back first, which no code of ours does.
_PRIVILEGES = (
    "REVOKE ALL ON quote_revision FROM PUBLIC, saveguard_app",
    "REVOKE UPDATE, DELETE, TRUNCATE ON quote_revision FROM CURRENT_USER",
    "GRANT SELECT, INSERT ON quote_revision TO saveguard_app",
)
# Goes through the quotes in the order of their key, so that a table of any size is read once; says
# where it stopped.
_FIRST_REVISIONS = """
    WITH batch AS (
        SELECT q.*
        FROM quote q
        WHERE (q.agent_id, q.id) > (%(agent_id)s, %(id)s)
        ORDER BY q.agent_id, q.id
        LIMIT %(most)s
    ), made AS (
        INSERT INTO quote_revision (
            agent_id, quote_id, version, operation, modified_by, modified_at, changed_fields,
            snapshot
        )
        SELECT
            b.agent_id, b.id, b.version, 1, b.last_modified_by, b.last_modified_at, '', to_jsonb(b)
        FROM batch b
        WHERE NOT EXISTS (
            SELECT FROM quote_revision r
            WHERE r.agent_id = b.agent_id AND r.quote_id = b.id AND r.version = b.version
        )
        ON CONFLICT DO NOTHING
    )
    SELECT b.agent_id, b.id
    FROM batch b
    ORDER BY b.agent_id DESC, b.id DESC
    LIMIT 1
"""


def upgrade() -> None:
    """Adds the columns at once and the first revision of existing quotes in batches.

    Every statement is a transaction of its own and can be repeated: an interrupted upgrade is
    simply run again.
    """
    with short_transactions() as run:
        for statement in (_COLUMNS, _RULE, _HISTORY, *_PRIVILEGES):
            run(statement)
        _give_quotes_their_first_revision(run)


def _give_quotes_their_first_revision(run: Run) -> None:
    agent_id, quote_id = _FIRST, _FIRST
    while row := run(
        _FIRST_REVISIONS, {"agent_id": agent_id, "id": quote_id, "most": _BATCH}
    ).fetchone():
        agent_id, quote_id = row


def downgrade() -> None:
    """Drops the history and the columns; the quotes themselves stay as they are."""
    # First the table that a save locks first, so that the two do not wait for each other.
    op.execute("LOCK TABLE quote IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP TABLE quote_revision")
    op.execute(QUOTE_FAULT)
    op.execute("""
        ALTER TABLE quote
            DROP COLUMN version,
            DROP COLUMN last_modified_by,
            DROP COLUMN last_modified_at
    """)
