"""The journal of migrations; append-only, written by whoever migrates."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    PrimaryKeyConstraint,
    Text,
)
from sqlmodel import Field, SQLModel


class SchemaChange(SQLModel, table=True):
    """One revision that was brought to the database, or taken back."""

    __tablename__ = "schema_change"
    __table_args__ = (
        PrimaryKeyConstraint("revision", "ran_at", name="schema_change_pkey"),
        CheckConstraint("direction IN ('up', 'down')", name="schema_change_direction_known"),
        CheckConstraint("octet_length(checksum) = 32", name="schema_change_checksum_is_sha256"),
    )

    revision: str = Field(sa_type=Text)
    direction: str = Field(sa_type=Text)
    ran_at: datetime = Field(sa_type=DateTime(timezone=True))
    # The machine's user, and the database's role.
    ran_by: str = Field(sa_type=Text)
    duration_us: int = Field(sa_type=BigInteger)
    # SHA-256 of the revision's file.
    checksum: bytes
