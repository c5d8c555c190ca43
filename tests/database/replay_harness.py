"""What the tests of a whole replay share: rows in the proportions of the file, and both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import psycopg

from engine.attempts.outcome import Source
from engine.database.target import Target
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.replay.agencies import Agency
from engine.replay.bookings import Booking
from engine.replay.line import Address
from engine.replay.replay import Plan, replay
from engine.replay.report import Report
from engine.replay.screen import Screen
from engine.replay.sender import Message
from engine.replay.ways import Way, engine_way, http_way
from engine.runtime import Runtime
from tests.api.service import Service
from tests.unit.replay_examples import row

AGENCIES: Final = ("9", "240", "1", "NULL", "14", "NULL")
COUNTRIES: Final = ("PRT", "GBR", "NULL")
INVALID: Final = ErrorCode.QUOTE_VALIDATION_FAILED.value

# What is wrong with a row → how the engine says it.
NO_NIGHTS: Final = {"stays_in_weekend_nights": "0", "stays_in_week_nights": "0"}
NO_DATE: Final = "must be an ISO 8601 date, or date and time"
DIRT: Final = (
    ({"adr": "-6.38"}, "hotels[0].price must be between 0 and 99999999.99"),
    ({"adr": "123456789012"}, "hotels[0].price must be between 0 and 99999999.99"),
    ({"adr": "NA"}, "hotels[0].price must be a decimal number"),
    ({"adults": "0", "children": "0"}, "adults must be between 1 and 50"),
    ({"adults": "NA"}, "adults must be a whole number"),
    ({"children": "NA"}, "children must be a whole number"),
    ({"babies": "-1"}, "infants must be between 0 and 50"),
    (NO_NIGHTS, "endDate must be after startDate"),
    ({"adults": "49", "children": "3"}, "adults with children and infants at most 50"),
    (
        {"arrival_date_day_of_month": "32"},
        f"startDate {NO_DATE}; endDate {NO_DATE}; hotels[0].checkIn {NO_DATE}; and 1 more",
    ),
)


def clean_rows(count: int) -> list[dict[str, str]]:
    """Rows in the proportions of the file: agencies, endings, changes; nothing wrong with them."""
    return [
        row(
            hotel="Resort Hotel" if n % 3 else "City Hotel",
            lead_time=str(n * 7 % 90),
            agent=AGENCIES[n % len(AGENCIES)],
            country=COUNTRIES[n % len(COUNTRIES)],
            distribution_channel="Direct" if n % 5 == 0 else "TA/TO",
            booking_changes=str((n % 10 == 0) * (n % 4)),
            adr=("0", "96.14", "120.5", "75")[n % 4],
            **ENDINGS[n % len(ENDINGS)],
        )
        for n in range(1, count + 1)
    ]


ENDINGS: Final[Sequence[dict[str, str]]] = (
    {},
    {},
    {"reservation_status": "Canceled", "reservation_status_date": "2016-03-09"},
    {"reservation_status": "Canceled", "reservation_status_date": "2012-01-01"},
    {"reservation_status": "No-Show", "reservation_status_date": "2016-03-10"},
)


def some_rows() -> list[dict[str, str]]:
    """Three hundred rows: clean ones, dirty ones, and forty that repeat an earlier one."""
    dirty = [row(**changes) for changes, _ in DIRT]
    clean = clean_rows(250)
    return [*clean, *dirty, *clean[:40]]


def replayed(
    way: Way, target: Target, runtime: Runtime, bookings: Sequence[Booking], workers: int = 8
) -> Report:
    plan = Plan(bookings=bookings, workers=workers)
    return replay(plan, way, target, runtime.clock, Screen(runtime.clock))


def via_engine(runtime: Runtime, bookings: Sequence[Booking], workers: int = 8) -> Report:
    way = engine_way(runtime, Source.LIVE)
    return replayed(way, runtime.target, runtime, bookings, workers)


def via_http(service: Service, bookings: Sequence[Booking], workers: int = 8) -> Report:
    way = http_way(Address(service.url))
    return replayed(way, service.runtime.target, service.runtime, bookings, workers)


def asked(target: Target, question: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(target.owner) as connection:
        return connection.execute(question.encode(), values or None).fetchall()


def message_of(agency: Agency, key: str = "key", correlation_id: str = "RPL-test-1") -> Message:
    """A create that any engine takes."""
    body = {"tripName": "Lisbon", "destination": "Lisbon", "adults": 2}
    return Message(
        agency=agency,
        operation=Operation.CREATE,
        body=body | {"startDate": "2016-03-10", "endDate": "2016-03-13"},
        quote_id=None,
        version=0,
        correlation_id=correlation_id,
        idempotency_key=key,
    )


def agency_at(number: int) -> Agency:
    return Agency(UUID(int=number), UUID(int=number), "sgk_unknown", {})
