"""Every field with every wrong kind of value, from the same data that the validation reads.

What is wrong is said here by the field's documented type, not by its own check, so a new field is
covered by itself and a check that lets too much through is seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, TypeAlias

import pytest

from engine.quotes.shape import ITEM_FIELDS, ITEM_NAMES, QUOTE_FIELDS, Field, JsonSchema
from tests.api.caller import Caller
from tests.api.refusals import fields, marks, refusal
from tests.api.service import QUOTES
from tests.support import quote_body

NUMBER_TEXTS = [
    "", " ", "1 ", " 1", "+1", "1,5", "1.5.1", "1_000", "1e3", "0x1", "\u0663", "\uff11", "\xbd",
    "NaN", "Infinity", "1.", ".5", "--1", "1\0", "9" * 40, "one", "null",
]  # fmt: skip
TEXTS: list[Any] = ["", "x", "1", "true"]
NUMBERS: list[Any] = [0, 1, -1, 1.5, 10**18, 10**39]
FLAGS: list[Any] = [True, False]
CONTAINERS: list[Any] = [[], {}, [1], {"a": 1}, [[]], [None]]

# A valid item of each kind, without anything optional.
ITEMS: dict[str, dict[str, Any]] = {
    "flights": {"airline": "TAP", "date": "2026-06-01", "price": 1},
    "hotels": {"name": "a", "checkIn": "2026-06-01", "checkOut": "2026-06-02", "price": 1},
    "activities": {"name": "a", "price": 1},
    "transfers": {"provider": "a", "price": 1},
    "carRentals": {"company": "a", "price": 1},
    "customItems": {"name": "a", "price": 1},
    "insurance": {"price": 1},
}
Place: TypeAlias = tuple[str | None, str, Field]
PLACES: list[Place] = [
    *((None, name, field) for name, field in QUOTE_FIELDS.items()),
    *(
        (kind, name, field)
        for kind, attribute in ITEM_NAMES.items()
        for name, field in ITEM_FIELDS[attribute].items()
    ),
]
IDS = [name if kind is None else f"{kind}.{name}" for kind, name, _ in PLACES]


def body_with(kind: str | None, name: str, value: object) -> tuple[dict[str, Any], str]:
    """The fields that put a value in a place, and the place's path."""
    if kind is None:
        return {name: value}, name
    item = ITEMS[kind] | {name: value}
    if kind == "insurance":
        return {kind: item}, f"insurance.{name}"
    return {kind: [item]}, f"{kind}[0].{name}"


def types_of(schema: JsonSchema) -> set[str]:
    """The JSON types that a documented value may have."""
    if "anyOf" in schema:
        return set().union(*map(types_of, schema["anyOf"]))
    return {schema["type"]}


def wrong_types(schema: JsonSchema) -> Iterator[object]:
    """Values of every type that is not documented."""
    types = types_of(schema)
    if "string" not in types:
        yield from TEXTS
    if not types & {"number", "integer"}:
        yield from NUMBERS
    elif "number" not in types:
        yield from (1.5, 0.1, -0.5)
    if "boolean" not in types:
        yield from FLAGS
    if "array" not in types:
        yield from CONTAINERS
    else:
        yield from ({}, {"0": "x"}, [1], [None], [["x"]], ["x", True])


def wrong_numbers(schema: JsonSchema) -> list[float]:
    """Numbers below and above the documented bounds."""
    if "minimum" in schema:
        least, most = schema["minimum"], schema["maximum"]
        return [least - 1, -(10**9), most + 1, most * 1000 + 1000]
    least, most = schema["exclusiveMinimum"], schema["exclusiveMaximum"]
    return [least, int(least) * 10, most, int(most) * 10]


def wrong_number_texts(pattern: str) -> list[str]:
    """Texts that are no number, or one of another sign."""
    return NUMBER_TEXTS if pattern.startswith("^-?") else [*NUMBER_TEXTS, "-1"]


