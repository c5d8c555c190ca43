"""The story of a booking: the operations that an agency would have sent for it, and when.

    CREATE on the day it was booked, then its changes, then SEND, then its end:

    Check-Out   SEND, and ACCEPT on the day of arrival
    Canceled    SEND, and REJECT on the day it was cancelled; DELETE of the draft, never sent, when
                it was cancelled on the very day it was booked
    else        SEND; the quote stays sent (a No-Show never answered)

Everything follows from the row: the same file gives the same story. Values go out as they are
written, whatever they are; it is the engine that refuses.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from engine.quotes.lifecycle import Operation
from engine.replay.bookings import Booking, as_number, as_whole

DAY: Final = 24 * 60  # the booking clock counts minutes
# From the first to the last operation of a booking that begins and ends on one day.
_LEAST_SPAN: Final = 60
# The file's most changed booking has 21; a row that claims more than this is not believed.
_CHANGES_MAX: Final = 100
_DESTINATIONS: Final = {"City Hotel": "Lisbon", "Resort Hotel": "Algarve"}


class Step(NamedTuple):
    """One operation of a story.

    Attributes:
        minute: when, in minutes of the booking clock.
        operation: what.
        place: which step of the story, counted from 0; change number `place` for an update.
    """

    minute: int
    operation: Operation
    place: int


def first_minute(booking: Booking, booked_day: int) -> int:
    """When a booking was made; bookings of one day are spread over it by their number."""
    # The multiplier is 2^32 over the golden ratio: neighbouring numbers land far apart.
    return booked_day * DAY + (booking.number * 2_654_435_769 % 2**32 * DAY >> 32)


def story_of(booking: Booking, booked_day: int) -> tuple[Step, ...]:
    """The steps of a booking, first to last, in time.

    Args:
        booking: the row.
        booked_day: the day it was made, as a proleptic ordinal; given, because a row may not say.
    """
    operations = _operations(booking, booked_day)
    first = first_minute(booking, booked_day)
    days = max(_last_day(booking, booked_day) - booked_day, 0)
    span = days * DAY + _LEAST_SPAN
    gaps = max(len(operations) - 1, 1)
    return tuple(
        Step(first + span * place // gaps, operation, place)
        for place, operation in enumerate(operations)
    )


def _operations(booking: Booking, booked_day: int) -> list[Operation]:
    changes = min(max(as_whole(booking.booking_changes) or 0, 0), _CHANGES_MAX)
    operations = [Operation.CREATE, *[Operation.UPDATE] * changes]
    match booking.reservation_status:
        case "Check-Out":
            return [*operations, Operation.SEND, Operation.ACCEPT]
        case "Canceled" if _last_day(booking, booked_day) <= booked_day:
            return [*operations, Operation.DELETE]
        case "Canceled":
            return [*operations, Operation.SEND, Operation.REJECT]
        case _:
            return [*operations, Operation.SEND]


def _last_day(booking: Booking, booked_day: int) -> int:
    """The day on which the story ends: of arrival, or of the cancellation."""
    if booking.reservation_status == "Canceled":
        try:
            return date.fromisoformat(booking.reservation_status_date).toordinal()
        except ValueError:
            pass
    arrival = booking.arrival
    return booked_day if arrival is None else arrival.toordinal()


def body_of(booking: Booking, step: Step, client_id: str) -> dict[str, Any]:
    """The fields that a step sends, without the version that it starts from."""
    match step.operation:
        case Operation.CREATE:
            return _new_quote(booking, client_id)
        case Operation.UPDATE:
            return _change(booking, step.place)
        case Operation.SEND:
            return _sending(booking)
        case Operation.REJECT:
            status_date = booking.reservation_status_date
            return {"reason": f"Cancelled on {status_date}, {booking.deposit_type}"}
        case _:
            return {}


def _new_quote(booking: Booking, client_id: str) -> dict[str, Any]:
    return {
        "clientId": client_id,
        "tripName": _trip_name(booking),
        "destination": _DESTINATIONS.get(booking.hotel, booking.hotel),
        "startDate": _start(booking),
        "endDate": _end(booking),
        "adults": as_number(booking.adults),
        "children": as_number(booking.children),
        "infants": as_number(booking.babies),
        "currency": "EUR",
        "hotels": [_hotel(booking, booking.reserved_room_type)],
        "importantInfo": (
            f"{booking.market_segment} through {booking.distribution_channel};"
            f" {booking.customer_type}; {booking.deposit_type}"
        ),
        "customNotes": (
            f"Meal {booking.meal}; special requests: {booking.total_of_special_requests};"
            f" parking spaces: {booking.required_car_parking_spaces}"
        ),
        "agentNotes": (
            f"Row {booking.row or booking.number}; company {booking.company};"
            f" repeated guest: {booking.is_repeated_guest};"
            f" earlier cancellations: {booking.previous_cancellations};"
            f" days on the waiting list: {booking.days_in_waiting_list}"
        ),
    }


def _trip_name(booking: Booking) -> str:
    nights = booking.nights
    return f"{booking.hotel}, {_nights(booking)} night{'' if nights == 1 else 's'}"


def _hotel(booking: Booking, room_type: str) -> dict[str, Any]:
    hotel: dict[str, Any] = {
        "name": booking.hotel,
        "roomType": room_type,
        "checkIn": _start(booking),
        "checkOut": _end(booking),
        "nights": _nights(booking),
        "price": booking.adr,  # as text: the digits of the file, read by the engine alone
        "priceType": "per_night",
    }
    guests = [as_whole(each) for each in (booking.adults, booking.children, booking.babies)]
    if None not in guests:
        hotel["guests"] = sum(each or 0 for each in guests)
    return hotel


def _nights(booking: Booking) -> int | str:
    """The nights, or the texts that should have been their numbers."""
    nights = booking.nights
    if nights is None:
        return f"{booking.stays_in_weekend_nights}+{booking.stays_in_week_nights}"
    return nights


def _start(booking: Booking) -> str:
    arrival = booking.arrival
    if arrival is None:
        written = (
            booking.arrival_date_year,
            booking.arrival_date_month,
            booking.arrival_date_day_of_month,
        )
        return "-".join(written)
    return arrival.isoformat()


def _end(booking: Booking) -> str:
    """The day of departure; without nights it is the day of arrival, and so it is sent."""
    arrival, nights = booking.arrival, booking.nights
    if arrival is not None and nights is not None:
        try:
            return (arrival + timedelta(days=nights)).isoformat()
        except OverflowError:
            pass
    return f"{_start(booking)}+{_nights(booking)}"


def _change(booking: Booking, number: int) -> dict[str, Any]:
    """What change `number` changes: the file says how many there were, not what they were.

    Each writes other words than the one before, so that every re-save is a real one. In turn: the
    room that was assigned in the end, the tourist tax (which reprices), the terms.
    """
    change: dict[str, Any] = {
        "customNotes": f"Change {number} of {booking.booking_changes}; meal {booking.meal}"
    }
    match number % 3:
        case 1:
            change["hotels"] = [_hotel(booking, booking.assigned_room_type)]
        case 2:
            change["taxes"] = number
        case _:
            change["importantInfo"] = f"Terms as of change {number}; {booking.deposit_type}"
    return change


def _sending(booking: Booking) -> dict[str, Any]:
    """Direct guests get an e-mail; who books through somebody else gets a link."""
    if booking.distribution_channel != "Direct":
        return {"channel": "link"}
    return {
        "channel": "email",
        "to": f"guest-{booking.number}@guests.example",
        "subject": _trip_name(booking),
    }
