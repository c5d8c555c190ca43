"""From a caller's fields to a valid draft, or to every violation at once.

A create is checked whole. A change is checked in two steps, because the quote's status and version
come between them: first its shape, then, merged with the stored quote, its bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from engine.errors import ErrorCode, Refusal
from engine.quotes.draft import ITEM_LISTS, Draft, Item
from engine.quotes.money import MINOR_DIGITS, fits_minor, round_to_minor
from engine.quotes.shape import (
    ITEM_FIELDS,
    ITEM_NAMES,
    ITEMS_MAX,
    QUOTE_FIELDS,
    SERVER_OWNED,
    SHAPE_CODES,
    TRAVELERS_MAX,
    TRIP_DAYS_MAX,
    Field,
    Unfit,
)

# A body of a megabyte can hold a hundred thousand mistakes; the answer names this many.
VIOLATIONS_SHOWN: Final = 100
NAME_SHOWN: Final = 80
_NAMED_IN_MESSAGE: Final = 3

_DAY = timedelta(days=1)
_WIRE_NAME: Final = {field.attribute: name for name, field in QUOTE_FIELDS.items()} | {
    attribute: name for name, attribute in ITEM_NAMES.items()
}
_ATTRIBUTE: Final = {name: attribute for attribute, name in _WIRE_NAME.items()}
# What a field is when a create does not name it.
_DEFAULTS: Final = {
    field.name: [] if field.default_factory is not msgspec.NODEFAULT else field.default
    for field in msgspec.structs.fields(Draft)
    if not field.required
}
_REQUIRED: Final = tuple(name for name, field in QUOTE_FIELDS.items() if field.is_required)
_REQUIRED_OF_ITEM: Final = {
    kind: tuple(name for name, field in fields.items() if field.is_required)
    for kind, fields in ITEM_FIELDS.items()
}


Known: TypeAlias = Callable[[str], Any]


class Violation(NamedTuple):
    """One thing that is wrong with a request.

    Attributes:
        field: path on the wire, for example `hotels[0].nights`.
        message: what it must be.
        code: the same in one word, for programs.
    """

    field: str
    message: str
    code: str


@dataclass(frozen=True, slots=True)
class Change:
    """The fields that a change names, each cleaned by itself.

    Attributes:
        values: attribute → cleaned value.
        violations: bounds broken by single fields, reported once status and version are known.
        broken: attributes of those fields.
    """

    values: Mapping[str, Any]
    violations: tuple[Violation, ...] = ()
    broken: frozenset[str] = frozenset()


def read_draft(body: Mapping[str, object]) -> Draft | Refusal:
    """Validates the fields of a new quote.

    Args:
        body: wire names to values as JSON gave them, with Decimal for fractions.
    """
    values, violations = _read_fields(body)
    violations += [
        Violation(name, "is required", "required") for name in _REQUIRED if name not in body
    ]
    if violations:
        known = {**_DEFAULTS, **dict.fromkeys(_broken(body, values)), **values}
        return refusal([*violations, *_between_fields(known.get)[0]])
    return _whole(Draft(**values))


def read_change(body: Mapping[str, object]) -> Change | Refusal:
    """Validates the shape of the fields that a change names.

    Returns:
        The change, with its broken bounds set aside, or the refusal when its shape is wrong.
    """
    values, violations = _read_fields(body)
    if any(violation.code in SHAPE_CODES for violation in violations):
        return refusal(violations)
    return Change(values, tuple(violations), frozenset(_broken(body, values)))


def merge(stored: Draft, change: Change) -> Draft | Refusal:
    """Lays a change over the stored quote and validates the result's bounds."""
    merged = msgspec.structs.replace(stored, **change.values)
    if change.violations:
        known = msgspec.structs.asdict(merged) | dict.fromkeys(change.broken)
        return refusal([*change.violations, *_between_fields(known.get)[0]])
    return _whole(merged)


def _broken(body: Mapping[str, object], values: Mapping[str, Any]) -> set[str]:
    """The fields that the body names and whose values do not fit."""
    return {_ATTRIBUTE[name] for name in body if name in _ATTRIBUTE} - values.keys()


def refusal(violations: Sequence[Violation]) -> Refusal:
    """The refusal that lists violations; a lone bad currency has its own code."""
    shown = violations[:VIOLATIONS_SHOWN]
    details: dict[str, Any] = {"errors": [violation._asdict() for violation in shown]}
    if len(violations) > len(shown):
        details["errorCount"] = len(violations)
    if all(violation.code == "currency" for violation in violations):
        return Refusal(
            ErrorCode.CURRENCY_INVALID,
            f"The currency must be one of {', '.join(MINOR_DIGITS)}.",
            details,
        )
    names = ", ".join(dict.fromkeys(violation.field for violation in shown[:_NAMED_IN_MESSAGE]))
    unnamed = len(violations) - _NAMED_IN_MESSAGE
    more = f" and {unnamed} more" if unnamed > 0 else ""
    return Refusal(
        ErrorCode.QUOTE_VALIDATION_FAILED,
        f"The request is not valid: see {names}{more} in details.errors.",
        details,
    )


def _read_fields(body: Mapping[str, object]) -> tuple[dict[str, Any], list[Violation]]:
    values: dict[str, Any] = {}
    violations: list[Violation] = []
    for name, value in body.items():
        field = QUOTE_FIELDS.get(name)
        if field is not None:
            _read_value(name, field, value, values, violations)
        elif name == "insurance":
            values["insurance"] = _read_insurance(value, violations)
        elif name in ITEM_NAMES:
            values[ITEM_NAMES[name]] = _read_items(name, value, violations)
        else:
            violations.append(_stranger(name))
    return values, violations


