"""The API's OpenAPI document, from the same data that the validation reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, get_args, get_type_hints
from uuid import UUID

from engine.api.exchange import JSON, PROBLEM_JSON, problem_type
from engine.api.listing import LIMIT_MAX, LISTED_STATUSES
from engine.errors import TAXONOMY, ErrorCode, Severity
from engine.quotes.lifecycle import Operation, Status
from engine.quotes.record import QuoteRecord
from engine.quotes.shape import (
    ITEM_FIELDS,
    ITEM_NAMES,
    ITEMS_MAX,
    QUOTE_FIELDS,
    Field,
    JsonSchema,
)

_C: Final = ErrorCode

# What any authenticated call can be refused with.
_ALWAYS: Final = (
    _C.AUTHENTICATION_FAILED,
    _C.AGENT_NOT_FOUND,
    _C.AUTHORIZATION_FAILED,
    _C.RATE_LIMIT_EXCEEDED,
    _C.QUOTE_VALIDATION_FAILED,
    _C.QUOTE_PERSISTENCE_FAILED,
    _C.DATABASE_TIMEOUT,
    _C.DATABASE_TRANSACTION_ABORTED,
    _C.INTERNAL_ERROR,
)
_CONTENT: Final = (
    _C.CURRENCY_INVALID,
    _C.PRICING_VALIDATION_FAILED,
    _C.ITEMS_INCONSISTENT,
    _C.CLIENT_NOT_FOUND,
)
_TARGET: Final = (_C.QUOTE_NOT_FOUND, _C.QUOTE_STATE_INVALID, _C.QUOTE_CONFLICT_VERSION)

READ_CODES: Final = _ALWAYS
READ_ONE_CODES: Final = (*_ALWAYS, _C.QUOTE_NOT_FOUND)
CODES: Final[Mapping[Operation, tuple[ErrorCode, ...]]] = {
    Operation.CREATE: (*_ALWAYS, *_CONTENT, _C.QUOTA_EXCEEDED),
    Operation.UPDATE: (*_ALWAYS, *_CONTENT, *_TARGET, _C.QUOTE_ALREADY_SENT),
    Operation.DELETE: (*_ALWAYS, *_TARGET, _C.QUOTE_ALREADY_SENT),
    Operation.SEND: (*_ALWAYS, *_TARGET, _C.QUOTE_ALREADY_SENT),
    Operation.ACCEPT: (*_ALWAYS, *_TARGET),
    Operation.REJECT: (*_ALWAYS, *_TARGET),
}

# A code answered with more than its usual status.
_MORE_STATUSES: Final[Mapping[ErrorCode, tuple[int, ...]]] = {
    _C.QUOTE_VALIDATION_FAILED: (413, 415, 422),
    _C.QUOTE_CONFLICT_VERSION: (412,),
}


def responses(
    codes: Iterable[ErrorCode], success: Mapping[int, JsonSchema | None]
) -> dict[int | str, dict[str, Any]]:
    """Every answer of a call: its successes, and its refusals grouped by status.

    Args:
        codes: the refusals.
        success: status → schema of the body, None for an empty one.
    """
    answers: dict[int | str, dict[str, Any]] = {}
    for status, schema in success.items():
        answers[status] = {"description": "Done", "headers": _COMMON_HEADERS}
        if schema is not None:
            answers[status]["content"] = {JSON: {"schema": schema}}
    by_status: dict[int, list[ErrorCode]] = {}
    for code in codes:
        for status in (TAXONOMY[code].http_status, *_MORE_STATUSES.get(code, ())):
            by_status.setdefault(status, []).append(code)
    for status in sorted(by_status):
        answers[status] = _refusals(by_status[status])
    return answers


def _refusals(codes: list[ErrorCode]) -> dict[str, Any]:
    return {
        "description": " / ".join(f"{code}: {TAXONOMY[code].when}" for code in codes),
        "headers": _COMMON_HEADERS,
        "content": {
            JSON: {"schema": _error_schema(codes)},
            PROBLEM_JSON: {"schema": _problem_schema(codes)},
        },
    }


def _error_schema(codes: list[ErrorCode]) -> JsonSchema:
    return {
        "type": "object",
        "required": [
            "success", "errorCode", "message", "severity", "retryable", "correlationId", "details",
            "timestamp",
        ],
        "properties": {
            "success": {"type": "boolean", "enum": [False]},
            "errorCode": {"type": "string", "enum": [code.value for code in codes]},
            "message": {"type": "string"},
            "severity": {"type": "string", "enum": [severity.name for severity in Severity]},
            "retryable": {"type": "boolean"},
            "correlationId": _CORRELATION_ID,
            "details": {"type": "object"},
            "timestamp": {"type": "integer", "description": "Milliseconds since 1970."},
        },
    }  # fmt: skip


def _problem_schema(codes: list[ErrorCode]) -> JsonSchema:
    schema = _error_schema(codes)
    return schema | {
        "required": [*schema["required"], "type", "title", "status", "instance"],
        "properties": schema["properties"]
        | {
            "type": {"type": "string", "enum": [problem_type(code) for code in codes]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "instance": {"type": "string"},
        },
    }


_CORRELATION_ID: Final[JsonSchema] = {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"}
_COMMON_HEADERS: Final = {"X-Correlation-ID": {"schema": _CORRELATION_ID, "required": True}}


# --- requests -------------------------------------------------------------------------------------


def body(schema: JsonSchema, *, is_required: bool) -> dict[str, Any]:
    """A JSON request body."""
    return {"required": is_required, "content": {JSON: {"schema": schema}}}


def header(name: str, description: str, schema: JsonSchema) -> dict[str, Any]:
    """An optional request header."""
    return {"name": name, "in": "header", "description": description, "schema": schema}


IDEMPOTENCY_HEADER: Final = header(
    "Idempotency-Key",
    "The same key with the same request gives the first answer again, for 24 hours.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]+$"},
)
IF_MATCH_HEADER: Final = header(
    "If-Match",
    "The version that this change starts from, in quotes.",
    {"type": "string", "pattern": r'^"[1-9][0-9]{0,8}"$'},
)
VERSION: Final[JsonSchema] = {"type": "integer", "minimum": 1, "maximum": 2_000_000_000}
LIST_PARAMETERS: Final = [
    {
        "name": name,
        "in": "query",
        "schema": schema,
    }
    for name, schema in (
        ("status", {"type": "string", "enum": [each.value for each in LISTED_STATUSES]}),
        ("clientId", {"type": "string", "format": "uuid"}),
        ("limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}),
        ("cursor", {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"}),
    )
]


def draft_schema() -> JsonSchema:
    """The body of a create."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, field in QUOTE_FIELDS.items() if field.is_required],
        "properties": _draft_properties(),
    }


