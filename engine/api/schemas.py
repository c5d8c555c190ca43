"""JSON Schemas of everything on the wire, from the same data that the validation reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, get_args, get_type_hints
from uuid import UUID

from engine.api.exchange import problem_type
from engine.errors import ErrorCode, Severity
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
from engine.saving.request import REASON_FIELDS, SEND_FIELDS

CORRELATION_ID: Final[JsonSchema] = {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"}
VERSION: Final[JsonSchema] = {"type": "integer", "minimum": 1, "maximum": 2_000_000_000}
_UUID: Final[JsonSchema] = {"type": "string", "format": "uuid"}
_INSTANT: Final[JsonSchema] = {"type": "string", "format": "date-time"}
# A caller may write one in place of the other; what a bare date means stands in the reference.
_DATE_OR_INSTANT: Final[JsonSchema] = {"anyOf": [_INSTANT, {"type": "string", "format": "date"}]}


def component(name: str) -> JsonSchema:
    """A reference to a schema under `components`."""
    return {"$ref": f"#/components/schemas/{name}"}


def components() -> dict[str, JsonSchema]:
    """The schemas that calls refer to, by name."""
    items = {_item_name(name): _item(kind) for name, kind in ITEM_NAMES.items()}
    return {
        **items,
        "Draft": _body(_draft_properties(), required=_required(QUOTE_FIELDS)),
        "Change": _body({"version": VERSION, **_draft_properties()}),
        "Send": _body(
            {
                "version": VERSION,
                **{name: nullable(rule.schema) for name, rule in SEND_FIELDS.items()},
            }
        ),
        "Reason": _body(
            {
                "version": VERSION,
                **{name: nullable(rule.schema) for name, rule in REASON_FIELDS.items()},
            }
        ),
        "Version": _body({"version": VERSION}),
        "Quote": _quote(),
        "Revision": _revision(),
        "SavedAnswer": _success(
            quoteId=_UUID, version=VERSION, savedAt=_INSTANT, quote=component("Quote")
        ),
        "DeletedAnswer": _success(quoteId=_UUID, version=VERSION),
        "QuoteAnswer": _success(quote=component("Quote")),
        "PageAnswer": _success(quotes=_list_of(component("Quote")), nextCursor=_NEXT_CURSOR),
        "HistoryAnswer": _success(
            quoteId=_UUID,
            revisions=_list_of(component("Revision")),
            nextCursor=_NEXT_CURSOR,
        ),
        "Error": _error(ErrorCode),
        "Problem": _problem(ErrorCode),
    }


def error_of(codes: Iterable[ErrorCode], base: str) -> JsonSchema:
    """The component `Error` or `Problem`, narrowed to some codes."""
    enum = {"properties": {"errorCode": {"enum": [code.value for code in codes]}}}
    return {"allOf": [component(base), enum]}


def nullable(schema: JsonSchema) -> JsonSchema:
    """The schema, or null."""
    return {"anyOf": [dict(schema), {"type": "null"}]}


# Null on the last page.
_NEXT_CURSOR: Final = nullable({"type": "string"})


def _list_of(schema: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": schema}


def _body(properties: dict[str, JsonSchema], required: Iterable[str] = ()) -> JsonSchema:
    schema: JsonSchema = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    return schema | {"required": list(required)} if required else schema


def _draft_properties() -> dict[str, JsonSchema]:
    properties = {name: _property(field) for name, field in QUOTE_FIELDS.items()}
    for name in ITEM_NAMES:
        item = component(_item_name(name))
        if name == "insurance":
            properties[name] = nullable(item)
        else:
            properties[name] = _list_of(item) | {"maxItems": ITEMS_MAX}
    return properties


def _item(kind: str) -> JsonSchema:
    fields = ITEM_FIELDS[kind]
    properties = {name: _item_property(field) for name, field in fields.items()}
    if kind != "hotels":
        price_types = properties["priceType"]["anyOf"][0]
        price_types["enum"] = [each for each in price_types["enum"] if each != "per_night"]
    return _body(properties, _required(fields))


def _item_property(field: Field) -> JsonSchema:
    """Null stands for an optional field of an item that is not there."""
    schema = _property(field)
    return schema if field.is_required else nullable(schema)


def _item_name(name: str) -> str:
    singular = {"activities": "Activity"}.get(name)
    return singular or name[0].upper() + name[1:].removesuffix("s")


def _required(fields: Mapping[str, Field]) -> list[str]:
    return [name for name, field in fields.items() if field.is_required]


def _property(field: Field) -> JsonSchema:
    schema = dict(field.rule.schema)
    if schema.get("format") in {"date", "date-time"}:
        schema = dict(_DATE_OR_INSTANT)
    if field.is_clearable:
        schema = nullable(schema)
    if field.default is None:
        return schema
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return schema | {"default": default}


def _quote() -> JsonSchema:
    names = dict(
        zip(QuoteRecord.__struct_fields__, QuoteRecord.__struct_encode_fields__, strict=True)
    )
    hints = get_type_hints(QuoteRecord)
    properties = {wire: _answered(hints[field]) for field, wire in names.items()}
    properties |= {name: _draft_properties()[name] for name in ITEM_NAMES}
    properties["status"] = {"type": "string", "enum": [status.value for status in Status]}
    return {"type": "object", "required": list(properties), "properties": properties}


_ANSWERED: Final[Mapping[object, JsonSchema]] = {
    UUID: _UUID,
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Decimal: {"type": "number"},
    datetime: _INSTANT,
    list[str]: _list_of({"type": "string"}),
    list[dict[str, Any]]: _list_of({"type": "object"}),
    dict[str, Any]: {"type": "object"},
}
# What `details` holds depends on the code; these are common to every refused field.
_DETAILS: Final[JsonSchema] = {
    "type": "object",
    "properties": {
        "errors": _list_of(
            {
                "type": "object",
                "required": ["field", "message", "code"],
                "properties": {
                    "field": {"type": "string", "description": "Path, such as hotels[0].nights."},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
            }
        ),
        "errorCount": {"type": "integer", "description": "When errors names but the first."},
    },
}


def _answered(hint: object) -> JsonSchema:
    if hint in _ANSWERED:
        return dict(_ANSWERED[hint])
    inner = next(each for each in get_args(hint) if each is not type(None))
    return nullable(_ANSWERED[inner])


def _revision() -> JsonSchema:
    properties: dict[str, JsonSchema] = {
        "version": VERSION,
        "operation": {"type": "string", "enum": [operation.name for operation in Operation]},
        "modifiedBy": {"type": "string"},
        "modifiedAt": _INSTANT,
        "correlationId": nullable(CORRELATION_ID),
        "changedFields": _list_of({"type": "string"}),
        "quote": component("Quote"),
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def _success(**properties: JsonSchema) -> JsonSchema:
    return {
        "type": "object",
        "required": ["success", "correlationId", *properties],
        "properties": {
            "success": {"type": "boolean", "enum": [True]},
            "correlationId": CORRELATION_ID,
            **properties,
        },
    }


def _error(codes: Iterable[ErrorCode]) -> JsonSchema:
    properties: dict[str, JsonSchema] = {
        "success": {"type": "boolean", "enum": [False]},
        "errorCode": {"type": "string", "enum": [code.value for code in codes]},
        "message": {"type": "string"},
        "severity": {"type": "string", "enum": [severity.name for severity in Severity]},
        "retryable": {"type": "boolean"},
        "correlationId": CORRELATION_ID,
        "details": _DETAILS,
        "timestamp": {"type": "integer", "description": "Milliseconds since 1970."},
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def _problem(codes: Iterable[ErrorCode]) -> JsonSchema:
    error = _error(codes)
    more: dict[str, JsonSchema] = {
        "type": {"type": "string", "enum": [problem_type(code) for code in ErrorCode]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "instance": {"type": "string"},
    }
    return error | {
        "required": [*error["required"], *more],
        "properties": error["properties"] | more,
    }