def wrong_values(schema: JsonSchema) -> Iterator[object]:
    """Values of a documented type that break a documented bound."""
    types = types_of(schema)
    for part in schema.get("anyOf", [schema]):
        match part:
            case {"enum": [word, *_]}:
                yield from ("", "x", f" {word}", word.swapcase(), f"{word}\0")
            case {"type": "integer" | "number"}:
                yield from wrong_numbers(part)
            case {"format": "uuid"}:
                yield from ("", "x", "0" * 32, "{" + "0" * 36 + "}", "g" * 36)
            case {"format": "date" | "date-time"}:
                yield from WRONG_DATES
            case {"type": "string", "pattern": pattern} if "number" in types:
                yield from wrong_number_texts(pattern)
            case {"type": "string", "maxLength": longest}:
                yield from ("a\0b", "\0", "x" * (longest + 1))
                yield from ("", " ", "\t\n ", "\u2003") if part.get("minLength") else ()
            case {"type": "array", "maxItems": most}:
                yield from (["x"] * (most + 1), ["a\0b"])
            case {"type": "boolean"}:
                pass
            case _:
                raise AssertionError(part)


WRONG_DATES = [
    "", "x", "today", "2026", "2026-06", "2026-6-1", "2026-13-01", "2026-02-30", "2026-06-31",
    "2026-W54-1", "2026-W00-1", "2026-W10-8", "2026-152", "0000-01-01", "10000-01-01",
    "-2026-01-01", "+2026-01-01", "01.06.2026", "06/01/2026", "1 June 2026", "1780272000",
    "2026-06-01T", "2026-06-01T25:00:00Z", "2026-06-01T10:60:00Z", "2026-06-01T23:59:60Z",
    "2026-06-01T24:00:00Z", "2026-06-01T10:00:00+25:00", "2026-06-01T10:00:00Z+01:00",
    "2026-06-01T10:00:00 Z", "2026-06-01T10:00:00[Europe/Lisbon]", "2026-06-01X10:00:00Z",
    "2026-06-01T10:00:00ZZ", " 2026-06-01", "2026-06-01 ", "2026-06-01\0", "2026-06-01\n",
    "\uff12\uff10\uff12\uff16-06-01", "2026-06-01T1\u0660:00Z", "infinity", "epoch", "now",
    "'2026-06-01'",
]  # fmt: skip


JSON = {"Content-Type": "application/json"}
COMPLETE = quote_body(taxes=1)
SHORT = {name: COMPLETE[name] for name in ("tripName", "destination", "startDate", "endDate")}


@pytest.fixture
def caller(shared_caller: Caller) -> Caller:
    """Nothing here is saved that another test would notice."""
    return shared_caller


@pytest.fixture
def quote_id(caller: Caller) -> str:
    """A quote that nothing here may change."""
    return caller.create()


def check_refused(caller: Caller, quote_id: str, place: Place, values: Iterable[object]) -> None:
    """Asserts that neither a create nor a change takes any of the values there."""
    kind, name, _ = place
    before, sent = caller.service.stock(), 0
    for value in values:
        wrong, path = body_with(kind, name, value)
        answers = [caller.http.post(QUOTES, content=json.dumps(COMPLETE | wrong), headers=JSON)]
        # An item is read in one way, whichever call brings it; the fields of a quote in two.
        if kind is None:
            changed = json.dumps({"version": 1} | wrong)
            answers.append(caller.http.patch(f"{QUOTES}/{quote_id}", content=changed, headers=JSON))
        for answer in answers:
            assert answer.status_code == 400, (wrong, answer.text)
            code = answer.json()["errorCode"]
            assert code in {"QUOTE_VALIDATION_FAILED", "CURRENCY_INVALID"}
            assert path in fields(refusal(answer, code, 400)), (wrong, answer.text)
        sent += len(answers)
    assert caller.service.stock() == before.after_refusals(sent)


@pytest.mark.parametrize("place", PLACES, ids=IDS)
def test_a_value_of_another_type_is_refused(caller: Caller, quote_id: str, place: Place) -> None:
    check_refused(caller, quote_id, place, wrong_types(place[2].rule.schema))


@pytest.mark.parametrize("place", PLACES, ids=IDS)
def test_a_value_beyond_a_bound_is_refused(caller: Caller, quote_id: str, place: Place) -> None:
    check_refused(caller, quote_id, place, wrong_values(place[2].rule.schema))


