"""What the properties are tried on: valid bodies, whatever else JSON can say, and worse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeAlias, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from engine.payload import encode
from engine.quotes.draft import Draft
from engine.quotes.money import AMOUNT_MAX, MINOR_DIGITS
from engine.quotes.shape import ITEM_FIELDS, ITEM_NAMES, QUOTE_FIELDS, SERVER_OWNED, TRAVELERS_MAX
from engine.quotes.validation import read_draft

Json: TypeAlias = dict[str, Any]

# A busy machine is no failure, and a failure is printed with what reproduces it.
TRIED: Final = settings(
    max_examples=100,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TRIED_OFTEN: Final = settings(TRIED, max_examples=250)

# --- valid bodies ---------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
titles = texts.filter(lambda text: text.strip() != "").map(str.strip)
days = st.dates().map(lambda day: day.isoformat())
counts = st.integers(0, 10_000)
currencies = st.sampled_from(sorted(MINOR_DIGITS))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def amounts(currency: str, most: Decimal = AMOUNT_MAX) -> SearchStrategy[Decimal]:
    """Amounts in a currency's minor digits, the small and the largest among them."""
    digits = MINOR_DIGITS[currency]
    largest = int(most.scaleb(digits))
    whole = st.one_of(st.sampled_from([0, largest]), st.integers(0, 500), st.integers(0, largest))
    return whole.map(lambda minor: Decimal(minor).scaleb(-digits))


# Totals as callers compute them: near ours or anywhere else, of any sign, rounded anyhow or not.
claims = st.one_of(amounts("USD"), st.decimals(-(10**20), 10**20, allow_nan=False, places=17))


def spelled(amount: Decimal) -> SearchStrategy[Any]:
    """An amount as callers spell it: number or text, with more zeros or fewer."""
    spellings: list[Any] = [amount, str(amount), amount.normalize() + 0]
    if not amount:
        spellings += [amount.copy_negate(), f"-{amount}"]
    if amount == int(amount):
        spellings.append(int(amount))
    else:
        spellings.append(Decimal(f"{amount}000"))
    return st.sampled_from(spellings)


