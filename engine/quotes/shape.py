"""What each field of a quote may hold, as data: read by the validation and by the API document.

A `Rule` cleans one value or raises `Unfit`; beside it stands the JSON Schema of what it takes, so
that the check and its documentation cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from engine.quotes.money import AMOUNT_MAX, MINOR_DIGITS

JsonSchema: TypeAlias = dict[str, Any]

TEXT_MAX: Final = 10_000
TITLE_MAX: Final = 200
ITEMS_MAX: Final = 100
TRIP_DAYS_MAX: Final = 365
TRAVELERS_MAX: Final = 50
# Wide enough for any trip, and narrow enough that no total outgrows its column.
COUNT_MAX: Final = 10_000
_WHOLE_MAX: Final = 10**9
# Beyond every bound of an integer here; the integer of 1E+999999 would fill the memory.
_INTEGER_READ: Final = 10**12
# Digits that a claimed total may have on either side of the point: more than any computation of a
# price gives, and few enough to be compared and shown.
_CLAIM_DIGITS: Final = 30

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_AMOUNT_TEXT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_CLAIM_TEXT = re.compile(rf"-?[0-9]{{1,{_CLAIM_DIGITS}}}(\.[0-9]{{1,{_CLAIM_DIGITS}}})?", re.ASCII)
_ISO_8601_TEXT = re.compile(
    r"[0-9]{4}-?([0-9]{2}-?[0-9]{2}|W[0-9]{2}(-?[0-9])?)"
    r"([Tt ][0-9:.,]{2,18}([Zz]|[+-][0-9:.]{2,15})?)?",
    re.ASCII,
)
_TIME_BEGINS = re.compile("[Tt ]")
_EMAIL_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s.]{1,63}(\.[^@\s.]{1,63})+")
_UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class Unfit(Exception):  # noqa: N818  # a value that does not fit is no error of the program
    """A value does not fit its rule.

    Attributes:
        code: what is wrong, in one word that programs may compare.
        message: the same for a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


# Codes that speak of the shape of a request; they are reported before the quote is looked at.
SHAPE_CODES: Final = frozenset({"type", "unknown", "server_owned", "missing_version"})


@dataclass(frozen=True, slots=True)
class Rule:
    """How one value is cleaned, and the JSON Schema of what it takes."""

    clean: Callable[[Any], Any]
    schema: JsonSchema


class Field(NamedTuple):
    """A named place for a value.

    Attributes:
        attribute: the name in Python and in the database.
        rule: what it may hold.
        is_required: whether it must be there, and not null.
        is_clearable: whether null is a value of its own ("none").
        default: documented; the draft itself carries it.
    """

    attribute: str
    rule: Rule
    is_required: bool = False
    is_clearable: bool = False
    default: object = None


def text(maximum: int = TEXT_MAX, minimum: int = 0) -> Rule:
    """A text, trimmed when a minimum is asked; lengths in characters."""

    def clean(value: object) -> str:
        if type(value) is not str:
            raise Unfit("type", "must be a text")
        if minimum:
            value = value.strip()
            if len(value) < minimum:
                raise Unfit("empty", "must not be empty")
        if len(value) > maximum:
            raise Unfit("too_long", f"must have at most {maximum} characters")
        if "\0" in value:
            raise Unfit("character", "must not contain the NUL character")
        if not value.isascii() and _LONE_SURROGATE.search(value):
            raise Unfit("character", "must be valid Unicode text")
        return value

    schema: JsonSchema = {"type": "string", "maxLength": maximum}
    if minimum:
        schema |= {"minLength": minimum, "pattern": r"\S"}
    return Rule(clean, schema)


def integer(minimum: int, maximum: int = COUNT_MAX) -> Rule:
    """A whole number within bounds; 2.0 is one, true is not."""

    def clean(value: object) -> int:
        if (
            type(value) is Decimal
            and value.is_finite()
            and -_INTEGER_READ <= value <= _INTEGER_READ
        ):
            value = int(value) if value == int(value) else value
        if type(value) is not int:
            raise Unfit("type", "must be a whole number")
        if not minimum <= value <= maximum:
            raise Unfit("range", f"must be between {minimum} and {maximum}")
        return value

    return Rule(clean, {"type": "integer", "minimum": minimum, "maximum": maximum})


