"""Rollups: counters and histograms by time, and which rows of the ledger they hold.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

from engine.database.migrations.days import give_days_their_index
from engine.database.migrations.session import short_transactions

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


# A column without a default is added without touching a row; the default is for later rows. In one
# statement, so that no row is written in between.
_TRANSACTION = """
    ALTER TABLE attempt
        ADD COLUMN IF NOT EXISTS txid bigint,
        ALTER COLUMN txid SET DEFAULT txid_current()
"""
# Each index of the ledger, how those of its days end, and what it is of. On an append-only table a
# BRIN is read in one pass and is tiny; the other one has the errors of a code, newest first, and
# holds the few rows that have one.
_INDEXES = (
    (
        "attempt_txid_idx",
        "_txid_idx",
        "USING brin (txid) WITH (pages_per_range = 128, autosummarize = on)",
    ),
    (
        "attempt_error_idx",
        "_error_code_started_at_idx",
        "(error_code, started_at) WHERE error_code IS NOT NULL",
    ),
)


def upgrade() -> None:
    """Adds the transaction to the ledger's rows, and the tables that are folded from them.

    Rows that were there before keep a null transaction; the first run of the roller takes them in.
    Saves go on meanwhile: a day's index is built without a lock that they would wait for. All that
    touches the ledger can be repeated, so an interrupted upgrade is simply run again.
    """
    with short_transactions() as run:
        run(_TRANSACTION)
        for name, ending, definition in _INDEXES:
            give_days_their_index(run, name, ending, definition)
    _make_tables()


def _make_tables() -> None:
    op.execute("""
        CREATE TABLE attempt_rollup (
            tier smallint NOT NULL,
            bucket timestamptz NOT NULL,
            operation smallint NOT NULL,
            traffic smallint NOT NULL,
            path smallint NOT NULL,
            attempts integer NOT NULL,
            outcomes integer[] NOT NULL,
            codes smallint[] NOT NULL,
            code_counts integer[] NOT NULL,
            retried integer NOT NULL,
            at_edge integer NOT NULL,
            timed integer NOT NULL,
            over_p95 integer NOT NULL,
            over_p99 integer NOT NULL,
            duration_us bigint NOT NULL,
            database_us bigint NOT NULL,
            longest_us integer NOT NULL,
            slots smallint[] NOT NULL,
            slot_counts integer[] NOT NULL,
            CONSTRAINT attempt_rollup_pkey PRIMARY KEY (tier, bucket, operation, traffic, path)
        ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)
    """)
    op.execute("""
        CREATE TABLE rollup_state (
            id smallint NOT NULL,
            feed text NOT NULL,
            snapshot text,
            p95_limit_us integer NOT NULL,
            p99_limit_us integer NOT NULL,
            rolled bigint NOT NULL,
            runs bigint NOT NULL,
            rolled_at timestamptz,
            CONSTRAINT rollup_state_pkey PRIMARY KEY (id),
            CONSTRAINT rollup_state_is_one CHECK (id = 1),
            CONSTRAINT rollup_state_feed_known CHECK (feed IN ('snapshot', 'queue'))
        )
    """)
    # No snapshot: nothing was rolled yet, and whoever comes first builds everything.
    op.execute("""
        INSERT INTO rollup_state (id, feed, p95_limit_us, p99_limit_us, rolled, runs)
        VALUES (1, 'snapshot', 500000, 1000000, 0, 0)
    """)
    op.execute("""
        CREATE TABLE attempt_queue (
            agent_id uuid NOT NULL,
            started_at timestamptz NOT NULL,
            id uuid NOT NULL,
            origin_id bigint NOT NULL,
            duration_us integer NOT NULL,
            database_us integer NOT NULL,
            operation smallint NOT NULL,
            outcome smallint NOT NULL,
            error_code smallint,
            retries smallint NOT NULL,
            path smallint NOT NULL,
            source smallint NOT NULL,
            CONSTRAINT attempt_queue_pkey PRIMARY KEY (agent_id, started_at, id)
        ) WITH (autovacuum_vacuum_scale_factor = 0.02)
    """)
    op.execute("""
        CREATE TABLE dropped_partition (
            name text NOT NULL,
            day date,
            rows bigint,
            detached_at timestamptz NOT NULL,
            dropped_at timestamptz,
            CONSTRAINT dropped_partition_pkey PRIMARY KEY (name, detached_at)
        )
    """)
    op.execute("""
        CREATE TABLE edge_count (
            bucket timestamptz NOT NULL,
            process_id uuid NOT NULL,
            origin_id bigint NOT NULL,
            arrivals integer NOT NULL,
            left_early integer NOT NULL,
            CONSTRAINT edge_count_pkey PRIMARY KEY (bucket, process_id)
        )
    """)
    op.execute("ALTER TABLE origin ADD COLUMN has_edge boolean NOT NULL DEFAULT false")
    op.execute("GRANT UPDATE (has_edge) ON origin TO saveguard_app")
    op.execute("""
        REVOKE ALL ON attempt_rollup, rollup_state, attempt_queue, dropped_partition, edge_count
        FROM PUBLIC, saveguard_app
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON attempt_rollup TO saveguard_app")
    op.execute("GRANT SELECT, UPDATE ON rollup_state TO saveguard_app")
    op.execute("GRANT SELECT, INSERT, DELETE ON attempt_queue TO saveguard_app")
    op.execute("GRANT SELECT ON dropped_partition TO saveguard_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON edge_count TO saveguard_app")


def downgrade() -> None:
    """Drops what was folded; the ledger's rows stay, less the transaction that wrote each."""
    op.execute("ALTER TABLE origin DROP COLUMN has_edge")
    for table in (
        "edge_count",
        "dropped_partition",
        "attempt_queue",
        "rollup_state",
        "attempt_rollup",
    ):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP INDEX attempt_error_idx")
    op.execute("DROP INDEX attempt_txid_idx")
    op.execute("ALTER TABLE attempt DROP COLUMN txid")
