"""Accounts, agents, clients, quotes and idempotency keys, with the application's role.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Names the first rule that a quote's row breaks. The rules of all rows stand in one function,
# because PostgreSQL plans the expression of each CHECK anew for every statement that writes.
QUOTE_FAULT = """
    CREATE OR REPLACE FUNCTION quote_fault(q anyelement) RETURNS text
    LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE
        WHEN NOT (q.status IN ('DRAFT', 'SENT', 'ACCEPTED', 'REJECTED', 'EXPIRED', 'CANCELLED'))
            THEN 'status_known'
        WHEN NOT ((q.status = 'CANCELLED') = (q.deleted_at IS NOT NULL))
            THEN 'deleted_is_cancelled'
        WHEN NOT (q.sent_at IS NOT NULL OR q.status IN ('DRAFT', 'CANCELLED'))
            THEN 'sent_has_instant'
        WHEN NOT (q.accepted_at IS NOT NULL OR q.status <> 'ACCEPTED')
            THEN 'accepted_has_instant'
        WHEN NOT (q.rejected_at IS NOT NULL OR q.status <> 'REJECTED')
            THEN 'rejected_has_instant'
        WHEN NOT (q.adults >= 1 AND q.children >= 0 AND q.infants >= 0
            AND q.travelers = q.adults + q.children + q.infants AND q.travelers <= 50)
            THEN 'travelers_add_up'
        WHEN NOT (q.end_date > q.start_date AND q.duration_days BETWEEN 1 AND 365)
            THEN 'dates_in_order'
        WHEN NOT (q.currency IN ('USD', 'EUR', 'GBP', 'CAD', 'AUD', 'CHF', 'JPY'))
            THEN 'currency_known'
        WHEN NOT (least(q.base_price, q.product_markup, q.agent_markup, q.taxes, q.fees, q.discount,
                q.total, q.per_person) >= 0
            AND greatest(q.base_price, q.product_markup, q.agent_markup, q.taxes, q.fees,
                q.discount, q.total, q.per_person) < 'Infinity'
            AND q.agent_markup_percent BETWEEN 0 AND 100)
            THEN 'amounts_in_bounds'
        WHEN NOT (q.subtotal = q.base_price + q.product_markup
            AND q.total = q.subtotal + q.agent_markup + q.taxes + q.fees - q.discount)
            THEN 'total_adds_up'
    END;
