"""Tables of who is asking: accounts, agents and API keys. None of them belongs to a shard."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKeyConstraint, Index, Text, text
from sqlmodel import Field, SQLModel


class Account(SQLModel, table=True):
    """A person or a program that may hold API keys."""

    __tablename__ = "account"
    __table_args__ = (
        Index("account_email_key", text("lower(email)"), unique=True),
        CheckConstraint("email <> ''", name="account_email_given"),
    )

    id: UUID = Field(primary_key=True)
    email: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=DateTime(timezone=True))


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
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID
    key_hash: bytes
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    revoked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
