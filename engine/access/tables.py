"""Tables of who is asking and what they did; none of them belongs to a shard."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Account(SQLModel, table=True):
    """A person or a program: may hold API keys, and a role that opens pages.

    An account without a role sees no pages but those of the agent that it is, if any.
    """

    __tablename__ = "account"
    __table_args__ = (
        Index("account_email_key", text("lower(email)"), unique=True),
        Index(
            "account_subject_key",
            "issuer",
            "subject",
            unique=True,
            postgresql_where=text("subject IS NOT NULL"),
        ),
        CheckConstraint("email <> ''", name="account_email_given"),
        CheckConstraint(
            "role IN ('viewer', 'on-call', 'lead', 'admin')", name="account_role_known"
        ),
        CheckConstraint("(issuer IS NULL) = (subject IS NULL)", name="account_subject_has_issuer"),
    )

    id: UUID = Field(primary_key=True)
    email: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    name: str | None = Field(default=None, sa_type=Text)
    role: str | None = Field(default=None, sa_type=Text)
    disabled_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    # What was signed in before this instant is so no more, wherever it is.
    signed_out_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    # Who an identity provider knows it as.
    issuer: str | None = Field(default=None, sa_type=Text)
    subject: str | None = Field(default=None, sa_type=Text)


class Agent(SQLModel, table=True):
    """A travel agent: the profile under which an account saves quotes."""

    __tablename__ = "agent"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["account.id"], name="agent_account_fkey"),
        Index("agent_account_key", "account_id", unique=True),
        CheckConstraint("status IN ('ACTIVE', 'SUSPENDED')", name="agent_status_known"),
        CheckConstraint("max_active_quotes >= 0", name="agent_quota_not_negative"),
        CheckConstraint("rate_limit_per_minute > 0", name="agent_rate_limit_positive"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID
    name: str = Field(sa_type=Text)
    email: str = Field(sa_type=Text)
    status: str = Field(default="ACTIVE", sa_type=Text)
    max_active_quotes: int = 100_000
    rate_limit_per_minute: int | None = None
    created_at: datetime = Field(sa_type=DateTime(timezone=True))


class ApiKey(SQLModel, table=True):
    """A key's hash; the key itself is shown once and stored nowhere."""

    __tablename__ = "api_key"
    __table_args__ = (
        ForeignKeyConstraint(["account_id"], ["account.id"], name="api_key_account_fkey"),
        Index("api_key_hash_key", "key_hash", unique=True),
        Index("api_key_account_idx", "account_id"),
        CheckConstraint("octet_length(key_hash) = 32", name="api_key_hash_is_sha256"),
        CheckConstraint("scope IN ('read', 'write')", name="api_key_scope_known"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID
    key_hash: bytes
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    revoked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    name: str | None = Field(default=None, sa_type=Text)
    scope: str = Field(
        default="write", sa_type=Text, sa_column_kwargs={"server_default": text("'write'")}
    )
    expires_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    last_used_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    # The key that was made to take its place.
    replaced_by: UUID | None = None


class AccountPassword(SQLModel, table=True):
    """A password's argon2id hash, with its salt and cost in it."""

    __tablename__ = "account_password"
    __table_args__ = (
        PrimaryKeyConstraint("account_id", name="account_password_pkey"),
        ForeignKeyConstraint(["account_id"], ["account.id"], name="account_password_account_fkey"),
        CheckConstraint("password_hash LIKE '$argon2id$%'", name="account_password_is_argon2"),
    )

    account_id: UUID
    password_hash: str = Field(sa_type=Text, repr=False)
    changed_at: datetime = Field(sa_type=DateTime(timezone=True))


class SignIn(SQLModel, table=True):
    """One browser that somebody has signed in with, known by the hash of what it holds."""

    __tablename__ = "sign_in"
    __table_args__ = (
        PrimaryKeyConstraint("token_hash", name="sign_in_pkey"),
        ForeignKeyConstraint(["account_id"], ["account.id"], name="sign_in_account_fkey"),
        Index("sign_in_account_idx", "account_id"),
        CheckConstraint("method IN ('password', 'oidc')", name="sign_in_method_known"),
        CheckConstraint("octet_length(token_hash) = 32", name="sign_in_token_is_sha256"),
    )

    token_hash: bytes
    account_id: UUID
    method: str = Field(sa_type=Text)
    began_at: datetime = Field(sa_type=DateTime(timezone=True))
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    address: str | None = Field(default=None, sa_type=Text)


class LimitWindow(SQLModel, table=True):
    """What somebody has used of a limit in the last minute, in groups of a second at most."""

    __tablename__ = "limit_window"
    __table_args__ = (
        PrimaryKeyConstraint("key", name="limit_window_pkey"),
        {"prefixes": ["UNLOGGED"]},
    )

    key: str = Field(sa_type=Text)
    # The last instant of each group, oldest first, and how many requests were in it.
    moments: list[datetime] = Field(sa_type=ARRAY(DateTime(timezone=True)))
    counts: list[int] = Field(sa_type=ARRAY(Integer))
    # Whether the latest request was let in, and so is counted.
    is_granted: bool
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))


class AuditEvent(SQLModel, table=True):
    """Something that somebody did or was refused, other than a save; append-only."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("audit_event_happened_idx", "happened_at", "id"),
        Index("audit_event_account_idx", "account_id", "happened_at", "id"),
        Index("audit_event_subject_idx", "subject_kind", "subject_id", "happened_at", "id"),
        Index(
            "audit_event_correlation_idx",
            "correlation_id",
            postgresql_ops={"correlation_id": "text_pattern_ops"},
        ),
        CheckConstraint("outcome IN ('done', 'refused')", name="audit_event_outcome_known"),
        CheckConstraint(
            "(outcome = 'refused') = (error_code IS NOT NULL)", name="audit_event_refusal_has_code"
        ),
        CheckConstraint("correlation_id <> ''", name="audit_event_correlation_given"),
    )

    id: UUID = Field(primary_key=True)
    happened_at: datetime = Field(sa_type=DateTime(timezone=True))
    action: str = Field(sa_type=Text)
    outcome: str = Field(sa_type=Text)
    error_code: str | None = Field(default=None, sa_type=Text)
    # Who did it, by the account if it has one. No foreign key: a trail outlives what it speaks of.
    account_id: UUID | None = None
    actor: str = Field(sa_type=Text)
    way: str = Field(sa_type=Text)
    address: str | None = Field(default=None, sa_type=Text)
    subject_kind: str | None = Field(default=None, sa_type=Text)
    subject_id: str | None = Field(default=None, sa_type=Text)
    correlation_id: str = Field(sa_type=Text)
    details: dict[str, Any] = Field(sa_type=JSONB)