END
$$
"""


def upgrade() -> None:
    """Creates the tables and the role that the application works under."""
    # A role belongs to the whole server: another database may have made it already, and two
    # databases may be migrated at once.
    op.execute("""
        DO $$
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'saveguard_app') THEN
                CREATE ROLE saveguard_app NOLOGIN;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END
        $$
    """)
    # With one URL for everything, the application becomes this role on the owner's connections. Who
    # made the role may give it; where somebody else did, that is theirs to decide.
    op.execute("""
        DO $$
        BEGIN
            IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                GRANT saveguard_app TO CURRENT_USER;
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END
        $$
    """)
    op.execute("""
        CREATE TABLE account (
            id uuid NOT NULL,
            email text NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT account_pkey PRIMARY KEY (id),
            CONSTRAINT account_email_given CHECK (email <> '')
        )
    """)
    op.execute("CREATE UNIQUE INDEX account_email_key ON account (lower(email))")
    op.execute("""
        CREATE TABLE agent (
            id uuid NOT NULL,
            account_id uuid NOT NULL,
            name text NOT NULL,
            email text NOT NULL,
            status text NOT NULL,
            max_active_quotes integer NOT NULL,
            rate_limit_per_minute integer,
            created_at timestamptz NOT NULL,
            CONSTRAINT agent_pkey PRIMARY KEY (id),
            CONSTRAINT agent_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT agent_status_known CHECK (status IN ('ACTIVE', 'SUSPENDED')),
            CONSTRAINT agent_quota_not_negative CHECK (max_active_quotes >= 0),
            CONSTRAINT agent_rate_limit_positive CHECK (rate_limit_per_minute > 0)
        )
    """)
    op.execute("CREATE UNIQUE INDEX agent_account_key ON agent (account_id)")
    op.execute("""
        CREATE TABLE api_key (
            id uuid NOT NULL,
            account_id uuid NOT NULL,
            key_hash bytea NOT NULL,
            created_at timestamptz NOT NULL,
            revoked_at timestamptz,
            CONSTRAINT api_key_pkey PRIMARY KEY (id),
            CONSTRAINT api_key_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT api_key_hash_is_sha256 CHECK (octet_length(key_hash) = 32)
        )
    """)
    op.execute("CREATE UNIQUE INDEX api_key_hash_key ON api_key (key_hash)")
    op.execute("CREATE INDEX api_key_account_idx ON api_key (account_id)")
    op.execute("""
        CREATE TABLE client (
            agent_id uuid NOT NULL,
            id uuid NOT NULL,
            first_name text NOT NULL,
            last_name text NOT NULL,
            email text NOT NULL,
            status text NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT client_pkey PRIMARY KEY (agent_id, id),
            CONSTRAINT client_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id),
            CONSTRAINT client_status_known CHECK (status IN ('ACTIVE', 'ARCHIVED'))
        )
    """)
    op.execute(QUOTE_FAULT)
    # Whatever default privileges took away: a save runs the function, too.
    op.execute("GRANT EXECUTE ON FUNCTION quote_fault(anyelement) TO saveguard_app")
    op.execute("""
        CREATE TABLE quote (
            agent_id uuid NOT NULL,
            id uuid NOT NULL,
            quote_number text NOT NULL,
            client_id uuid,
            trip_name text NOT NULL,
            destination text NOT NULL,
            start_date timestamptz NOT NULL,
            end_date timestamptz NOT NULL,
            duration_days integer NOT NULL,
            adults integer NOT NULL,
            children integer NOT NULL,
            infants integer NOT NULL,
            travelers integer NOT NULL,
            flights jsonb NOT NULL,
            hotels jsonb NOT NULL,
            activities jsonb NOT NULL,
            transfers jsonb NOT NULL,
            car_rentals jsonb NOT NULL,
            custom_items jsonb NOT NULL,
            insurance jsonb,
            currency text NOT NULL,
            base_price numeric NOT NULL,
            product_markup numeric NOT NULL,
            subtotal numeric NOT NULL,
            agent_markup numeric NOT NULL,
            agent_markup_percent numeric NOT NULL,
            taxes numeric NOT NULL,
            fees numeric NOT NULL,
            discount numeric NOT NULL,
            total numeric NOT NULL,
            per_person numeric NOT NULL,
            pricing_policy text NOT NULL,
            show_commission_to_client boolean NOT NULL,
            commission_label text,
            inclusions jsonb NOT NULL,
            exclusions jsonb NOT NULL,
            important_info text,
            custom_notes text,
            agent_notes text,
            expires_in_days integer NOT NULL,
            status text NOT NULL,
            created_at timestamptz NOT NULL,
            sent_at timestamptz,
            accepted_at timestamptz,
            rejected_at timestamptz,
            expires_at timestamptz NOT NULL,
            deleted_at timestamptz,
            CONSTRAINT quote_pkey PRIMARY KEY (agent_id, id),
            CONSTRAINT quote_number_key UNIQUE (agent_id, quote_number),
            CONSTRAINT quote_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id),
            CONSTRAINT quote_client_fkey
                FOREIGN KEY (agent_id, client_id) REFERENCES client (agent_id, id),
            CONSTRAINT quote_is_sound CHECK (quote_fault(quote.*) IS NULL)
        )
    """)
    op.execute("CREATE INDEX quote_status_idx ON quote (agent_id, status, id)")
    op.execute("""
        CREATE INDEX quote_client_idx ON quote (agent_id, client_id, id)
        WHERE client_id IS NOT NULL
    """)
    op.execute("CREATE INDEX quote_due_idx ON quote (expires_at) WHERE status = 'SENT'")
    op.execute("""
        CREATE TABLE quote_number_block (
            agent_id uuid NOT NULL,
            year integer NOT NULL,
            given integer NOT NULL,
            CONSTRAINT quote_number_block_pkey PRIMARY KEY (agent_id, year),
            CONSTRAINT quote_number_block_agent_fkey
                FOREIGN KEY (agent_id) REFERENCES agent (id),
            CONSTRAINT quote_number_block_given_not_negative CHECK (given >= 0)
        )
    """)
    op.execute("""
        CREATE TABLE idempotency_key (
            agent_id uuid NOT NULL,
            key text NOT NULL,
            fingerprint bytea NOT NULL,
            attempt_id uuid NOT NULL,
            quote_id uuid NOT NULL,
            version integer NOT NULL,
            http_status smallint NOT NULL,
            response bytea NOT NULL,
            expires_at timestamptz NOT NULL,
            CONSTRAINT idempotency_key_pkey PRIMARY KEY (agent_id, key),
            CONSTRAINT idempotency_key_is_sha256 CHECK (octet_length(fingerprint) = 32)
        )
    """)
    op.execute("CREATE INDEX idempotency_key_expires_idx ON idempotency_key (expires_at)")
    # Default privileges of somebody else's making may have given more than is granted here.
    op.execute("""
        REVOKE ALL
        ON account, agent, api_key, client, quote, quote_number_block, idempotency_key
        FROM PUBLIC, saveguard_app
    """)
    op.execute("GRANT USAGE ON SCHEMA public TO saveguard_app")
    op.execute("GRANT SELECT ON alembic_version TO saveguard_app")
    op.execute("""
        GRANT SELECT, INSERT, UPDATE
        ON account, agent, api_key, client, quote, quote_number_block TO saveguard_app
    """)
    op.execute("GRANT SELECT, INSERT, DELETE ON idempotency_key TO saveguard_app")


def downgrade() -> None:
    """Drops the tables; the role stays, since other databases on the server may use it."""
    op.execute("REVOKE USAGE ON SCHEMA public FROM saveguard_app")
    op.execute("REVOKE SELECT ON alembic_version FROM saveguard_app")
    # An upgrade to 0002 that was interrupted leaves its table behind, which refers to quotes.
    op.execute("DROP TABLE IF EXISTS quote_revision")
    for table in (
        "idempotency_key",
        "quote_number_block",
        "quote",
        "client",
        "api_key",
        "agent",
        "account",
    ):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION quote_fault(anyelement)")
