"""What tests of pure code say often: a valid body, a draft, a stored quote, an attempt's row."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from engine.attempts.ledger import AttemptRow
from engine.errors import Refusal
from engine.payload import decode_stored, encode
from engine.quotes.draft import ITEM_LISTS, Draft
from engine.quotes.lifecycle import Operation, Status
from engine.quotes.pricing import Price, price_quote
from engine.quotes.record import QuoteRecord
from engine.quotes.validation import Change, read_change, read_draft
from engine.saving.decision import Plan, plan_creation
from engine.saving.request import Creation, SaveRequest

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
AGENT_ID = UUID(int=0xA)
QUOTE_ID = UUID(int=0xB)
ATTEMPT_ID = UUID(int=0xC)
CORRELATION_ID = "REQ-ABCDEFGH"

# The smallest item of each kind, under its name on the wire.
SMALLEST_ITEMS: dict[str, dict[str, Any]] = {
    "flights": {"airline": "TAP", "date": "2026-06-01", "price": 1},
    "hotels": {
        "name": "Hotel do Chiado",
        "checkIn": "2026-06-01",
        "checkOut": "2026-06-06",
        "price": 1,
    },
    "activities": {"name": "Tram 28", "price": 1},
    "transfers": {"provider": "Carris", "price": 1},
    "carRentals": {"company": "Europcar", "price": 1},
    "customItems": {"name": "Visa", "price": 1},
    "insurance": {"price": 1},
}


def item(kind: str, **changes: Any) -> dict[str, Any]:
    """An item of a kind with some of its fields changed."""
    return SMALLEST_ITEMS[kind] | changes


def body_with(kind: str, **changes: Any) -> dict[str, Any]:
    """A valid body with one item of a kind."""
    one = item(kind, **changes)
    return minimal_body(**{kind: one if kind == "insurance" else [one]})


def path_of(kind: str, field: str) -> str:
    """How a violation names a field of the only item of a kind."""
    return f"insurance.{field}" if kind == "insurance" else f"{kind}[0].{field}"


def minimal_body(**changes: Any) -> dict[str, Any]:
    """A body that names only what is required: two people, five days, no items."""
    return {
        "tripName": "Lisbon week",
        "destination": "Lisbon",
        "startDate": "2026-06-01T00:00:00Z",
        "endDate": "2026-06-06T00:00:00Z",
        "adults": 2,
    } | changes


def draft_of(**changes: Any) -> Draft:
    """The valid draft of a minimal body with changes."""
    read = read_draft(minimal_body(**changes))
    assert isinstance(read, Draft), read
    return read


def price_of(draft: Draft) -> Price:
    """The price of a draft that has one."""
    price = price_quote(draft)
    assert isinstance(price, Price), price
    return price


def change_of(**fields: Any) -> Change:
    """A change whose shape is right."""
    change = read_change(fields)
    assert isinstance(change, Change), change
    return change


def refused(result: object) -> Refusal:
    """The refusal that something came to."""
    assert isinstance(result, Refusal), result
    return result


def marks(result: object) -> list[tuple[str, str]]:
    """Field and code of each violation of a refusal, in order."""
    return [(each["field"], each["code"]) for each in refused(result).details["errors"]]


def planned(result: Plan | Refusal) -> Plan:
    """The plan that something came to."""
    assert isinstance(result, Plan), result
    return result


def stored_quote(status: Status = Status.DRAFT, version: int = 1, **changes: Any) -> QuoteRecord:
    """A quote as the database gives it back: its items have been through JSON."""
    plan = planned(
        plan_creation(
            Creation(draft_of(**changes)),
            agent_id=AGENT_ID,
            quote_id=QUOTE_ID,
            quote_number="QT-2026-000001",
            modified_by="somebody",
            now=NOW,
        )
    )
    record = msgspec.structs.replace(plan.record, status=status.value, version=version)
    return through_database(record)


def through_database(record: QuoteRecord) -> QuoteRecord:
    """What is read back of a quote: JSONB keeps numbers exactly, yet a whole one comes as int."""
    stored = {
        kind: decode_stored(encode(getattr(record, kind))) for kind in (*ITEM_LISTS, "insurance")
    }
    return msgspec.structs.replace(record, **stored)


def request_of(
    operation: Operation, body: dict[str, Any] | None = None, **more: Any
) -> SaveRequest:
    """A request that arrived just now."""
    given: dict[str, Any] = {
        "operation": operation,
        "agent_id": AGENT_ID,
        "modified_by": "somebody",
        "correlation_id": CORRELATION_ID,
        "attempt_id": ATTEMPT_ID,
        "started_at": NOW,
        "received": 0.0,
        "quote_id": None if operation is Operation.CREATE else QUOTE_ID,
        "body": body or {},
    }
    return SaveRequest(**given | more)


def attempt_row(number: int = 1, **changes: Any) -> AttemptRow:
    """The row of an attempt that has just begun."""
    given: dict[str, Any] = {
        "agent_id": AGENT_ID,
        "started_at": NOW,
        "id": UUID(int=number),
        "origin_id": 7,
        "operation": Operation.UPDATE.value,
        "correlation_id": CORRELATION_ID,
    }
    return AttemptRow(**given | changes)


def decimals(*written: str) -> tuple[Decimal, ...]:
    """Decimals from their spelling."""
    return tuple(map(Decimal, written))
