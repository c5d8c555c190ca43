"""A change names only what changes; everything else stays as it was stored."""

from __future__ import annotations

import copy
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from engine.errors import ErrorCode
from engine.quotes.draft import PRICED_FIELDS, Draft
from engine.quotes.lifecycle import Operation, Status
from engine.quotes.record import QuoteRecord, stored_draft, stored_price
from engine.quotes.shape import ITEM_NAMES, QUOTE_FIELDS
from engine.quotes.validation import Change, merge, read_change
from engine.saving.decision import Plan, plan_change
from engine.saving.request import Edit
from tests.support import quote_body
from tests.unit.examples import (
    NOW,
    change_of,
    item,
    marks,
    planned,
    refused,
    stored_quote,
    through_database,
)

LATER = NOW + timedelta(hours=1)
STAMP = {"version", "last_modified_by", "last_modified_at"}


def edited(current: QuoteRecord, **fields: Any) -> Plan:
    return planned(edit(current, **fields))


def edit(current: QuoteRecord, **fields: Any) -> Any:
    intent = Edit(change_of(**fields), current.version)
    return plan_change(Operation.UPDATE, intent, current, modified_by="another", now=LATER)


def differences(before: QuoteRecord, after: QuoteRecord) -> set[str]:
    return {
        name
        for name in QuoteRecord.__struct_fields__
        if getattr(before, name) != getattr(after, name)
    }


def test_a_change_touches_only_what_it_names() -> None:
    current = stored_quote(**quote_body(), customNotes="window seat")

    plan = edited(current, tripName="Porto week")

    assert plan.record.trip_name == "Porto week"
    assert differences(current, plan.record) == {"trip_name"} | STAMP
    assert plan.changed_fields == ("trip_name",)


def test_a_change_counts_the_version_and_says_who_and_when() -> None:
    current = stored_quote(version=7)

    plan = edited(current, tripName="Porto week")

    assert plan.expected_version == 7
    assert plan.record.version == 8
    assert plan.record.last_modified_by == "another"
    assert plan.record.last_modified_at == LATER
    assert plan.record.created_at == NOW


@pytest.mark.parametrize("fields", [{}, {"tripName": "Lisbon week"}])
def test_a_change_that_changes_nothing_is_a_version_too(fields: dict[str, Any]) -> None:
    current = stored_quote()

    plan = edited(current, **fields)

    assert differences(current, plan.record) == STAMP


def test_a_rejected_quote_stays_rejected() -> None:
    current = msgspec.structs.replace(stored_quote(Status.REJECTED), sent_at=NOW, rejected_at=NOW)

    plan = edited(current, tripName="Porto week")

    assert plan.record.status == "REJECTED"


def test_a_stored_markup_of_0_stays_0_when_the_quote_is_repriced() -> None:
    current = stored_quote(agentMarkupPercent=0, flights=[item("flights", price=1000)])

    plan = edited(current, fees=10)

    assert plan.record.agent_markup_percent == 0
    assert str(plan.record.total) == "1080.00"


def test_a_change_reprices_from_the_stored_amounts_and_never_from_defaults() -> None:
    current = stored_quote(**quote_body())

    plan = edited(current, adults=3)

    assert plan.record.taxes == Decimal("120.50")
    assert plan.record.agent_markup_percent == 12
    assert str(plan.record.total) == "2443.50"
    assert str(plan.record.per_person) == "814.50"
    assert plan.record.travelers == 3


PRICED_CHANGES: dict[str, Any] = {
    "flights": [],
    "hotels": [],
    "activities": [],
    "transfers": [],
    "carRentals": [item("carRentals")],
    "customItems": [item("customItems")],
    "insurance": item("insurance"),
    "adults": 3,
    "children": 1,
    "infants": 1,
    "currency": "EUR",
    "agentMarkupPercent": 13,
    "taxes": 1,
    "fees": 1,
    "discount": 1,
}
UNPRICED_CHANGES: dict[str, Any] = {
    "clientId": str(UUID(int=1)),
    "tripName": "x",
    "destination": "x",
    "startDate": "2026-06-02T00:00:00Z",
    "endDate": "2026-06-07T00:00:00Z",
    "showCommissionToClient": True,
    "commissionLabel": "x",
    "inclusions": ["x"],
    "exclusions": ["x"],
    "importantInfo": "x",
    "customNotes": "x",
    "agentNotes": "x",
    "expiresInDays": 8,
    "total": None,
    "subtotal": None,
}


