"""Reading the file of bookings: every row as it is written, none left out, nothing cleaned.

The columns are those of the hotel booking demand data sets (Antonio, de Almeida, Nunes, 2019). The
column `row` of our excerpt may be there or not, and columns that we do not know are passed over.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO

from engine.errors import SetupError

_GZIP: Final = b"\x1f\x8b"
_COLUMNS_NAMED: Final = 5
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_LEAD_MAX: Final = 3650
# What reads as a number is sent as one. The length keeps a row of nines from being computed with.
_NUMBER: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One row of the file, as text.

    Attributes:
        number: place in the file, counted from 1; a booking is known by it, since rows repeat.
        row: the row's number in the published file where the column is there, else empty.
    """

    number: int
    row: str
    hotel: str
    lead_time: str
    arrival_date_year: str
    arrival_date_month: str
    arrival_date_day_of_month: str
    stays_in_weekend_nights: str
    stays_in_week_nights: str
    adults: str
    children: str
    babies: str
    meal: str
    country: str
    market_segment: str
    distribution_channel: str
    is_repeated_guest: str
    previous_cancellations: str
    reserved_room_type: str
    assigned_room_type: str
    booking_changes: str
    deposit_type: str
    agent: str
    company: str
    days_in_waiting_list: str
    customer_type: str
    adr: str
    required_car_parking_spaces: str
    total_of_special_requests: str
    reservation_status: str
    reservation_status_date: str

    @property
    def arrival(self) -> date | None:
        """The day of arrival, None when the three columns name no day."""
        year = as_whole(self.arrival_date_year)
        day = as_whole(self.arrival_date_day_of_month)
        if year is None or day is None or self.arrival_date_month not in _MONTHS:
            return None
        try:
            return date(year, _MONTHS.index(self.arrival_date_month) + 1, day)
        except (ValueError, OverflowError):
            return None

    @property
    def booked_day(self) -> int | None:
        """The day it was made, as a proleptic ordinal; None without a day of arrival.

        A lead time that is no number of days, or of decades, is taken for none.
        """
        arrival, lead = self.arrival, as_whole(self.lead_time) or 0
        if arrival is None:
            return None
        return arrival.toordinal() - (lead if 0 <= lead <= _LEAD_MAX else 0)

    @property
    def nights(self) -> int | None:
        """Nights at the weekend and in the week, None when one of them is no number."""
        weekend = as_whole(self.stays_in_weekend_nights)
        week = as_whole(self.stays_in_week_nights)
        return None if weekend is None or week is None else weekend + week


_TEXT_FIELDS: Final = tuple(name for name in Booking.__slots__ if name != "number")
_REQUIRED: Final = frozenset(_TEXT_FIELDS) - {"row"}


def as_number(text: str) -> int | Decimal | str:
    """The number that a text spells, else the text as it is."""
    if _NUMBER.fullmatch(text) is None:
        return text
    return Decimal(text) if "." in text else int(text)


def as_whole(text: str) -> int | None:
    """The whole number that a text spells, also as `2.0`; else None."""
    number = as_number(text)
    if isinstance(number, str) or number != int(number):
        return None
    return int(number)


def read_bookings(path: Path, limit: int | None = None) -> list[Booking]:
    """Reads the first `limit` rows, or all of them.

    Args:
        path: CSV in UTF-8 with a header, plain or compressed with gzip.
        limit: how many rows at most, in the order of the file.

    Raises:
        SetupError: the file cannot be read, lacks columns, or holds no booking.
    """
    bookings: list[Booking] = []
    try:
        with _opened(path) as lines:
            for booking in _rows(lines, path):
                if limit is not None and len(bookings) >= limit:
                    break
                bookings.append(booking)
    except OSError as error:
        reason = "it is damaged" if isinstance(error, gzip.BadGzipFile) else error.strerror
        raise SetupError(
            f"{path} cannot be read ({reason or type(error).__name__}):"
            " docs/how-to/replay.md says where to get a file of bookings"
        ) from None
    except (UnicodeDecodeError, EOFError, csv.Error) as error:
        raise SetupError(f"{path} is not a file of bookings: {error}") from None
    if not bookings:
        raise SetupError(f"{path} holds no booking")
    return bookings


def _rows(lines: TextIO, path: Path) -> Iterator[Booking]:
    reader = csv.reader(lines)
    header = next(reader, [])
    places = {name: place for place, name in enumerate(header) if name in _TEXT_FIELDS}
    missing = sorted(_REQUIRED - places.keys())
    if missing:
        more = len(missing) - _COLUMNS_NAMED
        named = ", ".join(missing[:_COLUMNS_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise SetupError(f"{path} is not a file of bookings: it has no column {named}")
    known: dict[str, str] = {}  # most texts come again and again: each is kept once
    for number, cells in enumerate(filter(None, reader), start=1):
        # A row that is too short lacks its last texts; the engine will say so.
        texts: dict[str, Any] = {
            name: known.setdefault(cells[place], cells[place]) if place < len(cells) else ""
            for name, place in places.items()
        }
        texts.setdefault("row", "")
        yield Booking(number=number, **texts)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    with path.open("rb") as file:
        is_compressed = file.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
        plain: Any = gzip.GzipFile(fileobj=file) if is_compressed else file
        with io.TextIOWrapper(plain, encoding="utf-8-sig", newline="") as lines:
            yield lines
