"""Tables of readiness: records, and the seals over them; append-only, all three."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel


class ReadinessRecord(SQLModel, table=True):
    """One fact about a release that somebody or something has put down."""

    __tablename__ = "readiness_record"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="readiness_record_pkey"),
        Index("readiness_record_release_idx", "release_id", "kind", "item_id", "recorded_at", "id"),
        Index("readiness_record_kind_idx", "kind", "recorded_at", "id"),
        CheckConstraint(
            "kind IN ('release', 'deployment', 'evidence', 'contradiction', 'waiver', 'n/a',"
            " 'second', 'sign-off', 'revocation', 'contacts', 'risks', 'feedback', 'disposition')",
            name="readiness_record_kind_known",
        ),
        CheckConstraint("octet_length(digest) = 32", name="readiness_record_digest_is_sha256"),
    )

    id: UUID
    release_id: UUID
    kind: str = Field(sa_type=Text)
    item_id: str | None = Field(default=None, sa_type=Text)
    phase_id: str | None = Field(default=None, sa_type=Text)
    recorded_at: datetime = Field(sa_type=DateTime(timezone=True))
    recorded_by: str = Field(sa_type=Text)
    account_id: UUID | None = None
    # JSON as it was written: its digest is over these very characters.
    body: str = Field(sa_type=Text)
    digest: bytes


class ReadinessSeal(SQLModel, table=True):
    """The end of a chain over all records so far, signed."""

    __tablename__ = "readiness_seal"
    __table_args__ = (
        PrimaryKeyConstraint("number", name="readiness_seal_pkey"),
        UniqueConstraint("previous", name="readiness_seal_previous_key"),
        CheckConstraint("number > 0", name="readiness_seal_number_positive"),
    )

    number: int = Field(sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    sealed_at: datetime = Field(sa_type=DateTime(timezone=True))
    count: int = Field(sa_type=BigInteger)
    previous: bytes
    head: bytes
    signature: bytes


class ReadinessSealed(SQLModel, table=True):
    """Which seal a record is under, and where in it.

    Without a foreign key: checking one locks the row it names, which nobody may.
    """

    __tablename__ = "readiness_sealed"
    __table_args__ = (
        PrimaryKeyConstraint("record_id", name="readiness_sealed_pkey"),
        UniqueConstraint("seal_number", "place", name="readiness_sealed_place_key"),
    )

    record_id: UUID
    seal_number: int = Field(sa_type=BigInteger)
    place: int