def test_every_field_is_either_priced_or_not() -> None:
    attributes = {name: field.attribute for name, field in QUOTE_FIELDS.items()}
    attributes |= ITEM_NAMES

    assert {attributes[name] for name in PRICED_CHANGES} == PRICED_FIELDS
    assert set(PRICED_CHANGES) | set(UNPRICED_CHANGES) == set(attributes)


@pytest.mark.parametrize("name", PRICED_CHANGES)
def test_a_change_of_what_is_priced_prices_under_todays_policy(name: str) -> None:
    sold = msgspec.structs.replace(stored_quote(**quote_body()), pricing_policy="standard-2019")

    plan = edited(sold, **{name: PRICED_CHANGES[name]})

    assert plan.record.pricing_policy == "standard-2026"


@pytest.mark.parametrize("name", UNPRICED_CHANGES)
def test_a_change_of_anything_else_keeps_the_price_it_was_sold_at(name: str) -> None:
    sold = msgspec.structs.replace(
        stored_quote(**quote_body()),
        pricing_policy="standard-2019",
        total=Decimal("1.00"),
        per_person=Decimal("0.50"),
    )

    plan = edited(sold, **{name: UNPRICED_CHANGES[name]})

    assert stored_price(plan.record) == stored_price(sold)


@pytest.mark.parametrize(
    "name", ["clientId", "commissionLabel", "importantInfo", "customNotes", "agentNotes"]
)
def test_null_empties_what_may_be_empty(name: str) -> None:
    given: dict[str, Any] = {name: str(UUID(int=1)) if name == "clientId" else "something"}
    current = stored_quote(**given)

    plan = edited(current, **{name: None})

    assert getattr(current, QUOTE_FIELDS[name].attribute) is not None
    assert getattr(plan.record, QUOTE_FIELDS[name].attribute) is None


def test_null_takes_the_insurance_away() -> None:
    current = stored_quote(insurance=item("insurance", price=40))

    plan = edited(current, insurance=None)

    assert plan.record.insurance is None
    assert plan.record.total == 0


@pytest.mark.parametrize(
    "name", sorted({*QUOTE_FIELDS, *ITEM_NAMES} - {"insurance", "total", "subtotal", "clientId"})
)
def test_null_is_of_the_wrong_shape_where_a_value_must_be(name: str) -> None:
    read = read_change({name: None})

    if name in QUOTE_FIELDS and QUOTE_FIELDS[name].is_clearable:
        assert isinstance(read, Change)
    else:
        assert marks(read) == [(name, "type")]


def test_a_list_that_is_named_replaces_the_stored_one() -> None:
    current = stored_quote(**quote_body(), inclusions=["breakfast", "transfer"])

    plan = edited(current, flights=[], inclusions=["breakfast"])

    assert plan.record.flights == []
    assert plan.record.inclusions == ["breakfast"]
    assert plan.record.hotels == current.hotels


def test_dates_are_checked_on_the_merged_quote() -> None:
    current = stored_quote()

    early = edit(current, endDate="2026-05-31T00:00:00Z")
    late = edit(current, startDate="2026-06-06T00:00:00Z")

    assert marks(early) == marks(late) == [("endDate", "range")]


def test_moving_both_dates_moves_the_duration() -> None:
    current = stored_quote()

    plan = edited(current, startDate="2026-07-01T00:00:00Z", endDate="2026-07-02T12:00:00Z")

    assert (current.duration_days, plan.record.duration_days) == (5, 2)


def test_travellers_are_added_up_on_the_merged_quote() -> None:
    current = stored_quote(adults=40)

    assert marks(edit(current, children=11)) == [("adults", "range")]


def test_the_currency_must_suit_the_stored_amounts() -> None:
    current = stored_quote(**quote_body())

    assert marks(edit(current, currency="JPY")) == [("taxes", "digits")]


def test_the_currency_must_suit_the_items_that_name_theirs() -> None:
    current = stored_quote(customItems=[item("customItems", currency="USD")])

    assert marks(edit(current, currency="EUR")) == [("customItems[0].currency", "currency_mix")]


@pytest.mark.parametrize(
    ("before", "after", "price"), [("USD", "JPY", "1"), ("JPY", "USD", "1.00")]
)
def test_another_currency_gives_stored_prices_its_digits(
    before: str, after: str, price: str
) -> None:
    current = stored_quote(currency=before, customItems=[item("customItems")])

    plan = edited(current, currency=after)

    assert str(plan.record.custom_items[0]["price"]) == price
    assert str(plan.record.base_price) == price


