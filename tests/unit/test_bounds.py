"""Every bound of a quote's fields: at it, just inside and just outside, with the code it gives."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from engine.errors import ErrorCode
from engine.quotes.draft import Draft
from engine.quotes.shape import ITEM_FIELDS, ITEM_NAMES, QUOTE_FIELDS, SERVER_OWNED
from engine.quotes.validation import duration_days, read_draft
from tests.unit.examples import (
    SMALLEST_ITEMS,
    body_with,
    draft_of,
    item,
    marks,
    minimal_body,
    path_of,
    refused,
)

NAN, INFINITE = float("nan"), float("inf")
AMOUNTS_OK: list[Any] = [
    0,
    Decimal("0.00"),
    Decimal("0.01"),
    Decimal("12.5"),
    Decimal("12.500"),
    Decimal("1E+2"),
    99_999_999,
    Decimal("99999999.98"),
    Decimal("99999999.99"),
    "0",
    "12.50",
    "99999999.99",
    0.25,
]
AMOUNTS_WRONG: list[tuple[Any, str]] = [
    (-1, "range"),
    (Decimal("-0.01"), "range"),
    ("-0.01", "range"),
    (100_000_000, "range"),
    (Decimal("100000000.00"), "range"),
    ("100000000", "range"),
    (Decimal("1E+30"), "range"),
    (Decimal("0.001"), "digits"),
    (Decimal("99999999.985"), "digits"),
    ("0.001", "digits"),
    (NAN, "range"),
    (INFINITE, "range"),
    (-INFINITE, "range"),
    (Decimal("NaN"), "range"),
    (Decimal("Infinity"), "range"),
    ("NaN", "type"),
    ("1e3", "type"),
    ("+1", "type"),
    (" 1", "type"),
    ("1\n", "type"),
    ("1,5", "type"),
    ("", "type"),
    ("\u0661", "type"),
    ("1234567890123", "type"),
    (True, "type"),
    (None, "type"),
    ([1], "type"),
    ({}, "type"),
]
INSTANTS_OK = [
    ("2026-06-05T00:00:00Z", "2026-06-05T00:00:00+00:00"),
    ("2026-06-05t00:00:00z", "2026-06-05T00:00:00+00:00"),
    ("2026-06-05T00:00:00+14:00", "2026-06-04T10:00:00+00:00"),
    ("2026-06-05T00:00:00-11:30", "2026-06-05T11:30:00+00:00"),
    ("2026-06-05 00:00:00.123456+00:00", "2026-06-05T00:00:00.123456+00:00"),
    ("2026-06-05T00:00Z", "2026-06-05T00:00:00+00:00"),
    ("20260605T000000Z", "2026-06-05T00:00:00+00:00"),
    ("2026-W23-5T00:00:00Z", "2026-06-05T00:00:00+00:00"),
    ("2026-06-05", "2026-06-05T00:00:00+00:00"),
]
INSTANTS_WRONG: list[tuple[Any, str]] = [
    ("2026-06-05T00:00:00", "format"),
    ("2026-06-05t00:00:00", "format"),
    ("2026-06-05 00:00:00", "format"),
    ("2026W23T10", "format"),
    ("2026-06-31T00:00:00Z", "format"),
    ("2026-06-05T25:00:00Z", "format"),
    ("2026-06-05T00:00:00+25:00", "format"),
    ("2026-06-05510:00:00Z", "format"),
    ("2026-06-05-10:00:00Z", "format"),
    ("2026-06-05Z10:00:00Z", "format"),
    ("2026-06-05T00:00:00Z ", "format"),
    ("05.06.2026", "format"),
    ("tomorrow", "format"),
    ("", "format"),
    ("0001-01-01T00:00:00+14:00", "range"),
    ("9999-12-31T23:59:59-14:00", "range"),
    (1780617600, "type"),
    (None, "type"),
    (["2026-06-05"], "type"),
]


def only_mark(body: dict[str, Any]) -> tuple[str, str]:
    (mark,) = marks(read_draft(body))
    return mark


# Texts.


@pytest.mark.parametrize("field", ["tripName", "destination"])
@pytest.mark.parametrize("written", ["x", "x" * 199, "x" * 200, f"  {'x' * 200}\n", "旅" * 200])
def test_a_title_has_1_to_200_characters_and_is_trimmed(field: str, written: str) -> None:
    draft = draft_of(**{field: written})

    assert getattr(draft, QUOTE_FIELDS[field].attribute) == written.strip()


@pytest.mark.parametrize("field", ["tripName", "destination"])
@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("\u2003", "empty"),
        ("x" * 201, "too_long"),
        ("a\0b", "character"),
        ("a\ud800b", "character"),
        (7, "type"),
        (None, "type"),
        (["x"], "type"),
    ],
)
def test_another_title_is_refused(field: str, written: Any, code: str) -> None:
    assert only_mark(minimal_body(**{field: written})) == (field, code)


FREE_TEXTS = ["commissionLabel", "importantInfo", "customNotes", "agentNotes"]
TEXTS_WRONG = [("x" * 10_001, "too_long"), ("\0", "character"), ("\udfff", "character")]


@pytest.mark.parametrize("field", FREE_TEXTS)
@pytest.mark.parametrize("written", ["", "x" * 9_999, "x" * 10_000, " kept as it is ", None])
def test_a_free_text_has_up_to_10000_characters_or_is_null(field: str, written: str) -> None:
    draft = draft_of(**{field: written})

    assert getattr(draft, QUOTE_FIELDS[field].attribute) == written


@pytest.mark.parametrize("field", FREE_TEXTS)
@pytest.mark.parametrize(("written", "code"), [*TEXTS_WRONG, (1, "type")])
def test_another_free_text_is_refused(field: str, written: Any, code: str) -> None:
    assert only_mark(minimal_body(**{field: written})) == (field, code)


@pytest.mark.parametrize("field", ["inclusions", "exclusions"])
def test_a_list_of_texts_has_up_to_100_of_them(field: str) -> None:
    draft = draft_of(**{field: ["x" * 10_000] + [""] * 99})

    assert len(getattr(draft, field)) == 100


@pytest.mark.parametrize("field", ["inclusions", "exclusions"])
@pytest.mark.parametrize(
    ("written", "code"),
    [
        ([""] * 101, "too_long"),
        *[([text], code) for text, code in TEXTS_WRONG],
        (["", 1], "type"),
        ([None], "type"),
        ("breakfast", "type"),
        ({}, "type"),
        (None, "type"),
    ],
)
def test_another_list_of_texts_is_refused(field: str, written: Any, code: str) -> None:
    assert only_mark(minimal_body(**{field: written})) == (field, code)


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
@pytest.mark.parametrize(("written", "code"), TEXTS_WRONG)
def test_a_text_of_an_item_has_the_same_bounds(kind: str, written: str, code: str) -> None:
    field = {"insurance": "coverage", "transfers": "vehicleType", "carRentals": "carType"}.get(
        kind, {"flights": "origin", "hotels": "image"}.get(kind, "description")
    )

    assert only_mark(body_with(kind, **{field: written})) == (path_of(kind, field), code)


# Dates.


@pytest.mark.parametrize(("written", "meant"), INSTANTS_OK)
def test_an_instant_is_taken_with_any_offset_and_kept_in_utc(written: str, meant: str) -> None:
    draft = draft_of(endDate=written)

    assert draft.end_date.isoformat() == meant


@pytest.mark.parametrize("field", ["startDate", "endDate"])
@pytest.mark.parametrize(("written", "code"), INSTANTS_WRONG)
def test_another_instant_is_refused(field: str, written: Any, code: str) -> None:
    assert only_mark(minimal_body(**{field: written})) == (field, code)


def test_an_instant_may_come_as_one_from_this_process() -> None:
    draft = draft_of(endDate=datetime(2026, 6, 5, tzinfo=UTC))

    assert draft.end_date == datetime(2026, 6, 5, tzinfo=UTC)


def test_an_instant_from_this_process_carries_its_offset_too() -> None:
    naive = datetime(2026, 6, 5)  # noqa: DTZ001  # what is to be refused

    assert only_mark(minimal_body(endDate=naive)) == ("endDate", "format")


@pytest.mark.parametrize(
    ("end", "days"),
    [
        ("2026-06-01T00:00:00.000001Z", 1),
        ("2026-06-01T00:00:00-00:01", 1),
        ("2026-06-02T00:00:00Z", 1),
        ("2026-06-02T00:00:01Z", 2),
        ("2027-05-31T23:59:59Z", 365),
        ("2027-06-01T00:00:00Z", 365),
    ],
)
def test_a_trip_ends_after_it_starts_and_every_begun_day_counts(end: str, days: int) -> None:
    assert duration_days(draft_of(endDate=end)) == days


@pytest.mark.parametrize(
    "end",
    [
        "2026-06-01T00:00:00Z",
        "2026-06-01T02:00:00+02:00",
        "2026-05-31T23:59:59Z",
        "2027-06-01T00:00:00.000001Z",
        "9999-12-31T00:00:00Z",
    ],
)
def test_a_trip_that_ends_too_early_or_too_late_is_refused(end: str) -> None:
    assert only_mark(minimal_body(endDate=end)) == ("endDate", "range")


# Travellers and other whole numbers.


@pytest.mark.parametrize(
    "travellers",
    [
        {"adults": 1},
        {"adults": Decimal("2.0")},
        {"adults": Decimal("2E+1")},
        {"adults": 50},
        {"adults": 1, "children": 49},
        {"adults": 1, "infants": 49},
        {"adults": 48, "children": 1, "infants": 1},
    ],
)
def test_one_adult_and_up_to_50_travellers_make_a_party(travellers: dict[str, Any]) -> None:
    draft = draft_of(**travellers)

    assert (draft.adults, draft.children, draft.infants) == (
        travellers["adults"],
        travellers.get("children", 0),
        travellers.get("infants", 0),
    )


@pytest.mark.parametrize(
    ("travellers", "field"),
    [
        ({"adults": 0}, "adults"),
        ({"adults": -1}, "adults"),
        ({"adults": 51}, "adults"),
        ({"adults": 10**40}, "adults"),
        ({"adults": 1, "children": -1}, "children"),
        ({"adults": 1, "infants": -1}, "infants"),
        ({"adults": 50, "infants": 1}, "adults"),
        ({"adults": 2, "children": 49}, "adults"),
        ({"adults": 1, "children": 51}, "children"),
    ],
)
def test_another_party_is_refused(travellers: dict[str, Any], field: str) -> None:
    assert only_mark(minimal_body(**travellers)) == (field, "range")


@pytest.mark.parametrize("field", ["adults", "children", "infants", "expiresInDays"])
@pytest.mark.parametrize(
    "written",
    [
        "2",
        2.0,
        Decimal("2.5"),
        Decimal("1E+999999999"),
        Decimal("1E-999999999"),
        Decimal("NaN"),
        Decimal("Infinity"),
        NAN,
        True,
        None,
        [],
        {},
    ],
)
def test_what_is_no_whole_number_is_refused_where_one_is_asked(field: str, written: Any) -> None:
    assert only_mark(minimal_body(**{field: written})) == (field, "type")


@pytest.mark.parametrize("days", [1, 2, 89, 90])
def test_an_offer_lasts_1_to_90_days(days: int) -> None:
    assert draft_of(expiresInDays=days).expires_in_days == days


@pytest.mark.parametrize("days", [0, -1, 91, 10_000])
def test_an_offer_of_another_length_is_refused(days: int) -> None:
    assert only_mark(minimal_body(expiresInDays=days)) == ("expiresInDays", "range")


# Money.


@pytest.mark.parametrize("field", ["taxes", "fees", "discount"])
@pytest.mark.parametrize("amount", AMOUNTS_OK)
def test_an_amount_is_from_0_to_99999999_99(field: str, amount: Any) -> None:
    draft = draft_of(**{field: amount})

    assert getattr(draft, field) == Decimal(str(amount))
    assert str(getattr(draft, field)).partition(".")[2].isdigit()


@pytest.mark.parametrize("field", ["taxes", "fees", "discount"])
@pytest.mark.parametrize(("amount", "code"), AMOUNTS_WRONG)
def test_another_amount_is_refused(field: str, amount: Any, code: str) -> None:
    assert only_mark(minimal_body(**{field: amount})) == (field, code)


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
@pytest.mark.parametrize("amount", AMOUNTS_OK)
def test_a_price_is_from_0_to_99999999_99(kind: str, amount: Any) -> None:
    draft = draft_of(**body_with(kind, price=amount))

    (one,) = dict(draft.items_by_kind())[ITEM_NAMES[kind]]
    assert one["price"] == Decimal(str(amount))
    assert one["price"].as_tuple().exponent == -2


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
@pytest.mark.parametrize(("amount", "code"), AMOUNTS_WRONG)
def test_another_price_is_refused(kind: str, amount: Any, code: str) -> None:
    code = "required" if amount is None else code

    assert only_mark(body_with(kind, price=amount)) == (path_of(kind, "price"), code)


def test_an_item_without_a_price_is_refused_since_0_is_one() -> None:
    without = {"name": "Visa"}

    assert only_mark(minimal_body(customItems=[without])) == ("customItems[0].price", "required")


@pytest.mark.parametrize("amount", [Decimal("-0"), Decimal("-0.00"), "-0", "-0.00"])
def test_a_negative_zero_is_a_plain_zero(amount: Any) -> None:
    draft = draft_of(taxes=amount, customItems=[item("customItems", price=amount)])

    assert (str(draft.taxes), str(draft.custom_items[0]["price"])) == ("0.00", "0.00")


@pytest.mark.parametrize(
    "percent", [0, Decimal("0.0001"), 15, Decimal("99.99"), 100, "100", Decimal("100.00")]
)
def test_the_agents_markup_is_from_0_to_100_percent(percent: Any) -> None:
    assert draft_of(agentMarkupPercent=percent).agent_markup_percent == Decimal(str(percent))


@pytest.mark.parametrize(
    ("percent", "code"),
    [
        (Decimal("-0.01"), "range"),
        (Decimal("100.01"), "range"),
        (101, "range"),
        (Decimal("0.00001"), "digits"),
        (NAN, "range"),
        ("15 %", "type"),
        (None, "type"),
        (True, "type"),
    ],
)
def test_another_percentage_is_refused(percent: Any, code: str) -> None:
    assert only_mark(minimal_body(agentMarkupPercent=percent)) == ("agentMarkupPercent", code)


@pytest.mark.parametrize("currency", ["USD", "EUR", "GBP", "CAD", "AUD", "CHF", "JPY"])
def test_seven_currencies_are_taken(currency: str) -> None:
    assert draft_of(currency=currency).currency == currency


@pytest.mark.parametrize("currency", ["usd", "BTC", "", "US", "USD ", "NOK"])
def test_another_currency_has_a_code_of_its_own(currency: str) -> None:
    refusal = refused(read_draft(minimal_body(currency=currency)))

    assert refusal.code is ErrorCode.CURRENCY_INVALID
    assert refusal.http_status == 400
    assert marks(refusal) == [("currency", "currency")]


@pytest.mark.parametrize("currency", [None, 1, ["USD"]])
def test_what_is_no_text_is_no_currency_at_all(currency: Any) -> None:
    refusal = refused(read_draft(minimal_body(currency=currency)))

    assert refusal.code is ErrorCode.QUOTE_VALIDATION_FAILED
    assert marks(refusal) == [("currency", "type")]


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
def test_the_currency_of_an_item_is_the_quotes(kind: str) -> None:
    same = read_draft(body_with(kind, currency="EUR") | {"currency": "EUR"})
    other = read_draft(body_with(kind, currency="USD") | {"currency": "EUR"})
    unknown = read_draft(body_with(kind, currency="BTC"))

    assert isinstance(same, Draft)
    assert marks(other) == [(path_of(kind, "currency"), "currency_mix")]
    assert refused(other).code is ErrorCode.QUOTE_VALIDATION_FAILED
    assert refused(unknown).code is ErrorCode.CURRENCY_INVALID


def test_amounts_in_yen_have_no_digits_after_the_point() -> None:
    body = minimal_body(
        currency="JPY",
        taxes=Decimal("10.00"),
        fees=Decimal("0.5"),
        customItems=[
            item("customItems", price=Decimal("1E+2")),
            item("customItems", price="1.01"),
        ],
        insurance={"price": Decimal("0.10")},
    )

    assert marks(read_draft(body)) == [
        ("fees", "digits"),
        ("customItems[1].price", "digits"),
        ("insurance.price", "digits"),
    ]


def test_yen_are_kept_without_digits_after_the_point() -> None:
    draft = draft_of(
        currency="JPY", taxes=Decimal("10.00"), customItems=[item("customItems", price="100.00")]
    )

    assert (str(draft.taxes), str(draft.custom_items[0]["price"])) == ("10", "100")


# Items.


@pytest.mark.parametrize("kind", [kind for kind in SMALLEST_ITEMS if kind != "insurance"])
def test_a_list_has_up_to_100_items(kind: str) -> None:
    full, overfull = [item(kind)] * 100, [item(kind)] * 101

    draft = draft_of(**{kind: full})

    assert len(dict(draft.items_by_kind())[ITEM_NAMES[kind]]) == 100
    assert only_mark(minimal_body(**{kind: overfull})) == (kind, "too_long")


@pytest.mark.parametrize("kind", [kind for kind in SMALLEST_ITEMS if kind != "insurance"])
@pytest.mark.parametrize("written", [None, {}, "x", 1, item("customItems")])
def test_what_is_no_list_holds_no_items(kind: str, written: Any) -> None:
    assert only_mark(minimal_body(**{kind: written})) == (kind, "type")


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
@pytest.mark.parametrize("written", [[], "x", 1, True])
def test_what_is_no_object_is_no_item(kind: str, written: Any) -> None:
    one, path = (written, kind) if kind == "insurance" else ([written], f"{kind}[0]")

    assert only_mark(minimal_body(**{kind: one})) == (path, "type")


def test_insurance_may_be_none() -> None:
    assert draft_of(insurance=None).insurance is None


REQUIRED_OF_ITEMS = {
    "flights": ["price", "airline", "date"],
    "hotels": ["price", "name", "checkIn", "checkOut"],
    "activities": ["price", "name"],
    "transfers": ["price", "provider"],
    "carRentals": ["price", "company"],
    "customItems": ["price", "name"],
    "insurance": ["price"],
}


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
def test_an_item_has_what_its_kind_requires(kind: str) -> None:
    empty = minimal_body(**{kind: {} if kind == "insurance" else [{}]})

    assert marks(read_draft(empty)) == [
        (path_of(kind, field), "required") for field in REQUIRED_OF_ITEMS[kind]
    ]


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (kind, field)
        for kind, fields in REQUIRED_OF_ITEMS.items()
        for field in fields
        if field in {"airline", "name", "provider", "company"}
    ],
)
def test_the_name_of_an_item_is_not_blank(kind: str, field: str) -> None:
    assert only_mark(body_with(kind, **{field: "  "})) == (path_of(kind, field), "empty")


OPTIONAL_OF_ITEMS = {
    "flights": "flightNumber origin originCity destination destinationCity departureTime"
    " arrivalTime duration stops cabinClass passengers",
    "hotels": "nights location roomType stars amenities guests image",
    "activities": "location description duration time participants includes image date",
    "transfers": "vehicleType pickupLocation dropoffLocation pickupTime passengers meetAndGreet"
    " date",
    "carRentals": "carType carClass pickupLocation dropoffLocation pickupDate dropoffDate days"
    " features image",
    "customItems": "description category quantity date",
    "insurance": "name provider description coverage",
}
COMMON_OF_ITEMS = "price priceType priceAppliesTo currency createdAt"


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
def test_an_item_may_hold_what_the_domain_page_lists_and_nothing_else(kind: str) -> None:
    listed = {*COMMON_OF_ITEMS.split(), *OPTIONAL_OF_ITEMS[kind].split(), *REQUIRED_OF_ITEMS[kind]}

    assert set(ITEM_FIELDS[ITEM_NAMES[kind]]) == listed


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
def test_null_stands_for_an_optional_field_of_an_item_that_is_not_there(kind: str) -> None:
    nulls = dict.fromkeys([*OPTIONAL_OF_ITEMS[kind].split(), "currency", "createdAt"])

    draft = draft_of(**body_with(kind, **nulls))

    (one,) = dict(draft.items_by_kind())[ITEM_NAMES[kind]]
    assert set(one) == {*SMALLEST_ITEMS[kind], "priceType"}


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
@pytest.mark.parametrize("name", ["colour", "status", "id", "agentId", "x.y", ""])
def test_an_unknown_or_server_owned_field_of_an_item_is_refused_by_name(
    kind: str, name: str
) -> None:
    assert only_mark(body_with(kind, **{name: 1})) == (path_of(kind, name), "unknown")


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
@pytest.mark.parametrize("price_type", ["total", "per_person", "per_unit"])
def test_every_kind_is_priced_in_total_per_person_or_per_unit(kind: str, price_type: str) -> None:
    draft = draft_of(**body_with(kind, priceType=price_type))

    (one,) = dict(draft.items_by_kind())[ITEM_NAMES[kind]]
    assert one["priceType"] == price_type


@pytest.mark.parametrize("kind", [kind for kind in SMALLEST_ITEMS if kind != "hotels"])
def test_only_hotels_are_priced_per_night(kind: str) -> None:
    body = body_with(kind, priceType="per_night")

    assert only_mark(body) == (path_of(kind, "priceType"), "choice")


@pytest.mark.parametrize("nights", [{}, {"nights": None}])
def test_a_price_per_night_needs_the_nights(nights: dict[str, Any]) -> None:
    body = body_with("hotels", priceType="per_night", **nights)

    assert only_mark(body) == ("hotels[0].nights", "required")


@pytest.mark.parametrize("kind", SMALLEST_ITEMS)
@pytest.mark.parametrize(
    ("field", "written", "code"),
    [
        ("priceType", "per_week", "choice"),
        ("priceType", 1, "type"),
        ("priceAppliesTo", -1, "range"),
        ("priceAppliesTo", Decimal("1.5"), "type"),
        ("createdAt", "yesterday", "format"),
    ],
)
def test_the_common_fields_of_an_item_have_their_bounds(
    kind: str, field: str, written: Any, code: str
) -> None:
    assert only_mark(body_with(kind, **{field: written})) == (path_of(kind, field), code)


@pytest.mark.parametrize(
    ("kind", "field", "written", "code"),
    [
        ("flights", "date", "1 June", "format"),
        ("flights", "date", 20260601, "type"),
        ("flights", "stops", -1, "range"),
        ("flights", "passengers", "2", "type"),
        ("flights", "duration", -1, "range"),
        ("flights", "duration", True, "type"),
        ("hotels", "checkIn", "2026-13-01", "format"),
        ("hotels", "checkOut", "", "format"),
        ("hotels", "nights", -1, "range"),
        ("hotels", "nights", 366, "range"),
        ("hotels", "stars", Decimal("10.5"), "range"),
        ("hotels", "stars", Decimal("4.25"), "digits"),
        ("hotels", "amenities", "pool", "type"),
        ("activities", "includes", [1], "type"),
        ("transfers", "meetAndGreet", "yes", "type"),
        ("transfers", "meetAndGreet", 1, "type"),
        ("carRentals", "days", -1, "range"),
        ("carRentals", "features", [""] * 101, "too_long"),
        ("customItems", "quantity", -1, "range"),
    ],
)
def test_the_other_fields_of_an_item_have_theirs(
    kind: str, field: str, written: Any, code: str
) -> None:
    assert only_mark(body_with(kind, **{field: written})) == (path_of(kind, field), code)


@pytest.mark.parametrize("written", ["2 h 30", 150, Decimal("2.5")])
def test_a_duration_is_a_text_or_a_number(written: Any) -> None:
    draft = draft_of(**body_with("activities", duration=written))

    assert draft.activities[0]["duration"] == written


def test_a_date_of_an_item_is_kept_as_it_was_written() -> None:
    draft = draft_of(**body_with("flights", date="2026-06-01T23:50"))

    assert draft.flights[0]["date"] == "2026-06-01T23:50"


# The rest of a quote.


@pytest.mark.parametrize("written", [True, False])
def test_showing_the_commission_is_a_yes_or_a_no(written: bool) -> None:  # noqa: FBT001
    assert draft_of(showCommissionToClient=written).show_commission_to_client is written


@pytest.mark.parametrize("written", ["true", 1, 0, None])
def test_showing_the_commission_is_nothing_else(written: Any) -> None:
    body = minimal_body(showCommissionToClient=written)

    assert only_mark(body) == ("showCommissionToClient", "type")


@pytest.mark.parametrize(
    "written", [UUID(int=5), str(UUID(int=5)), "0190F3C4-ABCD-7ABC-8ABC-0123456789AB"]
)
def test_a_client_is_named_by_its_uuid(written: Any) -> None:
    assert str(draft_of(clientId=written).client_id) == str(written).lower()


def test_a_quote_may_have_no_client() -> None:
    assert draft_of(clientId=None).client_id is None


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("", "format"),
        ("5", "format"),
        ("{00000000-0000-0000-0000-000000000005}", "format"),
        ("00000000000000000000000000000005", "format"),
        (5, "type"),
    ],
)
def test_another_spelling_of_a_client_is_refused(written: Any, code: str) -> None:
    assert only_mark(minimal_body(clientId=written)) == ("clientId", code)


@pytest.mark.parametrize("field", ["total", "subtotal"])
@pytest.mark.parametrize(
    ("written", "total"),
    [
        (-1, "-1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (Decimal("0.001"), "0.001"),
        (Decimal("1E-40"), "1E-40"),
        (10**30 - 1, "9" * 30),
        ("-0.0000000", "0"),
        ("9" * 30 + "." + "9" * 30, "9" * 30 + "." + "9" * 30),
    ],
)
def test_a_claimed_total_is_any_number(field: str, written: Any, total: str) -> None:
    read = draft_of(**{field: written})

    assert getattr(read, f"claimed_{field}") == Decimal(total)


@pytest.mark.parametrize("field", ["total", "subtotal"])
@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("much", "type"),
        ("1e3", "type"),
        ("9" * 31, "type"),
        ("0." + "1" * 31, "type"),
        (10**30, "range"),
        (-(10**30), "range"),
        (Decimal("1E+999999"), "range"),
        (Decimal("0." + "1" * 61), "range"),
        (Decimal("NaN"), "range"),
        (Decimal("-Infinity"), "range"),
    ],
)
def test_a_claimed_total_is_a_number_that_can_be_written_out(
    field: str, written: Any, code: str
) -> None:
    assert only_mark(minimal_body(**{field: written})) == (field, code)


def test_what_is_not_named_has_its_default() -> None:
    draft = draft_of()

    assert (draft.children, draft.infants, draft.currency) == (0, 0, "USD")
    assert draft.agent_markup_percent == 15
    assert draft.expires_in_days == 7
    assert [draft.taxes, draft.fees, draft.discount] == [0, 0, 0]
    assert (draft.show_commission_to_client, draft.client_id) == (False, None)


def test_the_documented_defaults_are_those_of_the_draft() -> None:
    draft = draft_of()

    for name, field in QUOTE_FIELDS.items():
        if not field.is_required and not field.is_clearable:
            default = getattr(draft, field.attribute)
            documented = [] if field.default == () else field.default
            assert default == documented, name


SERVER_OWNED_BY_THE_DOMAIN_PAGE = [
    "id",
    "agentId",
    "quoteNumber",
    "durationDays",
    "travelers",
    "basePrice",
    "productMarkup",
    "agentMarkup",
    "perPerson",
    "pricingPolicy",
    "status",
    "version",
    "lastModifiedBy",
    "lastModifiedAt",
    "createdAt",
    "sentAt",
    "acceptedAt",
    "rejectedAt",
    "expiresAt",
    "deletedAt",
]


@pytest.mark.parametrize("name", [*SERVER_OWNED_BY_THE_DOMAIN_PAGE, "quoteId"])
def test_naming_what_the_server_owns_is_refused_by_name(name: str) -> None:
    assert only_mark(minimal_body(**{name: 1})) == (name, "server_owned")


def test_what_the_server_owns_is_no_field_of_a_request() -> None:
    assert not SERVER_OWNED & {*QUOTE_FIELDS, *ITEM_NAMES}


@pytest.mark.parametrize("name", ["colour", "trip_name", "TripName", "", "__class__", "a.b[0]"])
def test_naming_what_nobody_knows_is_refused_by_name(name: str) -> None:
    assert only_mark(minimal_body(**{name: 1})) == (name, "unknown")