def decimal(maximum: Decimal, *, digits: int) -> Rule:
    """A decimal number from 0 to a maximum, as a number or as a text."""
    smallest = Decimal(1).scaleb(-digits)

    def clean(value: object) -> Decimal:
        number = as_decimal(value)
        if number < 0 or number > maximum:
            raise Unfit("range", f"must be between 0 and {maximum}")
        if number != number.quantize(smallest):
            raise Unfit("digits", f"must have at most {digits} digits after the point")
        return number.copy_abs()  # -0 is 0

    number = {"type": "number", "minimum": 0, "maximum": float(maximum)}
    spelled = {"type": "string", "pattern": _spelling(maximum, digits)}
    return Rule(clean, {"anyOf": [number, spelled]})


def _spelling(maximum: Decimal, digits: int) -> str:
    """A pattern of the decimals up to a maximum, which is all nines or a power of ten."""
    whole = len(str(int(maximum) + 1)) - 1
    pattern = rf"[0-9]{{1,{whole}}}(\.[0-9]{{1,{digits}}})?"
    return rf"^({pattern}|{maximum})$" if maximum == 10**whole else f"^{pattern}$"


def claim() -> Rule:
    """A total that the caller computed; compared with ours and not kept, so any number will do."""

    def clean(value: object) -> Decimal:
        number = as_decimal(value, _CLAIM_TEXT)
        digits = number.as_tuple().digits
        if number.adjusted() >= _CLAIM_DIGITS or len(digits) > 2 * _CLAIM_DIGITS:
            raise Unfit("range", f"must have at most {_CLAIM_DIGITS} digits on either side")
        return number

    bound = float(10**_CLAIM_DIGITS)
    number = {"type": "number", "exclusiveMinimum": -bound, "exclusiveMaximum": bound}
    spelled = {"type": "string", "pattern": f"^{_CLAIM_TEXT.pattern}$"}
    return Rule(clean, {"anyOf": [number, spelled]})


def as_decimal(value: object, spelling: re.Pattern[str] = _AMOUNT_TEXT) -> Decimal:
    """A finite decimal from a number or a text, without passing through binary floats.

    Args:
        value: from JSON, or from a caller in this process.
        spelling: what a text must look like.

    Raises:
        Unfit: it is neither, or not finite.
    """
    if type(value) is int:
        return Decimal(value)
    if type(value) is str:
        if not spelling.fullmatch(value):
            raise Unfit("type", "must be a decimal number")
        return Decimal(value)
    if type(value) is float:  # from callers in this process; JSON numbers arrive as Decimal
        value = Decimal(repr(value))
    if type(value) is not Decimal:
        raise Unfit("type", "must be a decimal number")
    if not value.is_finite():
        raise Unfit("range", "must be a finite number")
    return value


_DATE_OR_INSTANT: Final[JsonSchema] = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]
}


def instant() -> Rule:
    """An instant in ISO 8601 with an offset, or a bare date, which means its midnight in UTC."""

    def clean(value: object) -> datetime:
        if type(value) is datetime:
            moment = value
        elif type(value) is not str:
            raise Unfit("type", "must be an ISO 8601 date and time")
        else:
            moment = _parse_iso_8601(value)
            if not _TIME_BEGINS.search(value):
                return moment.replace(tzinfo=UTC)
        if moment.tzinfo is None:
            raise Unfit("format", "must carry an offset from UTC, for example Z or +02:00")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise Unfit("range", "must lie within the years 1 to 9999") from None

    return Rule(clean, _DATE_OR_INSTANT)


def day() -> Rule:
    """A date, or a date and time, in ISO 8601; kept as it was written (a local date is local)."""

    def clean(value: object) -> str:
        if type(value) is not str:
            raise Unfit("type", "must be an ISO 8601 date")
        _parse_iso_8601(value)
        return value

    return Rule(clean, _DATE_OR_INSTANT)


def _parse_iso_8601(written: str) -> datetime:
    # The standard library takes any character between date and time, a digit even; we do not.
    if _ISO_8601_TEXT.fullmatch(written):
        try:
            return datetime.fromisoformat(written.upper())
        except ValueError:
            pass
    raise Unfit("format", "must be an ISO 8601 date, or date and time")