@pytest.mark.parametrize("place", PLACES, ids=IDS)
def test_null_is_refused_where_something_is_required(
    caller: Caller, quote_id: str, place: Place
) -> None:
    kind, name, field = place
    stands_for_nothing = field.is_clearable if kind is None else not field.is_required
    if not stands_for_nothing:
        check_refused(caller, quote_id, place, [None])
        return

    wrong, _ = body_with(kind, name, None)
    created = caller.http.post(QUOTES, json=COMPLETE | wrong)
    changed = caller.http.patch(f"{QUOTES}/{quote_id}", json={"version": 1} | wrong)

    assert (created.status_code, changed.status_code) == (201, 200), created.text
    stored = created.json()["quote"]
    if kind is None:
        assert stored[name] is None or name in {"total", "subtotal"}
    else:
        item = stored[kind] if kind == "insurance" else stored[kind][0]
        assert name not in item or name == "priceType"


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, name, field in PLACES if field.is_required]
)
def test_what_is_required_is_missed(
    caller: Caller, quote_id: str, kind: str | None, name: str
) -> None:
    if kind is None:
        body = {key: value for key, value in COMPLETE.items() if key != name}
        path = name
    else:
        item = {key: value for key, value in ITEMS[kind].items() if key != name}
        body = COMPLETE | {kind: item if kind == "insurance" else [item]}
        path = f"insurance.{name}" if kind == "insurance" else f"{kind}[0].{name}"
    before = caller.service.stock()

    answer = caller.http.post(QUOTES, json=body)

    assert marks(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == [(path, "required")]
    assert caller.service.stock() == before.after_refusals(1)
    assert caller.service.version(quote_id) == 1


WRONG_LISTS: list[Any] = [0, 1, "x", True, [1], ["x"], [None], [[]], [{}, 1]]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((kind, value) for kind in ITEMS for value in WRONG_LISTS),
        *((kind, value) for kind in ITEMS if kind != "insurance" for value in (None, {"price": 1})),
    ],
)
def test_a_list_of_items_is_a_list_of_objects(
    caller: Caller, quote_id: str, kind: str, value: object
) -> None:
    before = caller.service.stock()

    answer = caller.http.post(QUOTES, json=COMPLETE | {kind: value})

    named = fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400))
    assert all(field.startswith(kind) for field in named)
    assert caller.service.stock() == before.after_refusals(1)
    assert caller.service.version(quote_id) == 1


@pytest.mark.parametrize("kind", [kind for kind in ITEMS if kind != "insurance"])
def test_a_list_has_at_most_100_items(caller: Caller, quote_id: str, kind: str) -> None:
    before = caller.service.stock()

    answer = caller.http.post(QUOTES, json=COMPLETE | {kind: [ITEMS[kind]] * 101})
    changed = caller.http.patch(
        f"{QUOTES}/{quote_id}", json={"version": 1, kind: [ITEMS[kind]] * 101}
    )

    for each in (answer, changed):
        assert marks(refusal(each, "QUOTE_VALIDATION_FAILED", 400)) == [(kind, "too_long")]
    assert caller.service.stock() == before.after_refusals(2)


# Totals of the caller's own.

PENNIES = [{"name": "a", "price": 0.10}, {"name": "b", "price": 0.20}]
CENTS = {"adults": 2, "agentMarkupPercent": 0, "customItems": PENNIES}
LONGEST = "9" * 30


@pytest.mark.parametrize("field", ["total", "subtotal"])
@pytest.mark.parametrize(
    "claim",
    ["0.3", "0.30000000000000004", "0.309", "0.291", '"0.3000000"', "3e-1",
     f'"{"0" * 29}0.3{"0" * 29}"'],
)  # fmt: skip
def test_a_total_that_the_caller_rounded_otherwise_is_taken(
    caller: Caller, field: str, claim: str
) -> None:
    body = json.dumps(SHORT | CENTS)[:-1] + f', "{field}": {claim}}}'

    answer = caller.http.post(QUOTES, content=body, headers=JSON)

    assert answer.status_code == 201, answer.text
    assert answer.json()["quote"][field] == 0.3


@pytest.mark.parametrize("field", ["total", "subtotal"])
@pytest.mark.parametrize(
    "claim",
    ["0.3100001", "0.28", "-0.3", "-5", '"-5.00"', "9999999999999", "1e-30", "0", "-0",
     f'"{LONGEST}.{LONGEST}"', f"-{LONGEST}"],
)  # fmt: skip
def test_a_total_that_is_not_ours_is_refused_with_both_however_far_off(
    caller: Caller, field: str, claim: str
) -> None:
    body = json.dumps(SHORT | CENTS)[:-1] + f', "{field}": {claim}}}'

    answer = caller.http.post(QUOTES, content=body, headers=JSON)

    refusal(answer, "ITEMS_INCONSISTENT", 400)
    details = json.loads(answer.content, parse_float=Decimal)["details"]
    assert details["field"] == field
    assert details["expectedTotal"] == Decimal(claim.strip('"'))
    assert details["calculatedTotal"] == Decimal("0.30")


