"""Everything that is wrong is said at once, in the order in which it was sent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.errors import ErrorCode, Refusal
from engine.quotes.validation import NAME_SHOWN, VIOLATIONS_SHOWN, read_change, read_draft
from tests.unit.examples import item, marks, minimal_body, refused


def test_everything_that_is_wrong_is_listed_at_once_in_the_order_it_was_sent() -> None:
    body = {
        "status": "SENT",
        "flights": [
            {"price": -1, "seat": "3A"},
            "TK 77",
            item("flights", priceType="per_night"),
        ],
        "adults": 0,
        "colour": "red",
        "insurance": {"price": Decimal("0.001"), "currency": "BTC"},
        "tripName": " ",
        "endDate": None,
    }

    listed = marks(read_draft(body))

    assert listed == [
        ("status", "server_owned"),
        ("flights[0].price", "range"),
        ("flights[0].seat", "unknown"),
        ("flights[0].airline", "required"),
        ("flights[0].date", "required"),
        ("flights[1]", "type"),
        ("flights[2].priceType", "choice"),
        ("adults", "range"),
        ("colour", "unknown"),
        ("insurance.price", "digits"),
        ("insurance.currency", "currency"),
        ("tripName", "empty"),
        ("endDate", "type"),
        ("destination", "required"),
        ("startDate", "required"),
    ]


def test_an_empty_body_lacks_all_that_is_required() -> None:
    refusal = refused(read_draft({}))

    assert refusal.code is ErrorCode.QUOTE_VALIDATION_FAILED
    assert refusal.http_status == 400
    assert marks(refusal) == [
        ("tripName", "required"),
        ("destination", "required"),
        ("startDate", "required"),
        ("endDate", "required"),
        ("adults", "required"),
    ]


def test_what_fields_are_to_each_other_is_looked_at_at_once_when_each_is_right_by_itself() -> None:
    body = minimal_body(
        endDate="2026-05-01T00:00:00Z",
        adults=50,
        children=1,
        currency="JPY",
        fees=Decimal("0.5"),
        flights=[item("flights", price=Decimal("1.5"), currency="EUR")],
    )

    assert marks(read_draft(body)) == [
        ("endDate", "range"),
        ("adults", "range"),
        ("fees", "digits"),
        ("flights[0].currency", "currency_mix"),
        ("flights[0].price", "digits"),
    ]


def test_a_violation_says_where_and_what_and_why() -> None:
    refusal = refused(read_draft(minimal_body(adults=0)))

    assert refusal.details == {
        "errors": [{"field": "adults", "message": "must be between 1 and 50", "code": "range"}]
    }
    assert "adults" in refusal.message


def test_a_bad_currency_beside_another_violation_is_one_of_them() -> None:
    refusal = refused(read_draft(minimal_body(currency="BTC", adults=0)))

    assert refusal.code is ErrorCode.QUOTE_VALIDATION_FAILED
    assert marks(refusal) == [("adults", "range"), ("currency", "currency")]


def test_several_bad_currencies_are_a_matter_of_currency() -> None:
    body = minimal_body(currency="BTC", insurance={"price": 1, "currency": "ETH"})

    assert refused(read_draft(body)).code is ErrorCode.CURRENCY_INVALID


def test_a_hundred_violations_are_shown_and_all_are_counted() -> None:
    body = minimal_body() | {f"field{number}": 1 for number in range(250)}

    refusal = refused(read_draft(body))

    assert len(refusal.details["errors"]) == VIOLATIONS_SHOWN == 100
    assert refusal.details["errorCount"] == 250
    assert "see field0, field1, field2 and 247 more" in refusal.message


def test_few_violations_are_not_counted_for_the_caller() -> None:
    assert "errorCount" not in refused(read_draft({})).details


@pytest.mark.parametrize("path", ["", "flights"])
def test_the_name_of_an_unknown_field_is_shown_in_part_when_it_is_long(path: str) -> None:
    name = "x" * 100_000
    body = {path: [item("flights") | {name: 1}]} if path else {name: 1}

    read = read_draft(minimal_body(**body))

    ((field, code),) = marks(read)
    assert code == "unknown"
    assert len(field) == NAME_SHOWN + 1
    assert len(refused(read).message) < 200


def test_a_body_is_left_as_it_came() -> None:
    flight = item("flights", price=100)
    body = minimal_body(tripName="  Lisbon ", flights=[flight])

    read_draft(body)

    assert body["tripName"] == "  Lisbon "
    assert flight == item("flights", price=100)


def test_a_change_of_the_wrong_shape_lists_its_broken_bounds_with_it() -> None:
    read = read_change({"adults": 0, "colour": "red"})

    assert isinstance(read, Refusal)
    assert marks(read) == [("adults", "range"), ("colour", "unknown")]
