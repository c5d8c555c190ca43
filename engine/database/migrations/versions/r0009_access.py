"""Who may do what: roles, passwords, sign-ins, keys with an end, shared limits, an audit trail.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds to accounts and keys what an older release does not read, and makes the new tables."""
    op.execute("""
        ALTER TABLE account
            ADD COLUMN name text,
            ADD COLUMN role text,
            ADD COLUMN disabled_at timestamptz,
            ADD COLUMN signed_out_at timestamptz,
            ADD COLUMN issuer text,
            ADD COLUMN subject text,
            ADD CONSTRAINT account_role_known
                CHECK (role IN ('viewer', 'on-call', 'lead', 'admin')),
            ADD CONSTRAINT account_subject_has_issuer
                CHECK ((issuer IS NULL) = (subject IS NULL))
    """)
    op.execute("""
        CREATE UNIQUE INDEX account_subject_key ON account (issuer, subject)
        WHERE subject IS NOT NULL
    """)
    op.execute("""
        CREATE TABLE account_password (
            account_id uuid NOT NULL,
            password_hash text NOT NULL,
            changed_at timestamptz NOT NULL,
            CONSTRAINT account_password_pkey PRIMARY KEY (account_id),
            CONSTRAINT account_password_account_fkey
                FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT account_password_is_argon2 CHECK (password_hash LIKE '$argon2id$%')
        )
    """)
    op.execute("""
        CREATE TABLE sign_in (
            token_hash bytea NOT NULL,
            account_id uuid NOT NULL,
            method text NOT NULL,
            began_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            ended_at timestamptz,
            address text,
            CONSTRAINT sign_in_pkey PRIMARY KEY (token_hash),
            CONSTRAINT sign_in_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT sign_in_method_known CHECK (method IN ('password', 'oidc')),
            CONSTRAINT sign_in_token_is_sha256 CHECK (octet_length(token_hash) = 32)
        )
    """)
    op.execute("CREATE INDEX sign_in_account_idx ON sign_in (account_id)")
    # Keys made before have the scope that they always had.
    op.execute("""
        ALTER TABLE api_key
            ADD COLUMN name text,
            ADD COLUMN scope text NOT NULL DEFAULT 'write',
            ADD COLUMN expires_at timestamptz,
            ADD COLUMN last_used_at timestamptz,
            ADD COLUMN replaced_by uuid,
            ADD CONSTRAINT api_key_scope_known CHECK (scope IN ('read', 'write'))
    """)
    # Counts of the last minute or so: a crash of the server may well start them anew, and nothing
    # of them is worth a write to the log.
    op.execute("""
        CREATE UNLOGGED TABLE limit_window (
            key text NOT NULL,
            moments timestamptz[] NOT NULL,
            counts integer[] NOT NULL,
            is_granted boolean NOT NULL,
            expires_at timestamptz NOT NULL,
            CONSTRAINT limit_window_pkey PRIMARY KEY (key)
        )
    """)
    op.execute("""
        CREATE TABLE audit_event (
            id uuid NOT NULL,
            happened_at timestamptz NOT NULL,
            action text NOT NULL,
            outcome text NOT NULL,
            error_code text,
            account_id uuid,
            actor text NOT NULL,
            way text NOT NULL,
            address text,
            subject_kind text,
            subject_id text,
            correlation_id text NOT NULL,
            details jsonb NOT NULL,
            CONSTRAINT audit_event_pkey PRIMARY KEY (id),
            CONSTRAINT audit_event_outcome_known CHECK (outcome IN ('done', 'refused')),
            CONSTRAINT audit_event_refusal_has_code
                CHECK ((outcome = 'refused') = (error_code IS NOT NULL)),
            CONSTRAINT audit_event_correlation_given CHECK (correlation_id <> '')
        )
    """)
    op.execute("CREATE INDEX audit_event_happened_idx ON audit_event (happened_at, id)")
    op.execute("CREATE INDEX audit_event_account_idx ON audit_event (account_id, happened_at, id)")
    op.execute("""
        CREATE INDEX audit_event_subject_idx
        ON audit_event (subject_kind, subject_id, happened_at, id)
    """)
    op.execute("""
        CREATE INDEX audit_event_correlation_idx ON audit_event (correlation_id text_pattern_ops)
    """)
    op.execute("""
        REVOKE ALL ON account_password, sign_in, limit_window, audit_event
        FROM PUBLIC, saveguard_app
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON account_password TO saveguard_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in TO saveguard_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON limit_window TO saveguard_app")
    # Evidence: nobody changes or removes a row, nor does the owner.
    op.execute("GRANT SELECT, INSERT ON audit_event TO saveguard_app")
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON audit_event FROM CURRENT_USER")


def downgrade() -> None:
    """Drops them, the audit trail with them; accounts, agents and keys stay.

    The release before knows no scope, no end and no disabled account: keys that would open more
    there than here are revoked first.
    """
    op.execute("""
        UPDATE api_key SET revoked_at = now()
        WHERE revoked_at IS NULL AND (
            scope <> 'write' OR expires_at IS NOT NULL
            OR account_id IN (SELECT id FROM account WHERE disabled_at IS NOT NULL)
        )
    """)
    op.execute("DROP TABLE audit_event")
    op.execute("DROP TABLE limit_window")
    op.execute("""
        ALTER TABLE api_key
            DROP COLUMN name,
            DROP COLUMN scope,
            DROP COLUMN expires_at,
            DROP COLUMN last_used_at,
            DROP COLUMN replaced_by
    """)
    op.execute("DROP TABLE sign_in")
    op.execute("DROP TABLE account_password")
    op.execute("""
        ALTER TABLE account
            DROP COLUMN name,
            DROP COLUMN role,
            DROP COLUMN disabled_at,
            DROP COLUMN signed_out_at,
            DROP COLUMN issuer,
            DROP COLUMN subject
    """)
