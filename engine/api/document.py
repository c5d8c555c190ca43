"""The OpenAPI document: every call with everything that it takes and answers.

`CALLS` is the list; FastAPI turns it into the document. The schemas stand in `schemas`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.api.listing import LIMIT_MAX, LISTED_STATUSES
from engine.api.media import JSON, PROBLEM_JSON
from engine.api.schemas import CORRELATION_ID, VERSION, component, error_of
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.shape import JsonSchema

_C: Final = ErrorCode
_OK, _CREATED, _NOT_MODIFIED = 200, 201, 304

# What any call can be refused with.
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
_ONE_QUOTE: Final = (*_ALWAYS, _C.QUOTE_NOT_FOUND)
_CONTENT: Final = (
    _C.CURRENCY_INVALID,
    _C.PRICING_VALIDATION_FAILED,
    _C.ITEMS_INCONSISTENT,
    _C.CLIENT_NOT_FOUND,
)
_MOVE: Final = (*_ONE_QUOTE, _C.QUOTE_STATE_INVALID, _C.QUOTE_CONFLICT_VERSION)

# Codes that are answered with more than their usual status.
_MORE_STATUSES: Final[Mapping[ErrorCode, tuple[int, ...]]] = {
    _C.QUOTE_VALIDATION_FAILED: (405, 413, 415, 422),
    _C.QUOTE_CONFLICT_VERSION: (412,),
}

_COMMON_HEADERS: Final = {"X-Correlation-ID": {"schema": CORRELATION_ID, "required": True}}


def _parameter(where: str, name: str, description: str, schema: JsonSchema) -> JsonSchema:
    return {"in": where, "name": name, "description": description, "schema": schema}


_QUOTE_ID: Final = _parameter("path", "quote_id", "Which quote.", {"type": "string"}) | {
    "required": True
}
_IDEMPOTENCY_KEY: Final = _parameter(
    "header",
    "Idempotency-Key",
    "The same key with the same request gives the first answer again, for 24 hours.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]+$"},
)
_IF_MATCH: Final = _parameter(
    "header",
    "If-Match",
    "The version that this change starts from, in quotes.",
    {"type": "string", "pattern": r'^"[1-9][0-9]{0,8}"$'},
)
_VERSION_QUERY: Final = _parameter(
    "query", "version", "The version that is to be deleted.", VERSION
)
_LISTING: Final = (
    _parameter(
        "query",
        "status",
        "Only quotes in this status.",
        {"type": "string", "enum": [status.value for status in LISTED_STATUSES]},
    ),
    _parameter(
        "query", "clientId", "Only this client's quotes.", {"type": "string", "format": "uuid"}
    ),
    _parameter(
        "query",
        "limit",
        "How many at most.",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": 20},
    ),
    _parameter(
        "query",
        "cursor",
        "The nextCursor of the page before.",
        {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API.

    Attributes:
        method: GET, POST, …
        path: after `/agents/quotes`.
        summary: what it does.
        codes: what it can be refused with.
        answers: status → component of the body, None for an empty one.
        body: component of the request body, None for none.
        is_body_required: whether it may be left out.
        parameters: of header, path and query.
    """

    method: str
    path: str
    summary: str
    codes: tuple[ErrorCode, ...]
    answers: Mapping[int, str | None]
    body: str | None = None
    is_body_required: bool = False
    parameters: tuple[JsonSchema, ...] = ()

    def described(self) -> dict[str, Any]:
        """The keyword arguments that describe the call to FastAPI."""
        extra: dict[str, Any] = {
            "parameters": list(self.parameters),
            "security": [{"apiKey": []}],
        }
        if self.body is not None:
            extra["requestBody"] = {
                "required": self.is_body_required,
                "content": {JSON: {"schema": component(self.body)}},
            }
        return {
            "methods": [self.method],
            "summary": self.summary,
            "operation_id": self.summary.lower().replace("'s", "").replace(" ", "_"),
            "status_code": min(self.answers),
            "responses": _responses(self),
            "openapi_extra": extra,
        }


_KEYED: Final = (_QUOTE_ID, _IDEMPOTENCY_KEY, _IF_MATCH)

CALLS: Final = (
    Call(
        method="POST",
        path="",
        summary="Create a quote",
        codes=(*_ALWAYS, *_CONTENT, _C.QUOTA_EXCEEDED),
        answers={_CREATED: "SavedAnswer"},
        body="Draft",
        is_body_required=True,
        parameters=(_IDEMPOTENCY_KEY,),
    ),
    Call(
        method="GET",
        path="",
        summary="List quotes",
        codes=_ALWAYS,
        answers={_OK: "PageAnswer"},
        parameters=_LISTING,
    ),
    Call(
        method="GET",
        path="/{quote_id}",
        summary="Read a quote",
        codes=_ONE_QUOTE,
        answers={_OK: "QuoteAnswer", _NOT_MODIFIED: None},
        parameters=(_QUOTE_ID,),
    ),
    Call(
        method="PATCH",
        path="/{quote_id}",
        summary="Change a quote",
        codes=(*_MOVE, *_CONTENT, _C.QUOTE_ALREADY_SENT),
        answers={_OK: "SavedAnswer"},
        body="Change",
        is_body_required=True,
        parameters=_KEYED,
    ),
    Call(
        method="DELETE",
        path="/{quote_id}",
        summary="Delete a quote",
        codes=(*_MOVE, _C.QUOTE_ALREADY_SENT),
        answers={_OK: "DeletedAnswer"},
        body="Version",
        parameters=(*_KEYED, _VERSION_QUERY),
    ),
    Call(
        method="POST",
        path="/{quote_id}/send",
        summary="Send a quote",
        codes=(*_MOVE, _C.QUOTE_ALREADY_SENT),
        answers={_OK: "SavedAnswer"},
        body="Send",
        parameters=_KEYED,
    ),
    Call(
        method="POST",
        path="/{quote_id}/accept",
        summary="Accept a quote",
        codes=_MOVE,
        answers={_OK: "SavedAnswer"},
        body="Reason",
        parameters=_KEYED,
    ),
    Call(
        method="POST",
        path="/{quote_id}/reject",
        summary="Reject a quote",
        codes=_MOVE,
        answers={_OK: "SavedAnswer"},
        body="Reason",
        parameters=_KEYED,
    ),
    Call(
        method="GET",
        path="/{quote_id}/history",
        summary="Read a quote's history",
        codes=_ONE_QUOTE,
        answers={_OK: "HistoryAnswer"},
        parameters=(_QUOTE_ID,),
    ),
)


def _responses(call: Call) -> dict[int | str, dict[str, Any]]:
    """Every answer of a call: its successes, and its refusals grouped by status."""
    answers: dict[int | str, dict[str, Any]] = {}
    for status, body in call.answers.items():
        answers[status] = {"description": "Done", "headers": _COMMON_HEADERS}
        if body is not None:
            answers[status]["content"] = {JSON: {"schema": component(body)}}
    by_status: dict[int, list[ErrorCode]] = {}
    for code in call.codes:
        for status in (TAXONOMY[code].http_status, *_MORE_STATUSES.get(code, ())):
            by_status.setdefault(status, []).append(code)
    for status in sorted(by_status):
        codes = by_status[status]
        answers[status] = {
            "description": " / ".join(f"{code}: {TAXONOMY[code].when}" for code in codes),
            "headers": _COMMON_HEADERS,
            "content": {
                JSON: {"schema": error_of(codes, "Error")},
                PROBLEM_JSON: {"schema": error_of(codes, "Problem")},
            },
        }
    return answers