def _read_value(
    path: str,
    field: Field,
    value: object,
    values: dict[str, Any],
    violations: list[Violation],
) -> None:
    if value is None:
        if field.is_clearable:
            values[field.attribute] = None
        else:
            violations.append(Violation(path, "must not be null", "type"))
        return
    try:
        values[field.attribute] = field.rule.clean(value)
    except Unfit as unfit:
        violations.append(Violation(path, unfit.message, unfit.code))


def _read_insurance(value: object, violations: list[Violation]) -> Item | None:
    if value is None:
        return None
    return _read_item("insurance", "insurance", value, violations)


def _read_items(name: str, value: object, violations: list[Violation]) -> list[Item]:
    if type(value) is not list:
        violations.append(Violation(name, "must be a list of items", "type"))
        return []
    if len(value) > ITEMS_MAX:
        violations.append(Violation(name, f"must have at most {ITEMS_MAX} items", "too_long"))
        return []
    kind = ITEM_NAMES[name]
    return [
        _read_item(kind, f"{name}[{place}]", item, violations) for place, item in enumerate(value)
    ]


def _read_item(kind: str, path: str, value: object, violations: list[Violation]) -> Item:
    item: Item = {"priceType": "total"}
    if type(value) is not dict:
        violations.append(Violation(path, "must be an object", "type"))
        return item
    fields = ITEM_FIELDS[kind]
    for name, part in value.items():
        field = fields.get(name)
        if field is None:
            violations.append(_stranger(f"{path}.{name}"))
        elif part is not None:  # null stands for an optional field that is not there
            try:
                item[name] = field.rule.clean(part)
            except Unfit as unfit:
                violations.append(Violation(f"{path}.{name}", unfit.message, unfit.code))
    violations += [
        Violation(f"{path}.{name}", "is required", "required")
        for name in _REQUIRED_OF_ITEM[kind]
        if value.get(name) is None
    ]
    if item["priceType"] == "per_night" and value.get("nights") is None:
        violations.append(
            Violation(f"{path}.nights", "is required when priced per night", "required")
            if kind == "hotels"
            else Violation(f"{path}.priceType", "per_night is for hotels only", "choice")
        )
    return item


def _stranger(path: str) -> Violation:
    if path in SERVER_OWNED:
        return Violation(path, "is set by the server", "server_owned")
    # The name is the caller's own text and may be as long as the body.
    shown = path if len(path) <= NAME_SHOWN else path[:NAME_SHOWN] + "…"
    return Violation(shown, "is not a known field", "unknown")


def _whole(draft: Draft) -> Draft | Refusal:
    """A draft whose fields also fit each other, its amounts in the currency's digits."""
    violations, amounts = _between_fields(partial(getattr, draft))
    if violations:
        return refusal(violations)
    return msgspec.structs.replace(draft, **amounts) if amounts else draft


def _between_fields(known: Known) -> tuple[list[Violation], dict[str, Any]]:
    """What no field can know by itself.

    Args:
        known: gives a field's value by its attribute; None when it is broken, and then what needs
            it is not judged.

    Returns:
        The violations, and the amounts that only lacked the currency's digits.
    """
    violations: list[Violation] = []
    start, end = known("start_date"), known("end_date")
    if start is not None and end is not None:
        if end <= start:
            violations.append(Violation("endDate", "must be after startDate", "range"))
        elif _days(start, end) > TRIP_DAYS_MAX:
            violations.append(
                Violation("endDate", f"must be at most {TRIP_DAYS_MAX} days later", "range")
            )
    travelers = (known("adults"), known("children"), known("infants"))
    if None not in travelers and sum(travelers) > TRAVELERS_MAX:
        violations.append(
            Violation("adults", f"with children and infants at most {TRAVELERS_MAX}", "range")
        )
    currency = known("currency")
    if currency is None:
        return violations, {}
    return violations, _in_minor_digits(known, currency, violations)


def duration_days(draft: Draft) -> int:
    """Days of the trip, the last one begun counts."""
    return _days(draft.start_date, draft.end_date)


def _days(start: datetime, end: datetime) -> int:
    return -((start - end) // _DAY)


def _in_minor_digits(known: Known, currency: str, violations: list[Violation]) -> dict[str, Any]:
    digits = -MINOR_DIGITS[currency]
    changed: dict[str, Any] = {}
    for name in ("taxes", "fees", "discount"):
        amount: Decimal | None = known(name)
        if amount is not None and amount.as_tuple().exponent != digits:
            if fits_minor(amount, currency):
                changed[name] = round_to_minor(amount, currency)
            else:
                violations.append(_too_fine(name, currency))
    for kind in ITEM_LISTS:
        for place, item in enumerate(known(kind) or ()):
            _price_in_minor_digits(item, f"{_WIRE_NAME[kind]}[{place}]", currency, violations)
    insurance: Item | None = known("insurance")
    if insurance is not None:
        _price_in_minor_digits(insurance, "insurance", currency, violations)
    return changed


def _price_in_minor_digits(
    item: Item, path: str, currency: str, violations: list[Violation]
) -> None:
    if item.get("currency", currency) != currency:
        violations.append(
            Violation(f"{path}.currency", f"must be the quote's, {currency}", "currency_mix")
        )
    price: Decimal | None = item.get("price")
    if price is not None and price.as_tuple().exponent != -MINOR_DIGITS[currency]:
        if fits_minor(price, currency):
            item["price"] = round_to_minor(price, currency)
        else:
            violations.append(_too_fine(f"{path}.price", currency))


def _too_fine(path: str, currency: str) -> Violation:
    count = MINOR_DIGITS[currency]
    return Violation(path, f"must have at most {count} digits after the point", "digits")
