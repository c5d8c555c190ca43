"""What a quote costs: the worked numbers of the domain page, and the edges around them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from engine.errors import ErrorCode
from engine.quotes.draft import PRICED_FIELDS, Draft
from engine.quotes.pricing import POLICIES, STANDARD_2026, price_quote, totals_refusal
from engine.quotes.shape import QUOTE_FIELDS
from tests.support import quote_body
from tests.unit.examples import draft_of, item, price_of, refused


class Vector(NamedTuple):
    """A row of the pricing table: what is asked, and what comes of it."""

    asked: dict[str, Any]
    base: str
    product_markup: str
    subtotal: str
    agent_markup: str
    total: str
    per_person: str


def flight(price: Any, **more: Any) -> dict[str, Any]:
    return {"flights": [item("flights", price=price, **more)]}


def custom(*prices: Any) -> dict[str, Any]:
    return {"customItems": [item("customItems", price=price) for price in prices]}


def per_night(price: Any, nights: int, **more: Any) -> dict[str, Any]:
    one = item("hotels", price=price, priceType="per_night", nights=nights, **more)
    return {"hotels": [one]}


VECTORS = {
    "a small flight carries the least markup": Vector(
        flight(200), "200.00", "22.00", "222.00", "30.00", "252.00", "126.00"
    ),
    "a flight carries seven percent": Vector(
        flight(1000), "1000.00", "70.00", "1070.00", "150.00", "1220.00", "610.00"
    ),
    "a dear flight carries the most markup": Vector(
        flight(5000), "5000.00", "200.00", "5200.00", "750.00", "5950.00", "2975.00"
    ),
    "a hotel is paid by the night": Vector(
        per_night(150, 4), "600.00", "0.00", "600.00", "90.00", "690.00", "345.00"
    ),
    "a small transfer carries thirty-five": Vector(
        {"transfers": [item("transfers", price=60, priceType="per_unit")]},
        "60.00", "35.00", "95.00", "9.00", "104.00", "52.00",
    ),
    "an activity is paid by each of three": Vector(
        {"adults": 3, "activities": [item("activities", price=75, priceType="per_person")]},
        "225.00", "0.00", "225.00", "33.75", "258.75", "86.25",
    ),
    "half a cent is rounded up": Vector(
        custom(Decimal("99.99")), "99.99", "0.00", "99.99", "15.00", "114.99", "57.50"
    ),
    "everything together": Vector(
        quote_body(), "2000.00", "98.00", "2098.00", "240.00", "2443.50", "1221.75"
    ),
    "no percentage means none": Vector(
        flight(1000) | {"agentMarkupPercent": 0},
        "1000.00", "70.00", "1070.00", "0.00", "1070.00", "535.00",
    ),
    "a dime and two add up": Vector(
        custom(Decimal("0.10"), Decimal("0.20")) | {"agentMarkupPercent": 0},
        "0.30", "0.00", "0.30", "0.00", "0.30", "0.15",
    ),
    "no items still cost their taxes": Vector(
        {"taxes": 100}, "0.00", "0.00", "0.00", "0.00", "100.00", "50.00"
    ),
}  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_the_worked_prices_of_the_domain_page_come_out_to_the_digit(vector: Vector) -> None:
    price = price_of(draft_of(**vector.asked))

    assert [
        str(amount)
        for amount in (
            price.base_price,
            price.product_markup,
            price.subtotal,
            price.agent_markup,
            price.total,
            price.per_person,
        )
    ] == list(vector[1:])


@pytest.mark.parametrize(
    ("price", "markup"),
    [
        ("0.01", "22.00"),
        ("314.28", "22.00"),
        ("314.29", "22.00"),
        ("314.36", "22.01"),
        ("2857.07", "199.99"),
        ("2857.14", "200.00"),
        ("99999999.99", "200.00"),
    ],
)
def test_a_flight_carries_seven_percent_within_22_and_200(price: str, markup: str) -> None:
    priced = price_of(draft_of(**flight(Decimal(price))))

    assert priced.product_markup == Decimal(markup)


@pytest.mark.parametrize(
    ("price", "markup"), [("0.01", "35"), ("100", "35"), ("100.03", "35.01"), ("9999", "3499.65")]
)
def test_a_transfer_carries_35_or_35_percent_whichever_is_more(price: str, markup: str) -> None:
    priced = price_of(draft_of(transfers=[item("transfers", price=Decimal(price))]))

    assert priced.product_markup == Decimal(markup)


@pytest.mark.parametrize("kind", ["hotels", "activities", "carRentals", "customItems"])
def test_other_kinds_carry_no_product_markup(kind: str) -> None:
    priced = price_of(draft_of(**{kind: [item(kind, price=1000)]}))

    assert priced.product_markup == 0


def test_insurance_carries_no_product_markup_and_is_part_of_the_base() -> None:
    priced = price_of(draft_of(insurance=item("insurance", price=40, priceType="per_person")))

    assert priced.base_price == 80
    assert priced.product_markup == 0


@pytest.mark.parametrize("kind", ["flights", "transfers"])
def test_an_item_priced_0_carries_no_markup(kind: str) -> None:
    priced = price_of(draft_of(**{kind: [item(kind, price=0)]}))

    assert priced.total == 0


def test_each_item_is_marked_up_by_itself() -> None:
    one = item("flights", price=200)

    priced = price_of(draft_of(flights=[one, one, item("flights", price=5000)]))

    assert priced.product_markup == 22 + 22 + 200


@pytest.mark.parametrize("applies_to", [{}, {"priceAppliesTo": 0}, {"priceAppliesTo": None}])
def test_a_price_per_person_applies_to_every_traveller_unless_it_says_to_how_many(
    applies_to: dict[str, Any],
) -> None:
    one = item("activities", price=10, priceType="per_person", **applies_to)

    priced = price_of(draft_of(adults=2, children=1, infants=1, activities=[one]))

    assert priced.base_price == 40


def test_a_price_per_person_applies_to_as_many_as_it_says() -> None:
    one = item("activities", price=10, priceType="per_person", priceAppliesTo=7)

    priced = price_of(draft_of(activities=[one]))

    assert priced.base_price == 70


@pytest.mark.parametrize("price_type", ["total", "per_unit"])
def test_a_price_that_is_not_per_person_ignores_how_many_it_applies_to(price_type: str) -> None:
    one = item("customItems", price=10, priceType=price_type, priceAppliesTo=7, quantity=9)

    priced = price_of(draft_of(customItems=[one]))

    assert priced.base_price == 10


def test_a_price_per_night_is_never_multiplied_by_guests() -> None:
    priced = price_of(draft_of(**per_night(100, 3, guests=4, priceAppliesTo=5)))

    assert priced.base_price == 300


def test_every_traveller_has_a_share_of_the_total_the_smallest_too() -> None:
    priced = price_of(draft_of(**custom(100), agentMarkupPercent=0, children=1, infants=2))

    assert priced.per_person == 20


def test_an_item_without_a_price_type_is_priced_in_total() -> None:
    priced = price_of(draft_of(**custom(10)))

    assert priced.base_price == 10


def test_the_agents_markup_is_on_the_base_and_not_on_the_product_markup() -> None:
    priced = price_of(draft_of(**flight(200), agentMarkupPercent=10))

    assert priced.agent_markup == 20


def test_yen_are_rounded_to_whole_ones() -> None:
    priced = price_of(draft_of(**custom(333), currency="JPY", agentMarkupPercent=50, adults=3))

    assert [str(amount) for amount in (priced.base_price, priced.agent_markup, priced.total)] == [
        "333",
        "167",
        "500",
    ]
    assert str(priced.per_person) == "167"


@pytest.mark.parametrize(
    ("percent", "agent_markup"), [("0.5", "0.01"), ("0.4999", "0.00"), ("1.5", "0.02")]
)
def test_half_a_minor_unit_is_rounded_up(percent: str, agent_markup: str) -> None:
    priced = price_of(draft_of(**custom(1), agentMarkupPercent=Decimal(percent)))

    assert str(priced.agent_markup) == agent_markup


def test_a_total_of_exactly_0_is_a_price() -> None:
    priced = price_of(draft_of(**custom(100), agentMarkupPercent=0, discount=100))

    assert (str(priced.total), str(priced.per_person)) == ("0.00", "0.00")


def test_a_negative_total_is_refused_with_what_it_would_be() -> None:
    draft = draft_of(**custom(100), agentMarkupPercent=0, discount=Decimal("100.01"))

    refusal = refused(price_quote(draft))

    assert refusal.code is ErrorCode.PRICING_VALIDATION_FAILED
    assert refusal.details["calculatedTotal"] == Decimal("-0.01")
    assert "total" in refusal.details["negative"]


def test_the_policy_that_made_a_price_stands_on_it() -> None:
    priced = price_of(draft_of())

    assert priced.pricing_policy == "standard-2026"
    assert POLICIES[priced.pricing_policy] is STANDARD_2026


@pytest.mark.parametrize(
    "claim",
    [
        {},
        {"total": None, "subtotal": None},
        {"total": Decimal("115.00")},
        {"total": Decimal("115.01")},
        {"total": Decimal("114.99")},
        {"total": "115.00"},
        {"subtotal": Decimal("100.01")},
        {"subtotal": Decimal("99.99"), "total": 115},
        {"total": 115.00000000000001},
    ],
)
def test_a_claimed_total_may_differ_by_a_cent(claim: dict[str, Any]) -> None:
    draft = draft_of(**custom(100), **claim)

    assert totals_refusal(draft, price_of(draft)) is None


@pytest.mark.parametrize(
    ("claim", "field", "ours"),
    [
        ({"total": Decimal("115.02")}, "total", "115.00"),
        ({"total": Decimal("114.98")}, "total", "115.00"),
        ({"total": 0}, "total", "115.00"),
        ({"total": -115}, "total", "115.00"),
        ({"total": 10**29}, "total", "115.00"),
        ({"subtotal": Decimal("100.02")}, "subtotal", "100.00"),
        ({"total": 115, "subtotal": Decimal("99.98")}, "subtotal", "100.00"),
    ],
)
def test_a_claimed_total_that_differs_by_more_is_refused_with_both(
    claim: dict[str, Any], field: str, ours: str
) -> None:
    draft = draft_of(**custom(100), **claim)

    refusal = refused(totals_refusal(draft, price_of(draft)))

    assert refusal.code is ErrorCode.ITEMS_INCONSISTENT
    assert refusal.details == {
        "field": field,
        "expectedTotal": claim[field],
        "calculatedTotal": Decimal(ours),
    }


def test_the_priced_fields_are_those_that_the_price_is_computed_from() -> None:
    unpriced = {"client_id", "trip_name", "destination", "start_date", "end_date"}
    unpriced |= {"show_commission_to_client", "commission_label", "inclusions", "exclusions"}
    unpriced |= {"important_info", "custom_notes", "agent_notes", "expires_in_days"}
    unpriced |= {"claimed_total", "claimed_subtotal"}

    assert set(Draft.__struct_fields__) - PRICED_FIELDS == unpriced
    assert set(Draft.__struct_fields__) >= PRICED_FIELDS
    assert {field.attribute for field in QUOTE_FIELDS.values()} <= set(Draft.__struct_fields__)