def _of_schema(schema: Json) -> SearchStrategy[Any]:
    """Values that a JSON Schema of ours allows."""
    if "anyOf" in schema:
        return st.one_of([_of_schema(each) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("format") == "date":
        return days
    if schema.get("format") == "date-time":
        return st.datetimes(timezones=offsets).map(datetime.isoformat)
    return _of_type(schema)


def _of_type(schema: Json) -> SearchStrategy[Any]:
    match schema.get("type"):
        case "string":
            return titles if schema.get("minLength") else texts
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(texts, max_size=4)
    raise AssertionError(f"no values for {schema}")


_NUMBERS: Final = {
    "stars": st.integers(0, 100).map(lambda tenths: Decimal(tenths) / 10),
    "duration": st.one_of(texts, counts, st.integers(0, 99).map(lambda each: Decimal(each) / 4)),
}


@cache
def _item_fields(kind: str, currency: str) -> dict[str, SearchStrategy[Any]]:
    """What each field of an item may hold."""
    special = _NUMBERS | {
        "price": amounts(currency).flatmap(spelled),
        "currency": st.just(currency),
    }
    return {
        name: special[name] if name in special else _of_schema(field.rule.schema)
        for name, field in ITEM_FIELDS[kind].items()
    }


@cache
def _named_fields(kind: str) -> SearchStrategy[list[str]]:
    """The required fields of an item and a few of the others."""
    fields = ITEM_FIELDS[kind]
    required = [name for name, field in fields.items() if field.is_required]
    optional = [name for name, field in fields.items() if not field.is_required]
    some = st.lists(st.sampled_from(optional), unique=True, max_size=4)
    return some.map(lambda chosen: required + chosen)


@st.composite
def items(draw: DrawFn, kind: str, currency: str) -> Json:
    """A valid item of a kind (its name in Python)."""
    fields = _item_fields(kind, currency)
    item: Json = {name: draw(fields[name]) for name in draw(_named_fields(kind))}
    if item.get("priceType") == "per_night":
        if kind == "hotels":
            item["nights"] = draw(st.integers(0, 365))
        else:
            item["priceType"] = "total"
    return item


@cache
def _optional_fields(currency: str) -> dict[str, SearchStrategy[Any]]:
    """What a body need not name; the travellers are drawn apart."""
    optional: dict[str, SearchStrategy[Any]] = {
        "agentMarkupPercent": st.integers(0, 1_000_000).map(lambda each: Decimal(each) / 10_000),
        "taxes": amounts(currency).flatmap(spelled),
        "fees": amounts(currency).flatmap(spelled),
        "discount": amounts(currency, Decimal(1000)).flatmap(spelled),
        "clientId": st.one_of(st.none(), st.uuids().map(str)),
        "showCommissionToClient": st.booleans(),
        "commissionLabel": st.one_of(st.none(), texts),
        "customNotes": st.one_of(st.none(), texts),
        "inclusions": st.lists(texts, max_size=3),
        "expiresInDays": st.integers(1, 90),
        "total": st.one_of(st.none(), claims),
        "subtotal": st.one_of(st.none(), claims),
    }
    for name, kind in ITEM_NAMES.items():
        one = items(kind, currency)
        optional[name] = (
            st.one_of(st.none(), one) if name == "insurance" else st.lists(one, max_size=3)
        )
    return optional


_some_names = st.lists(st.sampled_from(sorted(_optional_fields("USD"))), unique=True)


@st.composite
def bodies(draw: DrawFn) -> Json:
    """A valid body of a create, as `parse_object` would give it."""
    currency = draw(currencies)
    start = draw(st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1)))  # noqa: DTZ001
    length = draw(st.timedeltas(timedelta(microseconds=1), timedelta(days=365)))
    adults = draw(st.integers(1, TRAVELERS_MAX))
    children = draw(st.integers(0, TRAVELERS_MAX - adults))
    body: Json = {
        "tripName": draw(titles),
        "destination": draw(titles),
        "startDate": start.replace(tzinfo=UTC).astimezone(draw(offsets)).isoformat(),
        "endDate": (start + length).replace(tzinfo=UTC).astimezone(draw(offsets)).isoformat(),
        "adults": adults,
    }
    if draw(st.booleans()):
        body["children"] = children
        body["infants"] = draw(st.integers(0, TRAVELERS_MAX - adults - children))
    optional = _optional_fields(currency)
    for name in draw(_some_names):
        body[name] = draw(optional[name])
    if currency != "USD" or draw(st.booleans()):
        body["currency"] = currency
    return body


@st.composite
def some_fields(draw: DrawFn) -> Json:
    """Some fields of a valid body, as a change names them."""
    body = draw(bodies())
    names_kept = draw(st.lists(st.sampled_from(sorted(body)), unique=True, max_size=4))
    return {name: body[name] for name in names_kept}


def _read(body: Json) -> Draft:
    draft = read_draft(body)
    assert isinstance(draft, Draft), draft
    return draft


drafts: SearchStrategy[Draft] = bodies().map(_read)


def wire_of(draft: Draft) -> Json:
    """A draft as a caller would send it again."""
    body = {
        name: getattr(draft, field.attribute)
        for name, field in QUOTE_FIELDS.items()
        if field.is_clearable or getattr(draft, field.attribute) is not None
    }
    return body | {name: getattr(draft, attribute) for name, attribute in ITEM_NAMES.items()}


# --- whatever else JSON can say, and worse --------------------------------------------------------

