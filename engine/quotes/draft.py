"""A draft: what a caller wants a quote to say, validated and not yet priced."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

# One priced thing of a trip; keys in camelCase as on the wire, `price` a Decimal in the currency's
# minor digits, `priceType` always present. What else it may hold is said in `shape`.
Item: TypeAlias = dict[str, Any]

# The six lists of items, in the order in which they are priced and shown. `insurance`, a single
# optional item, follows them.
ITEM_LISTS: Final = (
    "flights",
    "hotels",
    "activities",
    "transfers",
    "car_rentals",
    "custom_items",
)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's part of a quote; every value is within its bounds.

    Attributes named `claimed_*` are totals that the caller computed itself; they are compared and
    not stored.
    """

    client_id: UUID | None = None
    trip_name: str
    destination: str
    start_date: datetime
    end_date: datetime
    adults: int
    children: int = 0
    infants: int = 0
    flights: list[Item] = []
    hotels: list[Item] = []
    activities: list[Item] = []
    transfers: list[Item] = []
    car_rentals: list[Item] = []
    custom_items: list[Item] = []
    insurance: Item | None = None
    currency: str = "USD"
    agent_markup_percent: Decimal = Decimal(15)
    taxes: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    show_commission_to_client: bool = False
    commission_label: str | None = None
    inclusions: list[str] = []
    exclusions: list[str] = []
    important_info: str | None = None
    custom_notes: str | None = None
    agent_notes: str | None = None
    expires_in_days: int = 7
    claimed_total: Decimal | None = None
    claimed_subtotal: Decimal | None = None

    def items_by_kind(self) -> Iterator[tuple[str, list[Item]]]:
        """Each kind with its items; insurance comes last, as a list of at most one."""
        for kind in ITEM_LISTS:
            yield kind, getattr(self, kind)
        yield "insurance", [] if self.insurance is None else [self.insurance]


# A change of any of these changes the price; nothing else does.
PRICED_FIELDS: Final = frozenset(
    {
        *ITEM_LISTS,
        "insurance",
        "adults",
        "children",
        "infants",
        "currency",
        "agent_markup_percent",
        "taxes",
        "fees",
        "discount",
    }
)
