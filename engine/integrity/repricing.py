"""DI-6: prices every stored quote again, from its stored items under its stored policy.

The quotes are streamed: a batch is in memory at a time. What identifies a person stays in the
database; only what a price depends on is read.

Only the current rows are priced. A revision cannot be changed once it is written, its snapshot was
taken by the server from a row that passed this same pricing, and the newest is compared with the
row by DI-2; pricing all of them would multiply the cost by the number of versions.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import Any, Final, NamedTuple, NotRequired, TypedDict, cast
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import args_row

from engine.errors import Refusal
from engine.payload import encode
from engine.quotes.draft import Draft, Item
from engine.quotes.pricing import POLICIES, Price, price_quote
from engine.quotes.record import QuoteRecord, stored_price

# Small batches are faster: what Python makes of one is freed before the collector looks at it.
_BATCH: Final = 500

_QUOTES: Final = """
    SELECT
        agent_id,
        id,
        version,
        adults,
        children,
        infants,
        currency,
        agent_markup_percent,
        flights::text,
        hotels::text,
        activities::text,
        transfers::text,
        car_rentals::text,
        custom_items::text,
        insurance::text,
        base_price,
        product_markup,
        subtotal,
        agent_markup,
        taxes,
        fees,
        discount,
        total,
        per_person,
        pricing_policy
    FROM quote
"""
_QUOTE: Final = f"{_QUOTES} WHERE agent_id = %s AND id = %s"


class PricedItem(TypedDict):
    """What a price depends on in an item."""

    price: Decimal
    priceType: str
    priceAppliesTo: NotRequired[int]
    nights: NotRequired[int]


class StoredQuote(NamedTuple):
    """What a price depends on in a quote, and the price as it is stored; items as JSON."""

    agent_id: Any
    quote_id: Any
    version: int
    adults: int
    children: int
    infants: int
    currency: str
    agent_markup_percent: Decimal
    flights: str
    hotels: str
    activities: str
    transfers: str
    car_rentals: str
    custom_items: str
    insurance: str | None
    price: Price


_items: Final = cast("Callable[[str], list[Item]]", msgspec.json.Decoder(list[PricedItem]).decode)
_item: Final = cast("Callable[[str], Item]", msgspec.json.Decoder(PricedItem).decode)
_PRICE_STARTS: Final = StoredQuote._fields.index("price")
# No price depends on when the trip is.
_SOME_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)

# What a quote that breaks other rules, too, makes the pricing raise.
_UNPRICEABLE: Final = (ArithmeticError, LookupError, TypeError, msgspec.MsgspecError)


def stored_quote(*columns: Any) -> StoredQuote:  # noqa: ANN401  # a row as the driver gives it
    """A quote from the columns of the query."""
    return StoredQuote._make((*columns[:_PRICE_STARTS], Price._make(columns[_PRICE_STARTS:])))


def disagreement(quote: StoredQuote) -> dict[str, Any] | None:
    """What is wrong with a stored price, or None when the items give the same.

    Returns:
        The problem in words, the ids, and each component that differs, as it is and as it would be.
    """
    policy = POLICIES.get(quote.price.pricing_policy)
    if policy is None:
        return _problem(quote, "nobody knows the pricing policy")
    try:
        price = price_quote(_draft(quote), policy)
    except _UNPRICEABLE as error:
        return _problem(quote, f"the items cannot be priced ({type(error).__name__})")
    if isinstance(price, Refusal):
        return _problem(quote, f"the items may not be priced so ({price.code})")
    if price == quote.price:
        return None
    differences = (
        ((f"{name}_stored", stored), (f"{name}_repriced", repriced))
        for name, stored, repriced in zip(Price._fields, quote.price, price, strict=True)
        if stored != repriced
    )
    found = _problem(quote, "the stored price does not follow from the items")
    return found | dict(chain.from_iterable(differences))


def stored_record(record: QuoteRecord) -> StoredQuote:
    """The same of a record, which may be an old version's."""
    return StoredQuote(
        agent_id=record.agent_id,
        quote_id=record.id,
        version=record.version,
        adults=record.adults,
        children=record.children,
        infants=record.infants,
        currency=record.currency,
        agent_markup_percent=record.agent_markup_percent,
        flights=_as_json(record.flights),
        hotels=_as_json(record.hotels),
        activities=_as_json(record.activities),
        transfers=_as_json(record.transfers),
        car_rentals=_as_json(record.car_rentals),
        custom_items=_as_json(record.custom_items),
        insurance=None if record.insurance is None else _as_json(record.insurance),
        price=stored_price(record),
    )


def read_one(
    connection: psycopg.Connection[Any], agent_id: UUID, quote_id: UUID
) -> StoredQuote | None:
    """What a price depends on in one quote as it stands; None when there is no such quote.

    Raises:
        psycopg.Error: the database could not be read.
    """
    with connection.cursor(row_factory=args_row(stored_quote)) as cursor:
        return cursor.execute(_QUOTE, (agent_id, quote_id), prepare=False).fetchone()


def reprice(
    connection: psycopg.Connection[Any],
    offenders_max: int,
    progress: Callable[[int], None],
) -> tuple[int, int, list[dict[str, Any]]]:
    """Prices all quotes again, in the connection's open transaction.

    Args:
        connection: in a transaction.
        offenders_max: how many offenders to remember.
        progress: told how many quotes were priced so far, after each batch.

    Returns:
        How many were priced, how many of them are wrong, and the first of those.

    Raises:
        psycopg.Error: the database could not be read.
    """
    checked = violations = 0
    offenders: list[dict[str, Any]] = []
    with connection.cursor("integrity_repricing", row_factory=args_row(stored_quote)) as cursor:
        cursor.execute(_QUOTES)
        while batch := cursor.fetchmany(_BATCH):
            found = [each for each in map(disagreement, batch) if each is not None]
            checked += len(batch)
            violations += len(found)
            offenders += found[: offenders_max - len(offenders)]
            progress(checked)
    return checked, violations, offenders


def _as_json(value: object) -> str:
    return encode(value).decode()


def _draft(quote: StoredQuote) -> Draft:
    price = quote.price
    return Draft(
        trip_name="",
        destination="",
        start_date=_SOME_TIME,
        end_date=_SOME_TIME,
        adults=quote.adults,
        children=quote.children,
        infants=quote.infants,
        flights=_items(quote.flights),
        hotels=_items(quote.hotels),
        activities=_items(quote.activities),
        transfers=_items(quote.transfers),
        car_rentals=_items(quote.car_rentals),
        custom_items=_items(quote.custom_items),
        insurance=None if quote.insurance is None else _item(quote.insurance),
        currency=quote.currency,
        agent_markup_percent=quote.agent_markup_percent,
        taxes=price.taxes,
        fees=price.fees,
        discount=price.discount,
    )


def _problem(quote: StoredQuote, words: str) -> dict[str, Any]:
    return {
        "problem": words,
        "agent_id": quote.agent_id,
        "quote_id": quote.quote_id,
        "version": quote.version,
        "pricing_policy": quote.price.pricing_policy,
    }
