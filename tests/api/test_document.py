"""The OpenAPI document: whole, well formed, and in agreement with the code it speaks of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from engine.api.app import document_of
from engine.errors import ErrorCode, Severity
from engine.quotes.lifecycle import Status
from engine.quotes.shape import ITEM_FIELDS, ITEM_NAMES, QUOTE_FIELDS, SERVER_OWNED
from tests.api.refusals import TABLE
from tests.api.service import document
from tests.support import quote_body

# domain.md, section 6: each call with the status of its success.
SUCCESSES = {
    ("post", "/agents/quotes"): {"201"},
    ("get", "/agents/quotes"): {"200"},
    ("get", "/agents/quotes/{quote_id}"): {"200", "304"},
    ("patch", "/agents/quotes/{quote_id}"): {"200"},
    ("delete", "/agents/quotes/{quote_id}"): {"200"},
    ("post", "/agents/quotes/{quote_id}/send"): {"200"},
    ("post", "/agents/quotes/{quote_id}/accept"): {"200"},
    ("post", "/agents/quotes/{quote_id}/reject"): {"200"},
    ("get", "/agents/quotes/{quote_id}/history"): {"200"},
}
CALLS = [
    (method, path, call)
    for path, calls in document()["paths"].items()
    for method, call in calls.items()
]
SAVES = [call for method, _, call in CALLS if method != "get"]


def walk(part: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document."""
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from walk(each)


def schema_of(name: str) -> dict[str, Any]:
    """A component that stands on its own."""
    return {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}


def codes_of(answer: dict[str, Any]) -> set[str]:
    """The codes that an answer may carry."""
    _, narrowed = answer["content"]["application/json"]["schema"]["allOf"]
    return set(narrowed["properties"]["errorCode"]["enum"])


def test_the_document_has_the_calls_of_the_contract_and_no_other() -> None:
    found = {
        (method, path): {status for status in call["responses"] if status < "400"}
        for method, path, call in CALLS
    }
    assert found == SUCCESSES


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    references = {part["$ref"] for part in walk(document()) if "$ref" in part}

    names = {f"#/components/schemas/{name}" for name in document()["components"]["schemas"]}
    assert references == names


@pytest.mark.parametrize("name", document()["components"]["schemas"])
def test_every_component_is_a_valid_schema(name: str) -> None:
    schema = document()["components"]["schemas"][name]

    assert jsonschema_rs.meta.is_valid(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    )


def test_every_call_has_a_name_of_its_own_and_asks_for_a_key() -> None:
    names = [call["operationId"] for _, _, call in CALLS]

    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)
    assert all(call["security"] == [{"apiKey": []}] for _, _, call in CALLS)


def test_every_answer_carries_the_correlation_id() -> None:
    for _, _, call in CALLS:
        for answer in call["responses"].values():
            assert answer["headers"]["X-Correlation-ID"]["required"] is True


def test_every_refusal_comes_in_both_forms_with_the_statuses_of_the_table() -> None:
    for method, _, call in CALLS:
        for status, answer in call["responses"].items():
            if status < "400":
                continue
            assert set(answer["content"]) == {"application/json", "application/problem+json"}
            for code in codes_of(answer):
                assert int(status) in TABLE[code].statuses, (method, status, code)


def test_every_code_can_be_met_somewhere() -> None:
    met = {
        code
        for _, _, call in CALLS
        for status, answer in call["responses"].items()
        if status >= "400"
        for code in codes_of(answer)
    }

    assert met == set(TABLE) == {code.value for code in ErrorCode}


@pytest.mark.parametrize("call", SAVES, ids=lambda call: call["operationId"])
def test_a_save_says_what_its_body_and_key_can_be_refused_with(call: dict[str, Any]) -> None:
    for status in ("400", "413", "415", "422"):
        assert "QUOTE_VALIDATION_FAILED" in codes_of(call["responses"][status])
    names = {parameter["name"] for parameter in call["parameters"]}
    assert {"Idempotency-Key", "X-Correlation-ID", "traceparent"} <= names
    success = next(answer for status, answer in call["responses"].items() if status < "300")
    assert {"ETag", "Idempotent-Replayed"} <= set(success["headers"])


def test_the_severities_and_statuses_are_those_of_the_engine() -> None:
    schemas = document()["components"]["schemas"]

    assert schemas["Error"]["properties"]["severity"]["enum"] == [each.name for each in Severity]
    assert schemas["Quote"]["properties"]["status"]["enum"] == [each.value for each in Status]


def test_every_field_that_is_read_is_documented_and_none_that_is_refused() -> None:
    schemas = document()["components"]["schemas"]

    draft = set(schemas["Draft"]["properties"])
    assert draft == set(QUOTE_FIELDS) | set(ITEM_NAMES)
    assert set(schemas["Change"]["properties"]) == draft | {"version"}
    assert not draft & SERVER_OWNED
    assert set(schemas["Draft"]["required"]) == {
        name for name, field in QUOTE_FIELDS.items() if field.is_required
    }
    for kind, name in {"carRentals": "CarRental", "activities": "Activity"}.items():
        assert set(schemas[name]["properties"]) == set(ITEM_FIELDS[ITEM_NAMES[kind]])


def test_a_valid_body_is_valid_by_the_document() -> None:
    body = json.loads(json.dumps(quote_body(taxes=1), default=str))

    jsonschema_rs.validate(schema_of("Draft"), body)
    jsonschema_rs.validate(schema_of("Change"), body | {"version": 1})
    for claim in (0.1 + 0.2, -5, 9_999_999_999_999, "-0.3000000"):
        jsonschema_rs.validate(schema_of("Draft"), body | {"total": claim, "subtotal": claim})
    jsonschema_rs.validate(schema_of("Send"), {"channel": "email", "to": "a@b.example"})


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Draft", {"tripName": "a"}),
        ("Draft", quote_body(taxes=-1)),
        ("Draft", quote_body(taxes="1e3")),
        ("Draft", quote_body(taxes=1, total="1e3")),
        ("Draft", quote_body(taxes=1, total=10**30)),
        ("Draft", quote_body(taxes=1, status="SENT")),
        ("Draft", quote_body(taxes=1, version=1)),
        ("Draft", quote_body(taxes=1, flights=[{"price": 1}])),
        ("Draft", quote_body(taxes=1, transfers=[{"provider": "a", "price": 1, "x": 1}])),
        (
            "Draft",
            quote_body(
                taxes=1, transfers=[{"provider": "a", "price": 1, "priceType": "per_night"}]
            ),
        ),
        ("Change", {"version": 0}),
        ("Send", {"channel": "fax"}),
        ("Send", {"message": ""}),
        ("Reason", {"reason": 1}),
        ("Version", {"version": "1"}),
    ],
)
def test_a_wrong_body_is_wrong_by_the_document(name: str, body: dict[str, Any]) -> None:
    plain = json.loads(json.dumps(body, default=str))

    assert not jsonschema_rs.is_valid(schema_of(name), plain)


def test_the_document_names_the_release() -> None:
    assert json.loads(document_of("1.2.3"))["info"]["version"] == "1.2.3"
