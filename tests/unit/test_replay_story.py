"""From a row to its story: which operations, when, and what they say."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import ErrorCode, Refusal
from engine.quotes.draft import Draft
from engine.quotes.lifecycle import Operation
from engine.quotes.validation import Change, merge, read_change, read_draft
from engine.replay.agencies import DESKS, agency_name, needed, party_of
from engine.replay.bookings import Booking
from engine.replay.story import DAY, Step, body_of, first_minute, story_of
from tests.unit.replay_examples import booking

CLIENT_ID = "01900000-0000-7000-8000-00000000000c"
CREATE, UPDATE, SEND = Operation.CREATE, Operation.UPDATE, Operation.SEND


def told(each: Booking) -> tuple[Step, ...]:
    return story_of(each, each.booked_day or 1)


def operations(**changes: Any) -> list[Operation]:
    return [step.operation for step in told(booking(**changes))]


def body(operation: Operation, place: int = 0, **changes: Any) -> dict[str, Any]:
    return body_of(booking(**changes), Step(0, operation, place), CLIENT_ID)


# --- which operations ---


def test_a_guest_who_came_accepted() -> None:
    assert operations() == [CREATE, SEND, Operation.ACCEPT]


def test_every_change_is_a_save_before_the_quote_is_sent() -> None:
    assert operations(booking_changes="3") == [
        CREATE,
        *[UPDATE] * 3,
        SEND,
        Operation.ACCEPT,
    ]


def test_a_booking_cancelled_later_was_sent_and_rejected() -> None:
    assert operations(reservation_status="Canceled", reservation_status_date="2016-02-20") == [
        CREATE,
        SEND,
        Operation.REJECT,
    ]


def test_a_booking_cancelled_on_its_own_day_was_deleted_as_a_draft() -> None:
    assert operations(reservation_status="Canceled", reservation_status_date="2016-02-09") == [
        CREATE,
        Operation.DELETE,
    ]


@pytest.mark.parametrize("status", ["No-Show", "NA", ""])
def test_who_never_came_leaves_the_quote_sent(status: str) -> None:
    assert operations(reservation_status=status) == [CREATE, SEND]


@pytest.mark.parametrize(
    ("claimed", "updates"), [("-1", 0), ("NA", 0), ("2.0", 2), ("1000000", 100)]
)
def test_a_claim_of_changes_is_believed_within_reason(claimed: str, updates: int) -> None:
    assert operations(booking_changes=claimed).count(UPDATE) == updates


# --- when ---


def test_a_story_runs_from_the_booking_to_the_arrival_in_order() -> None:
    steps = told(booking(booking_changes="2"))

    days = [step.minute // DAY for step in steps]
    assert days[0] == date(2016, 2, 9).toordinal()
    assert days[-1] in {date(2016, 3, 10).toordinal(), date(2016, 3, 11).toordinal()}
    assert [step.minute for step in steps] == sorted({step.minute for step in steps})


def test_a_cancelled_story_ends_on_the_day_of_the_cancellation() -> None:
    each = booking(reservation_status="Canceled", reservation_status_date="2016-02-20")

    days = (told(each)[-1].minute - told(each)[0].minute) // DAY

    assert days == 11


@pytest.mark.parametrize(
    "changes",
    [
        {"lead_time": "0"},
        {"reservation_status": "Canceled", "reservation_status_date": "1999-01-01"},
        {"reservation_status": "Canceled", "reservation_status_date": "soon"},
        {"arrival_date_year": "NA"},
    ],
)
def test_a_story_never_runs_backwards(changes: dict[str, Any]) -> None:
    minutes = [step.minute for step in told(booking(booking_changes="3", **changes))]

    assert minutes == sorted(minutes)


def test_bookings_of_one_day_are_spread_over_it() -> None:
    minutes = {first_minute(booking(number), 1) for number in range(1, 101)}

    assert len(minutes) > 95
    assert DAY <= min(minutes) < max(minutes) < 2 * DAY


def test_a_row_always_tells_the_same_story() -> None:
    assert told(booking(7, booking_changes="4")) == told(booking(7, booking_changes="4"))


# --- what a new quote says ---


def test_a_clean_row_becomes_a_quote_that_the_engine_takes() -> None:
    draft = read_draft(body(CREATE))

    assert isinstance(draft, Draft)
    assert draft.trip_name == "City Hotel, 3 nights"
    assert draft.destination == "Lisbon"
    assert draft.end_date.date() == date(2016, 3, 13)
    assert (draft.adults, draft.children, draft.infants) == (2, 1, 0)
    assert draft.currency == "EUR"
    (hotel,) = draft.hotels
    assert (hotel["price"], hotel["nights"], hotel["priceType"]) == (
        Decimal("96.14"),
        3,
        "per_night",
    )
    assert (hotel["roomType"], hotel["guests"]) == ("A", 3)


def test_a_resort_is_in_the_algarve_and_any_other_hotel_is_where_it_is() -> None:
    assert body(CREATE, hotel="Resort Hotel")["destination"] == "Algarve"
    assert body(CREATE, hotel="Grand Budapest")["destination"] == "Grand Budapest"


def refusal_of(**changes: Any) -> dict[str, str]:
    """Field to code, as the engine refuses a row."""
    read = read_draft(body(CREATE, **changes))
    assert isinstance(read, Refusal)
    assert read.code is ErrorCode.QUOTE_VALIDATION_FAILED
    return {each["field"]: each["code"] for each in read.details["errors"]}


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"adr": "-6.38"}, {"hotels[0].price": "range"}),
        ({"adr": "1000000000"}, {"hotels[0].price": "range"}),
        ({"adr": "96.145"}, {"hotels[0].price": "digits"}),
        ({"adr": "NA"}, {"hotels[0].price": "type"}),
        ({"adr": ""}, {"hotels[0].price": "type"}),
        ({"adr": "1e3"}, {"hotels[0].price": "type"}),
        ({"adults": "0"}, {"adults": "range"}),
        ({"adults": "0", "children": "0", "babies": "0"}, {"adults": "range"}),
        ({"adults": "55"}, {"adults": "range"}),
        ({"adults": "50"}, {"adults": "range"}),
        ({"adults": "2.5"}, {"adults": "type", "hotels[0].guests": ""}),
        ({"children": "NA"}, {"children": "type"}),
        ({"children": "-1"}, {"children": "range"}),
        ({"babies": "NULL"}, {"infants": "type"}),
        ({"stays_in_weekend_nights": "0", "stays_in_week_nights": "0"}, {"endDate": "range"}),
        ({"stays_in_week_nights": "-4"}, {"hotels[0].nights": "range", "endDate": "range"}),
        ({"stays_in_week_nights": "400"}, {"hotels[0].nights": "range", "endDate": "range"}),
        (
            {"stays_in_week_nights": "NA"},
            {"endDate": "format", "hotels[0].checkOut": "format", "hotels[0].nights": "type"},
        ),
        (
            {"arrival_date_month": "NA"},
            {
                "startDate": "format",
                "endDate": "format",
                "hotels[0].checkIn": "format",
                "hotels[0].checkOut": "format",
            },
        ),
        ({"hotel": ""}, {"destination": "empty", "hotels[0].name": "empty"}),
        ({"meal": "x" * 20_000}, {"customNotes": "too_long"}),
    ],
    ids=str,
)
def test_a_dirty_row_is_sent_as_it_is_and_the_engine_says_what_is_wrong(
    changes: dict[str, Any], refused: dict[str, str]
) -> None:
    assert refusal_of(**changes) == {name: code for name, code in refused.items() if code}


@pytest.mark.parametrize("adr", ["0", "0.0", "5400", "99999999.99"])
def test_a_rate_that_is_only_strange_is_taken(adr: str) -> None:
    assert isinstance(read_draft(body(CREATE, adr=adr)), Draft)


# --- what the later steps say ---


def test_every_change_changes_something() -> None:
    draft = read_draft(body(CREATE, booking_changes="9"))
    for number in range(1, 10):
        assert isinstance(draft, Draft)
        change = read_change(body(UPDATE, number, booking_changes="9"))
        assert isinstance(change, Change)

        changed = merge(draft, change)

        assert changed != draft
        assert not isinstance(changed, Refusal)
        draft = changed
    assert isinstance(draft, Draft)
    assert draft.hotels[0]["roomType"] == "D"
    assert draft.taxes == 8
    assert draft.important_info == "Terms as of change 9; No Deposit"


def test_a_direct_guest_gets_an_e_mail_and_everybody_else_a_link() -> None:
    assert body(SEND, distribution_channel="Direct") == {
        "channel": "email",
        "to": "guest-1@guests.example",
        "subject": "City Hotel, 3 nights",
    }
    assert body(SEND) == {"channel": "link"}


# --- whose ---


def test_bookings_without_an_agency_are_spread_over_the_hotels_own_desks() -> None:
    direct = [booking(number, agent="NULL") for number in range(1, 10 * DESKS + 1)]

    names = [agency_name(each) for each in direct]

    assert len(set(names)) == DESKS
    assert max(map(names.count, names)) == 10
    assert agency_name(booking(1, agent="NULL", hotel="Resort Hotel")) not in names


def test_an_agency_has_one_client_for_each_country_and_customer_type() -> None:
    bookings = [
        booking(1),
        booking(2),
        booking(3, country="ESP"),
        booking(4, agent="240", customer_type="Group"),
    ]

    wanted = needed(bookings)

    assert list(wanted) == ["Travel agency 9", "Travel agency 240"]
    assert wanted["Travel agency 9"] == {("PRT", "Transient"), ("ESP", "Transient")}
    assert party_of(bookings[3]) in wanted["Travel agency 240"]