def flag() -> Rule:
    """True or false."""

    def clean(value: object) -> bool:
        if type(value) is not bool:
            raise Unfit("type", "must be true or false")
        return value

    return Rule(clean, {"type": "boolean"})


def choice(*allowed: str) -> Rule:
    """One of a few words."""
    known = frozenset(allowed)

    def clean(value: object) -> str:
        if type(value) is not str:
            raise Unfit("type", "must be a text")
        if value not in known:
            raise Unfit("choice", f"must be one of {', '.join(allowed)}")
        return value

    return Rule(clean, {"type": "string", "enum": list(allowed)})


def currency() -> Rule:
    """One of the supported currencies; anything else has an error code of its own."""

    def clean(value: object) -> str:
        if type(value) is not str:
            raise Unfit("type", "must be a text")
        if value not in MINOR_DIGITS:
            raise Unfit("currency", f"must be one of {', '.join(MINOR_DIGITS)}")
        return value

    return Rule(clean, {"type": "string", "enum": list(MINOR_DIGITS)})


def identifier() -> Rule:
    """A UUID."""

    def clean(value: object) -> UUID:
        if type(value) is UUID:
            return value
        if type(value) is not str:
            raise Unfit("type", "must be a UUID")
        if not _UUID_TEXT.fullmatch(value):
            raise Unfit("format", "must be a UUID")
        return UUID(value)

    return Rule(clean, {"type": "string", "format": "uuid"})


def texts() -> Rule:
    """A list of texts."""
    one = text()

    def clean(value: object) -> list[str]:
        if type(value) is not list:
            raise Unfit("type", "must be a list of texts")
        if len(value) > ITEMS_MAX:
            raise Unfit("too_long", f"must have at most {ITEMS_MAX} entries")
        return [one.clean(entry) for entry in value]

    return Rule(clean, {"type": "array", "items": one.schema, "maxItems": ITEMS_MAX})


def text_or_number() -> Rule:
    """A free measure: some systems send "2 h 30", others 150."""
    words, number = text(), decimal(Decimal(_WHOLE_MAX), digits=6)

    def clean(value: object) -> object:
        return (words if type(value) is str else number).clean(value)

    return Rule(clean, {"anyOf": [words.schema, number.schema["anyOf"][0]]})


def parse_uuid(written: str) -> UUID | None:
    """The UUID in its usual spelling, else None."""
    return UUID(written) if _UUID_TEXT.fullmatch(written) else None


def is_email_address(written: str) -> bool:
    """Whether mail could be sent to it; whether it arrives, only mail can tell."""
    return _EMAIL_ADDRESS.fullmatch(written) is not None


_AMOUNT = decimal(AMOUNT_MAX, digits=2)
_PERCENT = decimal(Decimal(100), digits=4)
_CLAIM = claim()
_TEXT, _TITLE, _COUNT, _DAY = text(), text(TITLE_MAX, minimum=1), integer(0), day()
_NAME = text(minimum=1)

_COMMON_ITEM_FIELDS: Final = {
    "price": Field("price", _AMOUNT, is_required=True),
    "priceType": Field(
        "priceType", choice("total", "per_person", "per_night", "per_unit"), default="total"
    ),
    "priceAppliesTo": Field("priceAppliesTo", _COUNT),
    "currency": Field("currency", currency()),
    "createdAt": Field("createdAt", _DAY),
}


def _item(required: Mapping[str, Rule], optional: Mapping[str, Rule]) -> Mapping[str, Field]:
    return MappingProxyType(
        _COMMON_ITEM_FIELDS
        | {name: Field(name, rule, is_required=True) for name, rule in required.items()}
        | {name: Field(name, rule) for name, rule in optional.items()}
    )


