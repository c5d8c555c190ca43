"""Alerting: ticks, what rules are in, alerts, the outbox and its deliveries, silences.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = (
    "alert_rule_change",
    "alert_tick",
    "alert_state",
    "alert_transition",
    "alert",
    "alert_outbox",
    "alert_delivery",
    "alert_silence",
    "alert_watcher",
    "alert_heartbeat",
)


def upgrade() -> None:
    """Creates the tables; what happened is never changed, what is to be done is."""
    op.execute("""
        CREATE TABLE alert_rule_change (
            id uuid NOT NULL,
            rule_id text NOT NULL,
            made_at timestamptz NOT NULL,
            made_by text NOT NULL,
            account_id uuid,
            reason text NOT NULL,
            body jsonb NOT NULL,
            CONSTRAINT alert_rule_change_pkey PRIMARY KEY (id)
        )
    """)
    op.execute("CREATE INDEX alert_rule_change_rule_idx ON alert_rule_change (rule_id, made_at)")
    # One row for every tick, numbered without gaps: a gap would be a time nobody was looking.
    op.execute("""
        CREATE TABLE alert_tick (
            number bigint NOT NULL,
            due_at timestamptz NOT NULL,
            started_at timestamptz NOT NULL,
            ended_at timestamptz NOT NULL,
            instance text NOT NULL,
            release text NOT NULL,
            rules_digest bytea NOT NULL,
            rules integer NOT NULL,
            unknown integer NOT NULL,
            firing integer NOT NULL,
            CONSTRAINT alert_tick_pkey PRIMARY KEY (number),
            CONSTRAINT alert_tick_number_positive CHECK (number > 0)
        )
    """)
    op.execute("CREATE INDEX alert_tick_started_idx ON alert_tick (started_at)")
    op.execute("""
        CREATE TABLE alert_state (
            rule_id text NOT NULL,
            state text NOT NULL,
            since timestamptz NOT NULL,
            true_since timestamptz,
            last_true timestamptz,
            unknown_since timestamptz,
            alert_id uuid,
            is_no_data boolean NOT NULL,
            tick bigint NOT NULL,
            reason text NOT NULL,
            numbers jsonb NOT NULL,
            CONSTRAINT alert_state_pkey PRIMARY KEY (rule_id),
            CONSTRAINT alert_state_known CHECK (
                state IN ('inactive', 'pending', 'firing', 'resolved', 'unknown')
            )
        )
    """)
    op.execute("""
        CREATE TABLE alert_transition (
            id uuid NOT NULL,
            rule_id text NOT NULL,
            tick bigint,
            happened_at timestamptz NOT NULL,
            before text NOT NULL,
            after text NOT NULL,
            alert_id uuid,
            reason text NOT NULL,
            numbers jsonb NOT NULL,
            correlation_id text NOT NULL,
            muted_by jsonb,
            CONSTRAINT alert_transition_pkey PRIMARY KEY (id),
            CONSTRAINT alert_transition_once_a_tick UNIQUE (rule_id, tick)
        )
    """)
    op.execute("CREATE INDEX alert_transition_happened_idx ON alert_transition (happened_at, id)")
    op.execute("CREATE INDEX alert_transition_correlation_idx ON alert_transition (correlation_id)")
    op.execute("""
        CREATE TABLE alert (
            id uuid NOT NULL,
            rule_id text NOT NULL,
            severity text NOT NULL,
            error_code text NOT NULL,
            environment text NOT NULL,
            correlation_id text NOT NULL,
            message text NOT NULL,
            numbers jsonb NOT NULL,
            fired_at timestamptz NOT NULL,
            told_at timestamptz,
            resolved_at timestamptz,
            acknowledged_at timestamptz,
            acknowledged_by text,
            disposition text,
            remark text,
            muted_by jsonb,
            CONSTRAINT alert_pkey PRIMARY KEY (id)
        )
    """)
    op.execute("CREATE INDEX alert_fired_idx ON alert (fired_at, id)")
    op.execute("CREATE INDEX alert_open_idx ON alert (rule_id) WHERE resolved_at IS NULL")
    op.execute("""
        CREATE TABLE alert_outbox (
            id uuid NOT NULL,
            alert_id uuid NOT NULL,
            kind text NOT NULL,
            channel text NOT NULL,
            escalates_to text[] NOT NULL,
            urgency smallint NOT NULL,
            body jsonb NOT NULL,
            made_at timestamptz NOT NULL,
            state text NOT NULL,
            tries integer NOT NULL,
            next_at timestamptz,
            claimed_by text,
            claimed_until timestamptz,
            reason text,
            answer text,
            receipt text,
            ended_at timestamptz,
            is_perhaps_repeated boolean NOT NULL,
            nonce text,
            echoed_at timestamptz,
            echoed_by text,
            CONSTRAINT alert_outbox_pkey PRIMARY KEY (id),
            CONSTRAINT alert_outbox_kind_known CHECK (
                kind IN ('firing', 'repeat', 'resolved', 'test', 'note')
            ),
            CONSTRAINT alert_outbox_state_known CHECK (
                state IN (
                    'waiting', 'sending', 'delivered', 'failed', 'not configured', 'dropped'
                )
            )
        )
    """)
    # What is still to be done, the most urgent first.
    op.execute("""
        CREATE INDEX alert_outbox_due_idx ON alert_outbox (channel, urgency DESC, next_at)
        WHERE state IN ('waiting', 'sending', 'not configured')
    """)
    # Which notices tell of an alert that is not their first.
    op.execute("""
        CREATE INDEX alert_outbox_others_idx
        ON alert_outbox USING gin ((body -> 'others'))
    """)
    op.execute("CREATE INDEX alert_outbox_alert_idx ON alert_outbox (alert_id)")
    op.execute("CREATE INDEX alert_outbox_made_idx ON alert_outbox (made_at, id)")
    op.execute("""
        CREATE TABLE alert_delivery (
            outbox_id uuid NOT NULL,
            number integer NOT NULL,
            started_at timestamptz NOT NULL,
            ended_at timestamptz NOT NULL,
            result text NOT NULL,
            reason text,
            status integer,
            answer text,
            CONSTRAINT alert_delivery_pkey PRIMARY KEY (outbox_id, number)
        )
    """)
    op.execute("""
        CREATE TABLE alert_silence (
            id uuid NOT NULL,
            matcher jsonb NOT NULL,
            reason text NOT NULL,
            made_at timestamptz NOT NULL,
            made_by text NOT NULL,
            account_id uuid,
            expires_at timestamptz NOT NULL,
            ended_at timestamptz,
            ended_by text,
            CONSTRAINT alert_silence_pkey PRIMARY KEY (id),
            CONSTRAINT alert_silence_reason_given CHECK (reason <> ''),
            CONSTRAINT alert_silence_ends CHECK (expires_at > made_at)
        )
    """)
    # What each process sees of itself; the evaluator is in one of them and cannot know.
    op.execute("""
        CREATE TABLE alert_watcher (
            process_id uuid NOT NULL,
            instance text NOT NULL,
            seen_at timestamptz NOT NULL,
            spooled integer NOT NULL,
            still_since timestamptz,
            CONSTRAINT alert_watcher_pkey PRIMARY KEY (process_id)
        )
    """)
    # One row: what the watcher outside has last heard of us.
    op.execute("""
        CREATE TABLE alert_heartbeat (
            id integer NOT NULL,
            tick bigint NOT NULL,
            sent_at timestamptz NOT NULL,
            acknowledged_at timestamptz,
            reason text,
            CONSTRAINT alert_heartbeat_pkey PRIMARY KEY (id),
            CONSTRAINT alert_heartbeat_one CHECK (id = 1)
        )
    """)
    op.execute(f"REVOKE ALL ON {', '.join(_TABLES)} FROM PUBLIC, saveguard_app")
    op.execute("""
        GRANT SELECT, INSERT
        ON alert_rule_change, alert_transition, alert_delivery TO saveguard_app
    """)
    op.execute("GRANT SELECT, INSERT, DELETE ON alert_tick TO saveguard_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON alert_watcher TO saveguard_app")
    op.execute("""
        GRANT SELECT, INSERT, UPDATE
        ON alert_state, alert, alert_outbox, alert_silence, alert_heartbeat TO saveguard_app
    """)


def downgrade() -> None:
    """Drops them; what was sent stays sent."""
    for table in reversed(_TABLES):
        op.execute(f"DROP TABLE {table}")