# Amounts by the currency.


@pytest.mark.parametrize(
    ("currency", "amount", "is_fit"),
    [
        ("USD", "0.01", True),
        ("USD", "0.001", False),
        ("USD", "1.10000", True),
        ("JPY", "1", True),
        ("JPY", "1.00", True),
        ("JPY", "0.01", False),
        ("JPY", "1.5", False),
        ("EUR", "99999999.99", True),
        ("EUR", "99999999.991", False),
        ("EUR", "100000000", False),
    ],
)
@pytest.mark.parametrize("place", ["taxes", "fees", "discount", "price"])
@pytest.mark.parametrize("is_text", [False, True])
def test_an_amount_has_the_digits_of_its_currency(
    caller: Caller,
    currency: str,
    amount: str,
    place: str,
    is_fit: bool,  # noqa: FBT001 - a column of the table
    is_text: bool,  # noqa: FBT001 - a parameter
) -> None:
    spelled = json.dumps(amount) if is_text else amount
    item = '{"name":"a","price":%s}'
    fields_ = {
        "price": f'"customItems":[{item % spelled}]',
        "discount": f'"discount":{spelled},"customItems":[{item % "99999999"},{item % "99999999"}]',
    }.get(place, f'"{place}":{spelled}')
    head = (
        '{"tripName":"a","destination":"b","startDate":"2026-06-01","endDate":"2026-06-02",'
        f'"adults":1,"currency":"{currency}",'
    )

    answer = caller.call("POST", body=f"{head}{fields_}}}".encode())

    assert answer.status_code == (201 if is_fit else 400), answer.text
    if not is_fit:
        path = "customItems[0].price" if place == "price" else place
        assert fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == {path}


@pytest.mark.parametrize("amount", ["0", "-0", "0.0", "-0.00", "0e5", "-0E-5"])
def test_every_zero_is_zero(caller: Caller, amount: str) -> None:
    content = json.dumps(COMPLETE).replace('"taxes": 1', f'"taxes": {amount}')

    answer = caller.call("POST", body=content.encode())

    assert answer.status_code == 201, answer.text
    assert b'"taxes":0.00,' in answer.content


@pytest.mark.parametrize("whole", ["2", "2.0", "2.000", "2e0", "0.2e1", "20e-1"])
def test_a_whole_number_may_be_written_with_a_fraction_of_zero(caller: Caller, whole: str) -> None:
    content = json.dumps(COMPLETE).replace('"adults": 2', f'"adults": {whole}')

    answer = caller.call("POST", body=content.encode())

    assert answer.status_code == 201, answer.text
    assert b'"adults":2,' in answer.content


# What no field can know by itself.


def only(kind: str, **more: Any) -> dict[str, Any]:
    """One item of a kind."""
    return {kind: [ITEMS[kind] | more]}


@pytest.mark.parametrize(
    ("wrong", "mark"),
    [
        ({"endDate": "2026-06-01T00:00:00Z"}, ("endDate", "range")),
        ({"endDate": "2026-05-31"}, ("endDate", "range")),
        ({"endDate": "2027-06-01T00:00:01Z"}, ("endDate", "range")),
        ({"startDate": "2026-06-06T10:00:00.000001Z"}, ("endDate", "range")),
        ({"adults": 20, "children": 20, "infants": 11}, ("adults", "range")),
        (only("hotels", currency="EUR"), ("hotels[0].currency", "currency_mix")),
        (only("hotels", priceType="per_night"), ("hotels[0].nights", "required")),
        (only("flights", priceType="per_night"), ("flights[0].priceType", "choice")),
        ({"startDate": "2026-06-01T10:00:00"}, ("startDate", "format")),
        ({"startDate": "0001-01-01T00:00:00+01:00"}, ("startDate", "range")),
        ({"endDate": "9999-12-31T23:59:59-01:00"}, ("endDate", "range")),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_fields_that_do_not_fit_each_other_are_refused(
    caller: Caller, quote_id: str, method: str, wrong: dict[str, Any], mark: tuple[str, str]
) -> None:
    before = caller.service.stock()

    answer = (
        caller.http.post(QUOTES, json=COMPLETE | wrong)
        if method == "POST"
        else caller.http.patch(f"{QUOTES}/{quote_id}", json={"version": 1} | wrong)
    )

    assert marks(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == [mark]
    assert caller.service.stock() == before.after_refusals(1)
