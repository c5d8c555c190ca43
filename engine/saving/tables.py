"""The table of idempotency keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Index, PrimaryKeyConstraint, SmallInteger, Text
from sqlmodel import Field, SQLModel


class IdempotencyKey(SQLModel, table=True):
    """A committed save's key with its answer; it commits with the save and is reaped after a day.

    Refused saves leave no key: they changed nothing, so doing them again is harmless.
    """

    __tablename__ = "idempotency_key"
    __table_args__ = (
        PrimaryKeyConstraint("agent_id", "key", name="idempotency_key_pkey"),
        Index("idempotency_key_expires_idx", "expires_at"),
        CheckConstraint("octet_length(fingerprint) = 32", name="idempotency_key_is_sha256"),
    )

    agent_id: UUID
    key: str = Field(sa_type=Text)
    fingerprint: bytes
    attempt_id: UUID
    quote_id: UUID
    version: int
    http_status: int = Field(sa_type=SmallInteger)
    response: bytes
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))
