"""Tables of clients, quotes and their revisions, sharded by agent.

`agent_id` is the first column of every key, so that the tables can be spread over machines; ids are
made by the engine; there is no trigger. Money is `numeric` without a scale: an amount keeps the
digits of its currency. The rules that one row can show are constraints here, too.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

_INSTANT = DateTime(timezone=True)


class Client(SQLModel, table=True):
    """Whom an agent prepares trips for."""

    __tablename__ = "client"
    __table_args__ = (
        PrimaryKeyConstraint("agent_id", "id", name="client_pkey"),
        ForeignKeyConstraint(["agent_id"], ["agent.id"], name="client_agent_fkey"),
        CheckConstraint("status IN ('ACTIVE', 'ARCHIVED')", name="client_status_known"),
    )

    agent_id: UUID
    id: UUID
    first_name: str = Field(sa_type=Text)
    last_name: str = Field(sa_type=Text)
    email: str = Field(sa_type=Text)
    status: str = Field(default="ACTIVE", sa_type=Text)
    created_at: datetime = Field(sa_type=_INSTANT)


class Quote(SQLModel, table=True):
    """A quote as it stands; one row, items included, so that a save writes one row."""

    __tablename__ = "quote"
    __table_args__ = (
        PrimaryKeyConstraint("agent_id", "id", name="quote_pkey"),
        UniqueConstraint("agent_id", "quote_number", name="quote_number_key"),
        ForeignKeyConstraint(["agent_id"], ["agent.id"], name="quote_agent_fkey"),
        ForeignKeyConstraint(
            ["agent_id", "client_id"], ["client.agent_id", "client.id"], name="quote_client_fkey"
        ),
        Index("quote_status_idx", "agent_id", "status", "id"),
        Index(
            "quote_client_idx",
            "agent_id",
            "client_id",
            "id",
            postgresql_where=text("client_id IS NOT NULL"),
        ),
        # Read by the job that expires quotes, over all agents.
        Index("quote_due_idx", "expires_at", postgresql_where=text("status = 'SENT'")),
        CheckConstraint("version >= 1", name="quote_version_positive"),
        CheckConstraint(
            "status IN ('DRAFT', 'SENT', 'ACCEPTED', 'REJECTED', 'EXPIRED', 'CANCELLED')",
            name="quote_status_known",
        ),
        CheckConstraint(
            "(status = 'CANCELLED') = (deleted_at IS NOT NULL)", name="quote_deleted_is_cancelled"
        ),
        CheckConstraint(
            "sent_at IS NOT NULL OR status IN ('DRAFT', 'CANCELLED')", name="quote_sent_has_instant"
        ),
        CheckConstraint(
            "accepted_at IS NOT NULL OR status <> 'ACCEPTED'", name="quote_accepted_has_instant"
        ),
        CheckConstraint(
            "rejected_at IS NOT NULL OR status <> 'REJECTED'", name="quote_rejected_has_instant"
        ),
        CheckConstraint(
            "adults >= 1 AND children >= 0 AND infants >= 0"
            " AND travelers = adults + children + infants AND travelers <= 50",
            name="quote_travelers_add_up",
        ),
        CheckConstraint(
            "end_date > start_date AND duration_days BETWEEN 1 AND 365", name="quote_dates_in_order"
        ),
        CheckConstraint(
            "currency IN ('USD', 'EUR', 'GBP', 'CAD', 'AUD', 'CHF', 'JPY')",
            name="quote_currency_known",
        ),
        CheckConstraint(
            "base_price >= 0 AND product_markup >= 0 AND agent_markup >= 0 AND taxes >= 0"
            " AND fees >= 0 AND discount >= 0 AND total >= 0 AND per_person >= 0"
            " AND agent_markup_percent BETWEEN 0 AND 100",
            name="quote_amounts_not_negative",
        ),
        CheckConstraint(
            "subtotal = base_price + product_markup"
            " AND total = subtotal + agent_markup + taxes + fees - discount",
            name="quote_total_adds_up",
        ),
    )

    agent_id: UUID
    id: UUID
    quote_number: str = Field(sa_type=Text)
    client_id: UUID | None = None
    trip_name: str = Field(sa_type=Text)
    destination: str = Field(sa_type=Text)
    start_date: datetime = Field(sa_type=_INSTANT)
    end_date: datetime = Field(sa_type=_INSTANT)
    duration_days: int
    adults: int
    children: int
    infants: int
    travelers: int
    flights: list[dict[str, Any]] = Field(sa_type=JSONB)
    hotels: list[dict[str, Any]] = Field(sa_type=JSONB)
    activities: list[dict[str, Any]] = Field(sa_type=JSONB)
    transfers: list[dict[str, Any]] = Field(sa_type=JSONB)
    car_rentals: list[dict[str, Any]] = Field(sa_type=JSONB)
    custom_items: list[dict[str, Any]] = Field(sa_type=JSONB)
    insurance: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    currency: str = Field(sa_type=Text)
    base_price: Decimal = Field(sa_type=Numeric)
    product_markup: Decimal = Field(sa_type=Numeric)
    subtotal: Decimal = Field(sa_type=Numeric)
    agent_markup: Decimal = Field(sa_type=Numeric)
    agent_markup_percent: Decimal = Field(sa_type=Numeric)
    taxes: Decimal = Field(sa_type=Numeric)
    fees: Decimal = Field(sa_type=Numeric)
    discount: Decimal = Field(sa_type=Numeric)
    total: Decimal = Field(sa_type=Numeric)
    per_person: Decimal = Field(sa_type=Numeric)
    pricing_policy: str = Field(sa_type=Text)
    show_commission_to_client: bool
    commission_label: str | None = Field(default=None, sa_type=Text)
    inclusions: list[str] = Field(sa_type=JSONB)
    exclusions: list[str] = Field(sa_type=JSONB)
    important_info: str | None = Field(default=None, sa_type=Text)
    custom_notes: str | None = Field(default=None, sa_type=Text)
    agent_notes: str | None = Field(default=None, sa_type=Text)
    expires_in_days: int
    status: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=_INSTANT)
    sent_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    accepted_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    rejected_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    expires_at: datetime = Field(sa_type=_INSTANT)
    deleted_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    # The three of `add_quote_version_tracking`.
    version: int = Field(sa_column_kwargs={"server_default": text("1")})
    last_modified_by: str = Field(
        sa_type=Text, sa_column_kwargs={"server_default": text("'unknown'")}
    )
    last_modified_at: datetime = Field(
        sa_type=_INSTANT, sa_column_kwargs={"server_default": text("now()")}
    )


class QuoteRevision(SQLModel, table=True):
    """What a quote said after one committed save, and who saved it; never changed afterwards."""

    __tablename__ = "quote_revision"
    __table_args__ = (
        # The readiness checklist's index on the version: it stands here, because on the quote
        # itself it would make every save a non-HOT update.
        PrimaryKeyConstraint("agent_id", "quote_id", "version", name="quote_revision_pkey"),
        ForeignKeyConstraint(
            ["agent_id", "quote_id"],
            ["quote.agent_id", "quote.id"],
            name="quote_revision_quote_fkey",
        ),
        CheckConstraint("version >= 1", name="quote_revision_version_positive"),
        CheckConstraint(
            "(attempt_id IS NULL) = (attempt_started_at IS NULL)",
            name="quote_revision_attempt_whole",
        ),
    )

    agent_id: UUID
    quote_id: UUID
    version: int
    operation: int = Field(sa_type=SmallInteger)
    modified_by: str = Field(sa_type=Text)
    modified_at: datetime = Field(sa_type=_INSTANT)
    # The attempt that made it; none for a revision that a migration made of what it found.
    correlation_id: str | None = Field(default=None, sa_type=Text)
    attempt_id: UUID | None = None
    attempt_started_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    changed_fields: str = Field(sa_type=Text)
    detail: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    snapshot: dict[str, Any] = Field(sa_type=JSONB)


class QuoteNumberBlock(SQLModel, table=True):
    """How many quote numbers of a year an agent has been given; they are taken in blocks."""

    __tablename__ = "quote_number_block"
    __table_args__ = (
        PrimaryKeyConstraint("agent_id", "year", name="quote_number_block_pkey"),
        ForeignKeyConstraint(["agent_id"], ["agent.id"], name="quote_number_block_agent_fkey"),
        CheckConstraint("given >= 0", name="quote_number_block_given_not_negative"),
    )

    agent_id: UUID
    year: int
    given: int
