"""Bad bodies: every field of every call wrong once in each way that its schema knows.

A pack, not a search: it is made of the schema itself, so that a new field is in it, and it is the
same every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from engine.quotes.shape import ITEM_FIELDS, ITEM_NAMES, QUOTE_FIELDS, SERVER_OWNED
from engine.readiness.probes.calling import (
    CREATED,
    OK,
    QUOTES,
    Heard,
    Stage,
    over_http,
    quote_body,
)
from engine.readiness.probes.probe import Found, Question, decided, failing
from engine.saving.request import REASON_FIELDS, SEND_FIELDS

_BAD, _SERVER = 400, 500
_NAMED: Final = 5
_SHARED: Final = "fuzz.contract"
# Of which a schema must say at least one, or the field may hold anything of any size.
_BOUNDS: Final = frozenset(
    {"maxLength", "maximum", "exclusiveMaximum", "enum", "maxItems", "format", "pattern"}
)
_ITEMS: Final[Mapping[str, Mapping[str, object]]] = {
    "flights": {"airline": "A", "date": "2030-06-01"},
    "hotels": {"name": "H", "checkIn": "2030-06-01", "checkOut": "2030-06-02"},
    "activities": {"name": "A"},
    "transfers": {"provider": "T"},
    "carRentals": {"company": "C"},
    "customItems": {"name": "C"},
    "insurance": {},
}


class Case(NamedTuple):
    """One bad body.

    Attributes:
        call: create, update, send, accept or reject.
        field: its path, as the refusal must name it.
        constraint: of the schema, that is violated.
        body: all of it.
    """

    call: str
    field: str
    constraint: str
    body: Mapping[str, object]


@over_http()
def fuzz(question: Question, stage: Stage) -> Found:
    """`fuzz.contract`: nothing bad is saved or breaks, nothing good is refused."""
    found = question.shared.get(_SHARED)
    if not isinstance(found, Found):
        found = question.shared[_SHARED] = _sent(stage)
    return found


def _sent(stage: Stage) -> Found:
    """Sends the pack."""
    call = stage.caller()
    open_fields = sorted(_unbounded())
    quote = call("POST", body=quote_body())
    path = f"/{quote.quote_id}"
    sent = call("POST", body=quote_body())
    call("POST", f"/{sent.quote_id}/send", {})
    ways = {
        "create": ("POST", ""),
        "update": ("PATCH", path),
        "send": ("POST", f"{path}/send"),
        "accept": ("POST", f"/{sent.quote_id}/accept"),
        "reject": ("POST", f"/{sent.quote_id}/reject"),
    }
    wrong: list[str] = []
    constraints: set[tuple[str, str]] = set()
    count = 0
    for case in cases():
        method, where = ways[case.call]
        fault = _fault(case, call(method, where, case.body))
        count += 1
        constraints.add((case.field, case.constraint))
        if fault:
            wrong.append(f"{case.call} {case.field} ({case.constraint}): {fault}")
    good = [call("POST", body=each) for each in _good_bodies()]
    wrong += [f"a valid body was refused: {each}" for each in good if each.status != CREATED]
    untouched = (call("GET", path).etag, call("GET", f"/{sent.quote_id}").etag)
    if untouched != ('"1"', '"2"'):
        wrong.append("a bad body has changed a quote")
    for each in [quote, *good]:
        if each.quote_id:
            call("DELETE", f"/{each.quote_id}?version={each.version}")
    numbers = {
        "cases": count,
        "constraints": len(constraints),
        "fields": len({field for field, _ in constraints}),
        "valid": len(good),
        "wrong": wrong[:_NAMED],
        "unbounded": open_fields[:_NAMED],
    }
    witness = f"POST and PATCH {QUOTES}, and …/send, …/accept, …/reject; the pack of this release"
    if open_fields:
        return failing(
            f"{len(open_fields)} fields have no bound, {open_fields[0]} among them",
            witness,
            **numbers,
        )
    return decided(
        not wrong,
        f"{count} bad bodies violate {len(constraints)} constraints, each refused by its name",
        f"{len(wrong)} of {count + len(good)} bodies were not answered as they must be:"
        f" {(wrong or [''])[0]}",
        witness,
        **numbers,
    )


def _fault(case: Case, answer: Heard) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if OK <= answer.status < _BAD:
        return f"taken ({answer.status})"
    if answer.status >= _SERVER or answer.status != _BAD:
        return f"answered {answer}"
    errors = answer.body.get("details", {}).get("errors", [])
    named = {str(each.get("field")) for each in errors if isinstance(each, dict)}
    return "" if case.field in named else "refused without naming it"


def cases() -> Iterator[Case]:
    """The pack."""
    for name, field in QUOTE_FIELDS.items():
        for constraint, value in violations(field.rule.schema):
            yield Case("create", name, constraint, quote_body(**{name: value}))
            yield Case("update", name, constraint, {"version": 1, name: value})
        if field.is_required:
            body = quote_body()
            del body[name]
            yield Case("create", name, "required", body)
        if not field.is_clearable:
            yield Case("update", name, "null", {"version": 1, name: None})
    yield from _cases_of_items()
    for name in sorted(SERVER_OWNED):
        yield Case("create", name, "server owned", quote_body(**{name: 1}))
    yield Case("create", "noSuchField", "unknown", quote_body(noSuchField=1))
    yield Case("update", "noSuchField", "unknown", {"version": 1, "noSuchField": 1})
    yield Case("update", "version", "required", {"adults": 3})
    for value in (0, "one", 1.5, 2**40):
        yield Case("update", "version", "range", {"version": value, "adults": 3})
    for call, rules in (
        ("send", SEND_FIELDS),
        ("accept", REASON_FIELDS),
        ("reject", REASON_FIELDS),
    ):
        for name, rule in rules.items():
            for constraint, value in violations(rule.schema):
                yield Case(call, name, constraint, {name: value})
        yield Case(call, "noSuchField", "unknown", {"noSuchField": 1})


def _cases_of_items() -> Iterator[Case]:
    for wire, attribute in ITEM_NAMES.items():
        whole = {**_ITEMS[wire], "price": 1}
        one = wire == "insurance"
        place = wire if one else f"{wire}[0]"

        def body(item: object, wire: str = wire, one: bool = one) -> dict[str, object]:  # noqa: FBT001  # bound early
            return quote_body(**{wire: item if one else [item]})

        for name, field in ITEM_FIELDS[attribute].items():
            for constraint, value in violations(field.rule.schema):
                yield Case("create", f"{place}.{name}", constraint, body({**whole, name: value}))
            if field.is_required:
                rest = {each: value for each, value in whole.items() if each != name}
                yield Case("create", f"{place}.{name}", "required", body(rest))
        strange = body({**whole, "noSuchField": 1})
        yield Case("create", f"{place}.noSuchField", "unknown", strange)
        yield Case("create", place, "type", body("no item"))
        if not one:
            yield Case("create", wire, "maxItems", quote_body(**{wire: [whole] * 101}))


def violations(schema: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """For each thing that a schema asks for, a value that has not got it, and why.

    Of alternatives only what none of them takes.
    """
    for each in schema.get("anyOf", [schema]):
        for constraint, value in _violations(each):
            if not any(_takes(other, value) for other in schema.get("anyOf", [])):
                yield constraint, value


def _violations(schema: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "type", {"no": "value"}
    for constraint, wrong in _WRONG[schema["type"]].items():
        if constraint in schema:
            yield constraint, wrong(schema[constraint])
    match schema["type"]:
        case "string" if "maxLength" in schema:
            yield "NUL", "a\0b"
        case "integer":
            yield "type", "three"
            yield "type", 1.5
        case "boolean":
            yield "type", "yes"


# What each constraint of a type is violated by, made of its own value.
_WRONG: Final[Mapping[str, Mapping[str, Callable[[Any], object]]]] = {
    "string": {
        "minLength": lambda _least: "",
        "pattern": lambda pattern: "   " if pattern == r"\S" else "ten",
        "maxLength": lambda most: "x" * (most + 1),
        "enum": lambda _words: "no such word",
        "format": lambda _name: "yesterday",
    },
    "integer": {"minimum": lambda least: least - 1, "maximum": lambda most: most + 1},
    "number": {
        "minimum": lambda least: least - 1,
        "maximum": lambda most: int(most) * 10 + 10,
        "exclusiveMaximum": lambda most: int(most) * 10,
    },
    "boolean": {},
    "array": {
        "maxItems": lambda most: ["x"] * (most + 1),
        "items": lambda _schema: [{"no": "text"}],
    },
}


def _takes(schema: Mapping[str, Any], value: object) -> bool:
    """Whether one of several alternatives takes a value of ours, as far as it matters here."""
    if schema["type"] == "string":
        return isinstance(value, str) and len(value) <= schema.get("maxLength", 0)
    return False


def _unbounded() -> Iterator[str]:
    """Fields of which no schema says how large they may be."""
    fields = {name: field.rule.schema for name, field in QUOTE_FIELDS.items()} | {
        f"{kind}.{name}": field.rule.schema
        for kind, of_kind in ITEM_FIELDS.items()
        for name, field in of_kind.items()
    }
    for name, schema in fields.items():
        for each in schema.get("anyOf", [schema]):
            if each.get("type") != "boolean" and not each.keys() & _BOUNDS:
                yield name


def _good_bodies() -> Iterator[dict[str, object]]:
    """Bodies that must be taken: the least, each kind of item, and each bound from within."""
    least = quote_body()
    del least["flights"]
    yield least
    items = {
        wire: {**item, "price": 1} if wire == "insurance" else [{**item, "price": 1}]
        for wire, item in _ITEMS.items()
    }
    yield quote_body(**items)
    yield quote_body(
        tripName="x" * 200, customNotes="x" * 10_000, adults=50, agentMarkupPercent=0,
        expiresInDays=90, inclusions=["x"] * 100, currency="JPY",
    )  # fmt: skip
    yield quote_body(agentMarkupPercent="100", taxes="99999999.99", adults=1, expiresInDays=1)
