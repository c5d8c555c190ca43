"""Tables of clients, quotes and their revisions, sharded by agent.

`agent_id` is the first column of every key, so that the tables can be spread over machines; ids are
made by the engine; there is no trigger. Money is `numeric` without a scale: an amount keeps the
digits of its currency. What one row can show by itself is a constraint, too: `QUOTE_RULES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    DDL,
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from engine.database.sql import fault_function, table_of

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


# What one row of `quote` can show by itself: the rule's name, and what must hold for the row q.
QUOTE_RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "version_positive": "q.version >= 1",
        "status_known": (
            "q.status IN ('DRAFT', 'SENT', 'ACCEPTED', 'REJECTED', 'EXPIRED', 'CANCELLED')"
        ),
        "deleted_is_cancelled": "(q.status = 'CANCELLED') = (q.deleted_at IS NOT NULL)",
        "sent_has_instant": "q.sent_at IS NOT NULL OR q.status IN ('DRAFT', 'CANCELLED')",
        "accepted_has_instant": "q.accepted_at IS NOT NULL OR q.status <> 'ACCEPTED'",
        "rejected_has_instant": "q.rejected_at IS NOT NULL OR q.status <> 'REJECTED'",
        "travelers_add_up": (
            "q.adults >= 1 AND q.children >= 0 AND q.infants >= 0"
            " AND q.travelers = q.adults + q.children + q.infants AND q.travelers <= 50"
        ),
        "dates_in_order": "q.end_date > q.start_date AND q.duration_days BETWEEN 1 AND 365",
        "currency_known": "q.currency IN ('USD', 'EUR', 'GBP', 'CAD', 'AUD', 'CHF', 'JPY')",
        # NaN is greater than every number, infinity included.
        "amounts_in_bounds": (
            "least(q.base_price, q.product_markup, q.agent_markup, q.taxes, q.fees, q.discount,"
            " q.total, q.per_person) >= 0"
            " AND greatest(q.base_price, q.product_markup, q.agent_markup, q.taxes, q.fees,"
            " q.discount, q.total, q.per_person) < 'Infinity'"
            " AND q.agent_markup_percent BETWEEN 0 AND 100"
        ),
        "total_adds_up": (
            "q.subtotal = q.base_price + q.product_markup"
            " AND q.total = q.subtotal + q.agent_markup + q.taxes + q.fees - q.discount"
        ),
    }
)


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
        # One constraint for all of QUOTE_RULES: PostgreSQL plans the expression of each CHECK anew
        # for every statement that writes the table, and those of a function once a session.
        CheckConstraint("quote_fault(quote.*) IS NULL", name="quote_is_sound"),
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


_quote_fault = fault_function("quote_fault(q anyelement)", QUOTE_RULES)
event.listen(table_of(Quote), "before_create", DDL(_quote_fault))  # type: ignore[no-untyped-call]


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
