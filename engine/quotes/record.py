"""A stored quote as the engine handles it, and its spelling on the wire."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import msgspec

from engine.quotes.draft import ITEM_LISTS, Draft, Item
from engine.quotes.pricing import Price
from engine.quotes.validation import duration_days


class QuoteRecord(msgspec.Struct, frozen=True, rename="camel"):
    """One row of the table `quote`, field by field in its order; camelCase on the wire."""

    agent_id: UUID
    id: UUID
    quote_number: str
    client_id: UUID | None
    trip_name: str
    destination: str
    start_date: datetime
    end_date: datetime
    duration_days: int
    adults: int
    children: int
    infants: int
    travelers: int
    flights: list[Item]
    hotels: list[Item]
    activities: list[Item]
    transfers: list[Item]
    car_rentals: list[Item]
    custom_items: list[Item]
    insurance: Item | None
    currency: str
    base_price: Decimal
    product_markup: Decimal
    subtotal: Decimal
    agent_markup: Decimal
    agent_markup_percent: Decimal
    taxes: Decimal
    fees: Decimal
    discount: Decimal
    total: Decimal
    per_person: Decimal
    pricing_policy: str
    show_commission_to_client: bool
    commission_label: str | None
    inclusions: list[str]
    exclusions: list[str]
    important_info: str | None
    custom_notes: str | None
    agent_notes: str | None
    expires_in_days: int
    status: str
    created_at: datetime
    sent_at: datetime | None
    accepted_at: datetime | None
    rejected_at: datetime | None
    expires_at: datetime
    deleted_at: datetime | None
    version: int
    last_modified_by: str
    last_modified_at: datetime


COLUMNS = QuoteRecord.__struct_fields__
# column → its name on the wire
WIRE_NAMES: Final = dict(zip(COLUMNS, QuoteRecord.__struct_encode_fields__, strict=True))

_STORED_DRAFT_FIELDS = tuple(
    name for name in Draft.__struct_fields__ if not name.startswith("claimed_")
)
_draft_values = attrgetter(*_STORED_DRAFT_FIELDS)
_price_values = attrgetter(*Price._fields)


def stored_draft(record: QuoteRecord) -> Draft:
    """The caller's part of a stored quote, to lay a change over; its items are its own."""
    values: dict[str, Any] = dict(zip(_STORED_DRAFT_FIELDS, _draft_values(record), strict=True))
    for kind in ITEM_LISTS:
        values[kind] = [_priced_exactly(item) for item in values[kind]]
    if record.insurance is not None:
        values["insurance"] = _priced_exactly(record.insurance)
    return Draft(**values)


def _priced_exactly(item: Item) -> Item:
    """A copy of a stored item; whole prices (of yen) come out of JSON as int."""
    return item | {"price": Decimal(item["price"])}


def stored_price(record: QuoteRecord) -> Price:
    """The price that was stored, under the policy that made it."""
    return Price(*_price_values(record))


def content_of(draft: Draft, price: Price) -> dict[str, Any]:
    """The columns that follow from a draft and its price."""
    content: dict[str, Any] = dict(zip(_STORED_DRAFT_FIELDS, _draft_values(draft), strict=True))
    content |= price._asdict()
    content["duration_days"] = duration_days(draft)
    content["travelers"] = draft.adults + draft.children + draft.infants
    return content


def expiry(start: datetime, expires_in_days: int) -> datetime:
    """When an offer made at `start` lapses."""
    return start + timedelta(days=expires_in_days)
