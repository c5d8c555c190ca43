"""The OpenAPI document: every call with everything that it takes and answers.

`CALLS` is the list; FastAPI turns it into the document. The schemas stand in `schemas`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.api.listing import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    LISTED_STATUSES,
    QUOTE_CURSOR,
    REVISION_CURSOR,
)
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
    _C.QUOTE_PERSISTENCE_FAILED,
    _C.DATABASE_TIMEOUT,
    _C.DATABASE_TRANSACTION_ABORTED,
    _C.INTERNAL_ERROR,
)
_READ_ONE: Final = (*_ALWAYS, _C.QUOTE_NOT_FOUND)
_CONTENT: Final = (
    _C.CURRENCY_INVALID,
    _C.PRICING_VALIDATION_FAILED,
    _C.ITEMS_INCONSISTENT,
    _C.CLIENT_NOT_FOUND,
)
_MOVE: Final = (
    *_READ_ONE,
    _C.QUOTE_VALIDATION_FAILED,
    _C.QUOTE_STATE_INVALID,
    _C.QUOTE_CONFLICT_VERSION,
)

# Codes that a save is answered with under more than their usual status: for a body that is too
# large or of another type, for a key used again, and for a version that came as If-Match.
_MORE_STATUSES: Final[Mapping[ErrorCode, tuple[int, ...]]] = {
    _C.QUOTE_VALIDATION_FAILED: (408, 413, 415, 422),
    _C.QUOTE_CONFLICT_VERSION: (412,),
}


def _header(description: str, schema: JsonSchema, *, is_required: bool = True) -> JsonSchema:
    return {"description": description, "schema": schema, "required": is_required}


_COMMON_HEADERS: Final = {
    "X-Correlation-ID": _header("The id of this request, in the ledger, too.", CORRELATION_ID),
    "RateLimit-Policy": _header(
        "The agent's rate limit, if it has one: requests (q) within any so many seconds (w).",
        {"type": "string", "pattern": '^"agent";q=[0-9]+;w=60$'},
        is_required=False,
    ),
    "RateLimit": _header(
        "How many more requests would be let in now (r), and in how many seconds more will (t).",
        {"type": "string", "pattern": '^"agent";r=[0-9]+;t=[0-9]+$'},
        is_required=False,
    ),
}
_ENTITY_TAG: Final = _header(
    "The version that the quote now has, in quotes.", {"type": "string", "pattern": '^"[0-9]+"$'}
)
_REPLAYED: Final = _header(
    "Stands where the answer of an earlier request is given again.",
    {"type": "string", "enum": ["true"]},
    is_required=False,
)
_LOCATION: Final = _header(
    "Address of the new quote.", {"type": "string", "format": "uri-reference"}
)
_SUCCESS_HEADERS: Final = {
    "SavedAnswer": {"ETag": _ENTITY_TAG, "Idempotent-Replayed": _REPLAYED},
    "DeletedAnswer": {"ETag": _ENTITY_TAG, "Idempotent-Replayed": _REPLAYED},
    "QuoteAnswer": {"ETag": _ENTITY_TAG},
    None: {"ETag": _ENTITY_TAG},
}
_REFUSAL_HEADERS: Final = {
    401: {"WWW-Authenticate": _header("How to log in.", {"type": "string"})},
    412: {"ETag": _ENTITY_TAG},
    429: {"Retry-After": _header("Seconds to wait.", {"type": "integer", "minimum": 1})},
}


def _parameter(where: str, name: str, description: str, schema: JsonSchema) -> JsonSchema:
    return {"in": where, "name": name, "description": description, "schema": schema}


_QUOTE_ID: Final = _parameter(
    "path", "quote_id", "Which quote.", {"type": "string", "format": "uuid"}
) | {"required": True}
_TRACING: Final = (
    _parameter(
        "header",
        "X-Correlation-ID",
        "Taken when it is 8 to 64 characters of A-Z a-z 0-9 . _ -, else replaced.",
        {"type": "string"},
    ),
    _parameter("header", "traceparent", "W3C trace context, recorded.", {"type": "string"}),
)
_IF_NONE_MATCH: Final = _parameter(
    "header", "If-None-Match", "Entity tags of the versions already known.", {"type": "string"}
)
_IDEMPOTENCY_KEY: Final = _parameter(
    "header",
    "Idempotency-Key",
    "The same key with the same request gives the first answer again, for 24 hours.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]+$"},
)
_IF_MATCH: Final = _parameter(
    "header",
    "If-Match",
    "The version that this change starts from, in quotes; or * when the body names one.",
    {"type": "string", "pattern": r'^(\*|"[1-9][0-9]{0,8}")$', "examples": ['"3"']},
)
_VERSION_QUERY: Final = _parameter(
    "query", "version", "The version that is to be deleted.", VERSION
)


def _filter(name: str, description: str, schema: JsonSchema) -> JsonSchema:
    return _parameter("query", name, description, schema) | {"allowEmptyValue": True}


def _paging(cursor: str) -> tuple[JsonSchema, ...]:
    """The parameters of every list, whose cursors match a pattern."""
    limit = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
    return (
        _filter("limit", "How many at most; large entries make a page shorter.", limit),
        _filter(
            "cursor", "The nextCursor of the page before.", {"type": "string", "pattern": cursor}
        ),
    )


_LISTING: Final = (
    _filter(
        "status",
        "Only quotes in this status.",
        {"type": "string", "enum": [status.value for status in LISTED_STATUSES]},
    ),
    _filter("clientId", "Only this client's quotes.", {"type": "string", "format": "uuid"}),
    *_paging(QUOTE_CURSOR),
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
            "parameters": [*self.parameters, *_TRACING],
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
            "operation_id": self.summary.lower().replace("'", "").replace(" ", "_"),
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
        codes=(*_ALWAYS, _C.QUOTE_VALIDATION_FAILED, *_CONTENT, _C.QUOTA_EXCEEDED),
        answers={_CREATED: "SavedAnswer"},
        body="Draft",
        is_body_required=True,
        parameters=(_IDEMPOTENCY_KEY,),
    ),
    Call(
        method="GET",
        path="",
        summary="List quotes",
        codes=(*_ALWAYS, _C.QUOTE_VALIDATION_FAILED),
        answers={_OK: "PageAnswer"},
        parameters=_LISTING,
    ),
    Call(
        method="GET",
        path="/{quote_id}",
        summary="Read a quote",
        codes=_READ_ONE,
        answers={_OK: "QuoteAnswer", _NOT_MODIFIED: None},
        parameters=(_QUOTE_ID, _IF_NONE_MATCH),
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
        codes=(*_READ_ONE, _C.QUOTE_VALIDATION_FAILED),
        answers={_OK: "HistoryAnswer"},
        parameters=(_QUOTE_ID, *_paging(REVISION_CURSOR)),
    ),
)


# Where a saved quote can be taken next; a change needs the version, which the answer names.
_NEXT: Final = {
    "read": "read_a_quote",
    "change": "change_a_quote",
    "delete": "delete_a_quote",
    "send": "send_a_quote",
    "accept": "accept_a_quote",
    "reject": "reject_a_quote",
    "history": "read_a_quotes_history",
}


def _links() -> JsonSchema:
    links: JsonSchema = {}
    for name, operation_id in _NEXT.items():
        link: JsonSchema = {
            "operationId": operation_id,
            "parameters": {"path.quote_id": "$response.body#/quoteId"},
        }
        if name not in {"read", "history"}:
            link["requestBody"] = {"version": "$response.body#/version"}
        links[name] = link
    return links


def _responses(call: Call) -> dict[int | str, dict[str, Any]]:
    """Every answer of a call: its successes, and its refusals grouped by status."""
    answers: dict[int | str, dict[str, Any]] = {}
    for status, body in call.answers.items():
        headers = _COMMON_HEADERS | _SUCCESS_HEADERS.get(body, {})
        if status == _CREATED:
            headers |= {"Location": _LOCATION}
        answers[status] = {"description": "Done", "headers": headers}
        if body is not None:
            answers[status]["content"] = {JSON: {"schema": component(body)}}
        if body == "SavedAnswer":
            answers[status]["links"] = _links()
    by_status: dict[int, list[ErrorCode]] = {}
    for code in call.codes:
        more = () if call.method == "GET" else _MORE_STATUSES.get(code, ())
        for status in (TAXONOMY[code].http_status, *more):
            by_status.setdefault(status, []).append(code)
    for status in sorted(by_status):
        codes = by_status[status]
        answers[status] = {
            "description": " / ".join(f"{code}: {TAXONOMY[code].when}" for code in codes),
            "headers": _COMMON_HEADERS | _REFUSAL_HEADERS.get(status, {}),
            "content": {
                JSON: {"schema": error_of(codes, "Error")},
                PROBLEM_JSON: {"schema": error_of(codes, "Problem")},
            },
        }
    return answers