def change_schema() -> JsonSchema:
    """The body of a change: only what changes, and the version it starts from."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {"version": VERSION, **_draft_properties()},
    }


def send_schema() -> JsonSchema:
    """The optional body of a send."""
    texts = {"type": "string", "minLength": 1}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "version": VERSION,
            "channel": {"type": "string", "enum": ["email", "whatsapp", "link"]},
            "to": texts | {"maxLength": 320},
            "subject": texts,
            "message": texts | {"maxLength": 2000},
        },
    }


def reason_schema() -> JsonSchema:
    """The optional body of an accept or a reject."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {"version": VERSION, "reason": {"type": "string", "maxLength": 2000}},
    }


def version_schema() -> JsonSchema:
    """The optional body of a delete."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {"version": VERSION},
    }


def _draft_properties() -> dict[str, JsonSchema]:
    properties = {name: _property(field) for name, field in QUOTE_FIELDS.items()}
    for name, kind in ITEM_NAMES.items():
        item = _item_schema(ITEM_FIELDS[kind])
        if name == "insurance":
            properties[name] = _nullable(item)
        else:
            properties[name] = {"type": "array", "items": item, "maxItems": ITEMS_MAX}
    return properties


def _property(field: Field) -> JsonSchema:
    schema = _nullable(field.rule.schema) if field.is_clearable else dict(field.rule.schema)
    return schema if field.default is None else schema | {"default": _plain(field.default)}


def _plain(default: object) -> object:
    return list(default) if isinstance(default, tuple) else default


def _item_schema(fields: Mapping[str, Field]) -> JsonSchema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, field in fields.items() if field.is_required],
        "properties": {name: _property(field) for name, field in fields.items()},
    }


def _nullable(schema: JsonSchema) -> JsonSchema:
    return {"anyOf": [dict(schema), {"type": "null"}]}


# --- answers --------------------------------------------------------------------------------------


def saved_schema() -> JsonSchema:
    """The answer of a save."""
    return _success(
        {
            "quoteId": {"type": "string", "format": "uuid"},
            "version": VERSION,
            "savedAt": {"type": "string", "format": "date-time"},
            "quote": quote_schema(),
        }
    )


def deleted_schema() -> JsonSchema:
    """The answer of a delete."""
    return _success({"quoteId": {"type": "string", "format": "uuid"}, "version": VERSION})


def one_schema() -> JsonSchema:
    """The answer of reading one quote."""
    return _success({"quote": quote_schema()})


def page_schema() -> JsonSchema:
    """The answer of reading a page."""
    return _success(
        {
            "quotes": {"type": "array", "items": quote_schema()},
            "nextCursor": _nullable({"type": "string"}),
        }
    )


def history_schema() -> JsonSchema:
    """The answer of reading a history."""
    revision = {
        "type": "object",
        "required": ["version", "operation", "modifiedBy", "modifiedAt", "quote"],
        "properties": {
            "version": VERSION,
            "operation": {"type": "string", "enum": [operation.name for operation in Operation]},
            "modifiedBy": {"type": "string"},
            "modifiedAt": {"type": "string", "format": "date-time"},
            "correlationId": _nullable(_CORRELATION_ID),
            "changedFields": {"type": "array", "items": {"type": "string"}},
            "quote": quote_schema(),
        },
    }
    return _success(
        {
            "quoteId": {"type": "string", "format": "uuid"},
            "revisions": {"type": "array", "items": revision},
        }
    )


def _success(properties: dict[str, JsonSchema]) -> JsonSchema:
    return {
        "type": "object",
        "required": ["success", "correlationId", *properties],
        "properties": {
            "success": {"type": "boolean", "enum": [True]},
            "correlationId": _CORRELATION_ID,
            **properties,
        },
    }


def quote_schema() -> JsonSchema:
    """A quote as it is answered."""
    hints = get_type_hints(QuoteRecord)
    names = dict(
        zip(QuoteRecord.__struct_fields__, QuoteRecord.__struct_encode_fields__, strict=True)
    )
    properties = {names[field]: _answered(hint) for field, hint in hints.items() if field in names}
    properties["status"] = {"type": "string", "enum": [status.value for status in Status]}
    return {"type": "object", "required": list(properties), "properties": properties}


_ANSWERED: Final[Mapping[object, JsonSchema]] = {
    UUID: {"type": "string", "format": "uuid"},
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Decimal: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
    list[str]: {"type": "array", "items": {"type": "string"}},
    list[dict[str, Any]]: {"type": "array", "items": {"type": "object"}},
    dict[str, Any]: {"type": "object"},
}


def _answered(hint: object) -> JsonSchema:
    if hint in _ANSWERED:
        return dict(_ANSWERED[hint])
    inner = next(each for each in get_args(hint) if each is not type(None))
    return _nullable(_ANSWERED[inner])
