"""Readiness: records of releases, evidence and sign-offs, and the seals over them.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the tables; all are evidence: nobody changes or removes a row, nor does the owner.

    Without a foreign key: checking one locks the row it names, which takes the privilege to update.
    """
    op.execute("""
        CREATE TABLE readiness_record (
            id uuid NOT NULL,
            release_id uuid NOT NULL,
            kind text NOT NULL,
            item_id text,
            phase_id text,
            recorded_at timestamptz NOT NULL,
            recorded_by text NOT NULL,
            account_id uuid,
            body text NOT NULL,
            digest bytea NOT NULL,
            CONSTRAINT readiness_record_pkey PRIMARY KEY (id),
            CONSTRAINT readiness_record_kind_known CHECK (
                kind IN (
                    'release', 'deployment', 'evidence', 'contradiction', 'waiver', 'n/a',
                    'second', 'sign-off', 'revocation', 'contacts', 'risks'
                )
            ),
            CONSTRAINT readiness_record_digest_is_sha256 CHECK (octet_length(digest) = 32)
        )
    """)
    op.execute("""
        CREATE INDEX readiness_record_release_idx
        ON readiness_record (release_id, kind, item_id, recorded_at, id)
    """)
    op.execute("CREATE INDEX readiness_record_kind_idx ON readiness_record (kind, recorded_at, id)")
    op.execute("""
        CREATE TABLE readiness_seal (
            number bigint NOT NULL,
            sealed_at timestamptz NOT NULL,
            count bigint NOT NULL,
            previous bytea NOT NULL,
            head bytea NOT NULL,
            signature bytea NOT NULL,
            CONSTRAINT readiness_seal_pkey PRIMARY KEY (number),
            CONSTRAINT readiness_seal_previous_key UNIQUE (previous),
            CONSTRAINT readiness_seal_number_positive CHECK (number > 0)
        )
    """)
    op.execute("""
        CREATE TABLE readiness_sealed (
            record_id uuid NOT NULL,
            seal_number bigint NOT NULL,
            place integer NOT NULL,
            CONSTRAINT readiness_sealed_pkey PRIMARY KEY (record_id),
            CONSTRAINT readiness_sealed_place_key UNIQUE (seal_number, place)
        )
    """)
    op.execute("""
        REVOKE ALL ON readiness_record, readiness_seal, readiness_sealed
        FROM PUBLIC, saveguard_app
    """)
    op.execute("""
        GRANT SELECT, INSERT ON readiness_record, readiness_seal, readiness_sealed
        TO saveguard_app
    """)
    op.execute("""
        REVOKE UPDATE, DELETE, TRUNCATE ON readiness_record, readiness_seal, readiness_sealed
        FROM CURRENT_USER
    """)


def downgrade() -> None:
    """Drops the records and their seals; what was written down elsewhere of them stays."""
    op.execute("DROP TABLE readiness_sealed")
    op.execute("DROP TABLE readiness_seal")
    op.execute("DROP TABLE readiness_record")
