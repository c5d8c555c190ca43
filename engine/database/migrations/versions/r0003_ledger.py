"""The ledger: one row for every attempt, by day, and a view that spells it out.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the ledger with its safety-net partition; the daily ones are made as days come."""
    op.execute("""
        CREATE TABLE origin (
            id bigint NOT NULL,
            environment text NOT NULL,
            release text NOT NULL,
            instance text NOT NULL,
            first_seen_at timestamptz NOT NULL,
            CONSTRAINT origin_pkey PRIMARY KEY (id),
            CONSTRAINT origin_name_key UNIQUE (environment, release, instance)
        )
    """)
    op.execute("""
        CREATE FUNCTION attempt_fault(
            operation smallint, outcome smallint, error_code smallint, correlation_id text
        ) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE
        WHEN NOT (operation BETWEEN 1 AND 7) THEN 'operation_known'
        WHEN NOT (outcome BETWEEN 1 AND 6) THEN 'outcome_known'
        WHEN NOT ((outcome IN (1, 2)) = (error_code IS NULL)) THEN 'refusal_has_code'
        WHEN NOT (correlation_id <> '') THEN 'correlation_given'
    END;
END
$$
    """)
    op.execute("""
        GRANT EXECUTE ON FUNCTION attempt_fault(smallint, smallint, smallint, text)
        TO saveguard_app
    """)
    op.execute("""
        CREATE TABLE attempt (
            agent_id uuid NOT NULL,
            started_at timestamptz NOT NULL,
            id uuid NOT NULL,
            quote_id uuid,
            client_id uuid,
            origin_id bigint NOT NULL,
            duration_us integer NOT NULL,
            database_us integer NOT NULL,
            expected_version integer,
            actual_version integer,
            operation smallint NOT NULL,
            outcome smallint NOT NULL,
            error_code smallint,
            severity smallint,
            http_status smallint,
            retries smallint NOT NULL,
            path smallint NOT NULL,
            source smallint NOT NULL,
            retryable boolean,
            correlation_id text NOT NULL,
            traceparent text,
            payload_hash bytea,
            changed_fields text,
            idempotency_key text,
            CONSTRAINT attempt_pkey PRIMARY KEY (agent_id, started_at, id),
            CONSTRAINT attempt_is_sound CHECK (
                attempt_fault(operation, outcome, error_code, correlation_id) IS NULL
            )
        ) PARTITION BY RANGE (started_at)
    """)
    # Equality and first characters of an id, whatever the database's collation.
    op.execute("""
        CREATE INDEX attempt_correlation_idx ON attempt (correlation_id text_pattern_ops)
    """)
    op.execute("""
        CREATE INDEX attempt_started_idx ON attempt USING brin (started_at)
        WITH (pages_per_range = 32, autosummarize = on)
    """)
    op.execute("CREATE TABLE attempt_default PARTITION OF attempt DEFAULT")
    op.execute("""
        CREATE VIEW ledger AS
        SELECT
            a.id,
            a.correlation_id,
            a.traceparent,
            (ARRAY['CREATE', 'UPDATE', 'DELETE', 'SEND', 'ACCEPT', 'REJECT', 'EXPIRE'])
                [a.operation] AS operation,
            (ARRAY['committed', 'replayed', 'rejected', 'conflict', 'failed', 'indeterminate'])
                [a.outcome] AS outcome,
            (ARRAY[
                'QUOTE_VALIDATION_FAILED', 'QUOTE_STATE_INVALID', 'QUOTE_CONFLICT_VERSION',
                'QUOTE_ALREADY_SENT', 'QUOTE_PERSISTENCE_FAILED', 'DATABASE_TIMEOUT',
                'DATABASE_TRANSACTION_ABORTED', 'AUTHENTICATION_FAILED', 'AUTHORIZATION_FAILED',
                'CLIENT_NOT_FOUND', 'AGENT_NOT_FOUND', 'QUOTE_NOT_FOUND',
                'PRICING_VALIDATION_FAILED', 'CURRENCY_INVALID', 'ITEMS_INCONSISTENT',
                'QUOTA_EXCEEDED', 'RATE_LIMIT_EXCEEDED', 'INTERNAL_ERROR'
            ])[a.error_code] AS error_code,
            (ARRAY['INFO', 'WARN', 'HIGH', 'CRITICAL'])[a.severity] AS severity,
            a.retryable,
            a.http_status,
            a.quote_id,
            a.agent_id,
            a.client_id,
            a.expected_version,
            a.actual_version,
            a.started_at,
            a.duration_us,
            a.database_us,
            a.retries,
            a.payload_hash,
            string_to_array(a.changed_fields, ',') AS changed_fields,
            a.idempotency_key,
            (ARRAY['hardened', 'legacy'])[a.path] AS path,
            (ARRAY['live', 'synthetic', 'drill', 'load'])[a.source] AS source,
            o.environment,
            o.release,
            o.instance
        FROM attempt a
        LEFT JOIN origin o ON o.id = a.origin_id
    """)
    # Whatever default privileges gave, nobody changes or removes a row; nor does the owner, unless
    # it takes the privilege back first, which no code of ours does.
    op.execute("""
        REVOKE ALL ON attempt, attempt_default, origin, ledger FROM PUBLIC, saveguard_app
    """)
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON attempt, attempt_default FROM CURRENT_USER")
    op.execute("GRANT SELECT, INSERT ON attempt, origin TO saveguard_app")
    op.execute("GRANT SELECT ON attempt_default, ledger TO saveguard_app")


def downgrade() -> None:
    """Drops the ledger; quotes and their revisions stay."""
    op.execute("DROP VIEW ledger")
    op.execute("DROP TABLE attempt")
    op.execute("DROP FUNCTION attempt_fault(smallint, smallint, smallint, text)")
    op.execute("DROP TABLE origin")