# kind -> field of such an item -> what it may hold
ITEM_FIELDS: Final[Mapping[str, Mapping[str, Field]]] = MappingProxyType(
    {
        "flights": _item(
            {"airline": _NAME, "date": _DAY},
            {
                **dict.fromkeys(
                    (
                        "flightNumber",
                        "origin",
                        "originCity",
                        "destination",
                        "destinationCity",
                        "departureTime",
                        "arrivalTime",
                        "cabinClass",
                    ),
                    _TEXT,
                ),
                "duration": text_or_number(),
                "stops": _COUNT,
                "passengers": _COUNT,
            },
        ),
        "hotels": _item(
            {"name": _NAME, "checkIn": _DAY, "checkOut": _DAY},
            {
                "nights": integer(0, TRIP_DAYS_MAX),
                **dict.fromkeys(("location", "roomType", "image"), _TEXT),
                "stars": decimal(Decimal(10), digits=1),
                "amenities": texts(),
                "guests": _COUNT,
            },
        ),
        "activities": _item(
            {"name": _NAME},
            {
                **dict.fromkeys(("location", "description", "time", "image"), _TEXT),
                "duration": text_or_number(),
                "participants": _COUNT,
                "includes": texts(),
                "date": _DAY,
            },
        ),
        "transfers": _item(
            {"provider": _NAME},
            {
                **dict.fromkeys(
                    ("vehicleType", "pickupLocation", "dropoffLocation", "pickupTime"), _TEXT
                ),
                "passengers": _COUNT,
                "meetAndGreet": flag(),
                "date": _DAY,
            },
        ),
        "car_rentals": _item(
            {"company": _NAME},
            {
                **dict.fromkeys(
                    ("carType", "carClass", "pickupLocation", "dropoffLocation", "image"), _TEXT
                ),
                "pickupDate": _DAY,
                "dropoffDate": _DAY,
                "days": _COUNT,
                "features": texts(),
            },
        ),
        "custom_items": _item(
            {"name": _NAME},
            {
                **dict.fromkeys(("description", "category"), _TEXT),
                "quantity": _COUNT,
                "date": _DAY,
            },
        ),
        "insurance": _item(
            {},
            {**dict.fromkeys(("name", "provider", "description", "coverage"), _TEXT)},
        ),
    }
)

# wire name -> what it may hold; the item lists are described by ITEM_FIELDS.
QUOTE_FIELDS: Final[Mapping[str, Field]] = MappingProxyType(
    {
        "clientId": Field("client_id", identifier(), is_clearable=True),
        "tripName": Field("trip_name", _TITLE, is_required=True),
        "destination": Field("destination", _TITLE, is_required=True),
        "startDate": Field("start_date", instant(), is_required=True),
        "endDate": Field("end_date", instant(), is_required=True),
        "adults": Field("adults", integer(1, TRAVELERS_MAX), is_required=True),
        "children": Field("children", integer(0, TRAVELERS_MAX), default=0),
        "infants": Field("infants", integer(0, TRAVELERS_MAX), default=0),
        "currency": Field("currency", currency(), default="USD"),
        "agentMarkupPercent": Field("agent_markup_percent", _PERCENT, default=15),
        "taxes": Field("taxes", _AMOUNT, default=0),
        "fees": Field("fees", _AMOUNT, default=0),
        "discount": Field("discount", _AMOUNT, default=0),
        "showCommissionToClient": Field("show_commission_to_client", flag(), default=False),
        "commissionLabel": Field("commission_label", _TEXT, is_clearable=True),
        "inclusions": Field("inclusions", texts(), default=()),
        "exclusions": Field("exclusions", texts(), default=()),
        "importantInfo": Field("important_info", _TEXT, is_clearable=True),
        "customNotes": Field("custom_notes", _TEXT, is_clearable=True),
        "agentNotes": Field("agent_notes", _TEXT, is_clearable=True),
        "expiresInDays": Field("expires_in_days", integer(1, 90), default=7),
        "total": Field("claimed_total", _CLAIM, is_clearable=True),
        "subtotal": Field("claimed_subtotal", _CLAIM, is_clearable=True),
    }
)

# wire name -> attribute of the item lists and of insurance
ITEM_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "flights": "flights",
        "hotels": "hotels",
        "activities": "activities",
        "transfers": "transfers",
        "carRentals": "car_rentals",
        "customItems": "custom_items",
        "insurance": "insurance",
    }
)

# Fields of a quote that only the engine writes; naming one is refused, not ignored.
SERVER_OWNED: Final = frozenset(
    {
        "id", "quoteId", "agentId", "quoteNumber", "status", "version", "durationDays", "travelers",
        "basePrice", "productMarkup", "agentMarkup", "perPerson", "pricingPolicy", "lastModifiedBy",
        "lastModifiedAt", "createdAt", "sentAt", "acceptedAt", "rejectedAt", "expiresAt",
        "deletedAt",
    }
)  # fmt: skip