_EXTREME: Final[list[Any]] = [
    *(
        Decimal(text)
        for text in ("1E+999999", "-1E+999999", "1E-999999", "0E+99", "-0.00", "1E+30")
    ),
    *(Decimal(text) for text in ("NaN", "sNaN", "Infinity", "-Infinity", "99999999.995")),
    *(10**40, -(10**40), 2**63, -1, 0, True, False, None, "", " ", "\0", "1e9", "NaN", "-0"),
    *("2026-01-31", "2026-01-31T10:00:00", "0001-01-01T00:00:00+14:00", "0" * 40, [], {}, [[]]),
]
known_names = st.sampled_from(
    sorted(
        {*QUOTE_FIELDS, *ITEM_NAMES, *SERVER_OWNED, "channel", "to", "subject", "message", "reason"}
        | {name for fields in ITEM_FIELDS.values() for name in fields}
    )
)
names = st.one_of(known_names, known_names, st.text(max_size=200), st.just("x" * 5_000))
leaves = st.one_of(
    st.sampled_from(_EXTREME),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=20),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.uuids(),
)
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=6)),
    max_leaves=12,
)
odd_bodies: SearchStrategy[Json] = st.dictionaries(names, anything, max_size=12)


@st.composite
def spoiled_bodies(draw: DrawFn) -> Json:
    """A valid body in which something was replaced, added or taken away."""
    body = cast("Json", _copied(draw(bodies())))
    for _ in range(draw(st.integers(1, 3))):
        place: Json = draw(st.sampled_from([body, *_objects_in(body)]))
        named: SearchStrategy[str] = st.sampled_from(sorted(place)) if place else names
        name = draw(named)
        match draw(st.integers(0, 2)):
            case 0:
                place[name] = draw(anything)
            case 1:
                place[draw(names)] = draw(anything)
            case _:
                place.pop(name, None)
    return body


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


def _objects_in(body: Json) -> list[Json]:
    found: list[Json] = []
    for value in body.values():
        parts = value if isinstance(value, list) else [value]
        found += [part for part in parts if isinstance(part, dict)]
    return found


# --- bytes ----------------------------------------------------------------------------------------

_TOKENS: Final = [
    *b'{}[]:," \n\\',
]
_PIECES: Final = [bytes([sign]) for sign in _TOKENS] + [
    b'"a"', b'"b":', b"1", b"-", b"0", b".5", b"e9", b"E-99999999999999999999", b"1e400", b"true",
    b"null", b"NaN", b"Infinity", b"\\ud800", b"\\u0000", b'"\\udfff"', b"\xed\xa0\x80", b"\xff",
    b"\xef\xbb\xbf", b"\0", "旅".encode(), b"9" * 50, b"[" * 50, b'{"a":' * 40,
]  # fmt: skip
_digits = st.text("0123456789", min_size=1, max_size=45)
odd_numbers = st.builds(
    lambda *parts: f'{{"taxes":{"".join(parts)}}}'.encode("ascii"),
    st.sampled_from(["", "", "-", "+"]),
    st.one_of(st.integers(0, 99).map(str), _digits),
    st.one_of(st.just(""), _digits.map(lambda digits: f".{digits}")),
    st.one_of(
        st.just(""),
        st.integers(-40, 40).map(lambda exponent: f"e{exponent}"),
        # Around the length at which Decimal itself gives up.
        st.text("123456789", min_size=16, max_size=24).map(lambda digits: f"E-{digits}"),
        st.text("123456789", min_size=16, max_size=24).map(lambda digits: f"e+{digits}"),
    ),
)
token_soup = st.lists(st.sampled_from(_PIECES), max_size=25).map(b"".join)


@st.composite
def mutated_bodies(draw: DrawFn) -> bytes:
    """Valid JSON in which some bytes were replaced, doubled or dropped."""
    text = bytearray(encode(draw(bodies())))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(text)))
        until = min(len(text), place + draw(st.integers(0, 6)))
        text[place:until] = draw(st.one_of(st.binary(max_size=4), st.sampled_from(_PIECES)))
    return bytes(text)
