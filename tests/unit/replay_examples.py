"""What the tests of the replay say often: a row, a file of rows, a chain, a sender that answers."""

from __future__ import annotations

import csv
import gzip
import io
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from engine.attempts.outcome import Outcome
from engine.replay.agencies import Agency, agency_name, party_of
from engine.replay.bookings import Booking
from engine.replay.sender import Message, Reply

# The columns of the published file, in its order, with a row that has nothing wrong with it.
CLEAN_ROW: Final = {
    "hotel": "City Hotel",
    "is_canceled": "0",
    "lead_time": "30",
    "arrival_date_year": "2016",
    "arrival_date_month": "March",
    "arrival_date_week_number": "11",
    "arrival_date_day_of_month": "10",
    "stays_in_weekend_nights": "1",
    "stays_in_week_nights": "2",
    "adults": "2",
    "children": "1",
    "babies": "0",
    "meal": "BB",
    "country": "PRT",
    "market_segment": "Online TA",
    "distribution_channel": "TA/TO",
    "is_repeated_guest": "0",
    "previous_cancellations": "0",
    "previous_bookings_not_canceled": "0",
    "reserved_room_type": "A",
    "assigned_room_type": "D",
    "booking_changes": "0",
    "deposit_type": "No Deposit",
    "agent": "9",
    "company": "NULL",
    "days_in_waiting_list": "0",
    "customer_type": "Transient",
    "adr": "96.14",
    "required_car_parking_spaces": "0",
    "total_of_special_requests": "1",
    "reservation_status": "Check-Out",
    "reservation_status_date": "2016-03-13",
}


def row(**changes: str) -> dict[str, str]:
    """The clean row with some of its cells changed."""
    return CLEAN_ROW | changes


def booking(number: int = 1, **changes: Any) -> Booking:
    """The clean row as a booking, with some of its cells changed."""
    cells = {"row": ""} | row(**changes)
    texts: dict[str, Any] = {name: cells[name] for name in Booking.__slots__ if name in cells}
    return Booking(number=number, **texts)


def write_csv(path: Path, rows: Iterable[dict[str, str]], *, compressed: bool = False) -> Path:
    """A file of these rows, with the columns of the first."""
    rows = list(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if compressed else content)
    return path


def agencies_for(bookings: Iterable[Booking]) -> dict[str, Agency]:
    """An agency for each booking that needs one; none of them is in a database."""
    agencies: dict[str, Agency] = {}
    for place, each in enumerate(bookings, start=1):
        number = UUID(int=place)
        agency = agencies.setdefault(agency_name(each), Agency(number, number, "sgk_secret", {}))
        agency.client_ids[party_of(each)] = number
    return agencies


class FakeSender:
    """Answers every message, as a test tells it to; may be shared by workers."""

    def __init__(self, answer: Callable[[Message], Reply] | None = None) -> None:
        self.sent: list[Message] = []
        self._answer = answer or saved
        self._lock = threading.Lock()

    def send(self, message: Message) -> Reply:
        with self._lock:
            self.sent.append(message)
        return self._answer(message)

    def close(self) -> None:
        pass


def saved(message: Message) -> Reply:
    """The reply of an engine that refuses nothing."""
    quote_id = message.quote_id or UUID(int=hash(message.idempotency_key) % 2**128)
    return Reply(Outcome.COMMITTED, quote_id=quote_id, version=message.version + 1)