@pytest.mark.parametrize("price_type", ["total", "per_person"])
def test_a_quote_in_yen_takes_changes(price_type: str) -> None:
    current = stored_quote(
        currency="JPY",
        flights=[item("flights", price=1000, priceType=price_type)],
        hotels=[item("hotels", price=700, priceType="per_night", nights=3)],
        insurance=item("insurance", price=40),
    )

    renamed = edited(current, tripName="Kyoto week")
    repriced = edited(current, fees=100)

    assert renamed.record.total == current.total
    assert repriced.record.total == current.total + 100
    assert differences(current, through_database(renamed.record)) == {"trip_name"} | STAMP


def test_the_stored_quote_is_not_touched_by_a_change_of_it() -> None:
    current = stored_quote(customItems=[item("customItems")], inclusions=["breakfast"])
    before = copy.deepcopy(current)

    edited(current, currency="JPY", inclusions=[])

    assert [str(one) for one in current.custom_items] == [str(one) for one in before.custom_items]
    assert current == before


def test_a_broken_bound_waits_until_status_and_version_are_known() -> None:
    change = read_change({"adults": 0, "tripName": "", "endDate": "soon"})

    assert isinstance(change, Change)
    assert [each.code for each in change.violations] == ["range", "empty", "format"]
    assert marks(merge(stored_draft(stored_quote()), change)) == [
        ("adults", "range"),
        ("tripName", "empty"),
        ("endDate", "format"),
    ]


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"adults": "two"}, ["type"]),
        ({"colour": 1}, ["unknown"]),
        ({"status": "SENT"}, ["server_owned"]),
        ({"agentId": "x"}, ["server_owned"]),
        ({"flights": "TK 77"}, ["type"]),
        ({"flights": [7]}, ["type"]),
        ({"flights": [item("flights", seat="3A")]}, ["unknown"]),
        ({"adults": 0, "children": "x"}, ["range", "type"]),
    ],
)
def test_a_wrong_shape_is_refused_before_the_quote_is_looked_at(
    fields: dict[str, Any], codes: list[str]
) -> None:
    refusal = refused(read_change(fields))

    assert refusal.code is ErrorCode.QUOTE_VALIDATION_FAILED
    assert [code for _, code in marks(refusal)] == codes


def test_a_lone_bad_currency_has_its_own_code_in_a_change_too() -> None:
    refusal = refused(edit(stored_quote(), currency="BTC"))

    assert refusal.code is ErrorCode.CURRENCY_INVALID


def test_a_discount_that_a_change_makes_too_large_is_refused() -> None:
    refusal = refused(edit(stored_quote(taxes=5), discount=6))

    assert refusal.code is ErrorCode.PRICING_VALIDATION_FAILED
    assert refusal.details["calculatedTotal"] == Decimal("-1.00")


def test_a_claimed_total_is_held_against_the_repriced_quote() -> None:
    current = stored_quote(**quote_body())

    agreed = edited(current, fees=36, total=Decimal("2444.50"), subtotal=2098)
    disagreed = refused(edit(current, fees=36, total=Decimal("2443.50")))

    assert agreed.changed_fields == ("fees",)
    assert disagreed.code is ErrorCode.ITEMS_INCONSISTENT
    assert disagreed.details["calculatedTotal"] == Decimal("2444.50")


def test_a_claimed_total_alone_is_held_against_the_stored_price() -> None:
    sold = msgspec.structs.replace(stored_quote(**quote_body()), total=Decimal("1.00"))

    agreed = edited(sold, total=1)
    disagreed = refused(edit(sold, total=Decimal("2443.50")))

    assert agreed.record.total == 1
    assert disagreed.code is ErrorCode.ITEMS_INCONSISTENT


def test_an_offer_lasts_from_the_change_that_says_how_long() -> None:
    current = stored_quote()

    named = edited(current, expiresInDays=3)
    unnamed = edited(current, tripName="x")

    assert named.record.expires_at == LATER + timedelta(days=3)
    assert unnamed.record.expires_at == current.expires_at == NOW + timedelta(days=7)


def test_the_changed_fields_are_columns_and_claims_are_none() -> None:
    plan = edited(stored_quote(), carRentals=[item("carRentals")], total=Decimal("1.15"), fees=0)

    assert plan.changed_fields == ("car_rentals", "fees")
    assert set(plan.changed_fields) <= set(QuoteRecord.__struct_fields__)


def test_a_stored_quote_is_a_valid_draft_with_the_same_price() -> None:
    current = stored_quote(**quote_body())

    draft = stored_draft(current)

    assert isinstance(merge(draft, Change({})), Draft)
    assert draft.flights[0]["price"] == 450
    assert stored_price(current).total == Decimal("2443.50")
