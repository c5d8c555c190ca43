"""One HTTP exchange: what arrived, and what is answered; no framework in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final
from urllib.parse import parse_qsl, quote
from uuid import UUID

import msgspec

from engine.api.media import JSON, PROBLEM_JSON, accepts_problem
from engine.errors import TAXONOMY, ErrorCode, Refusal
from engine.payload import encode
from engine.saving.answer import RefusalAnswer, refusal_answer

CORRELATION_HEADER: Final = "x-correlation-id"


class Unread(Enum):
    """Why a body was not read to its end."""

    TOO_LARGE = "it is larger than the limit"
    TOO_SLOW = "it did not arrive in time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request, read as far as its bytes go.

    Attributes:
        method: GET, POST, …
        path: without the query.
        query_string: as it came.
        headers: lower-case names; several with one name are joined by commas.
        body: the bytes, or why they were not read.
        correlation_id: accepted or made.
        traceparent: when there was a well-formed one.
        attempt_id: made before anything else.
        started_at: when it arrived, in UTC.
        address: of the caller, on the network; None when it is not known.
        received: when all of it had arrived, on the monotonic clock; how long its caller took to
            send it is no time of ours.
    """

    method: str
    path: str
    # What a caller sends may be a secret, and what is printed ends up in logs.
    query_string: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | Unread = field(repr=False)
    correlation_id: str
    traceparent: str | None
    attempt_id: UUID
    started_at: datetime
    address: str | None
    received: float

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters; several with one name are joined by commas, so none is lost."""
        found: dict[str, str] = {}
        for name, value in parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True):
            found[name] = f"{found[name]},{value}" if name in found else value
        return found

    @property
    def wants_problem(self) -> bool:
        """Whether errors are to come as RFC 9457 problem documents."""
        return accepts_problem(self.headers.get("accept", ""))


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; the correlation id is added to every one."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON


class Problem(RefusalAnswer, rename="camel"):
    """The same members as every refusal, with those of RFC 9457."""

    type: str
    title: str
    status: int
    instance: str


def problem_type(code: ErrorCode) -> str:
    """The URI that names a kind of problem."""
    return f"urn:saveguard:error:{code}"


def refusal_to_answer(
    exchange: Exchange, refusal: Refusal, refused_at: datetime, extra: Mapping[str, str]
) -> Answer:
    """Spells a refusal the way the caller asked for."""
    headers = {**extra, **_headers_of(refusal)}
    answer = refusal_answer(refusal, exchange.correlation_id, refused_at)
    if not exchange.wants_problem:
        return Answer(refusal.http_status, encode(answer), headers)
    problem = Problem(
        **msgspec.structs.asdict(answer),
        type=problem_type(refusal.code),
        title=TAXONOMY[refusal.code].title,
        status=refusal.http_status,
        instance=quote(exchange.path),
    )
    return Answer(refusal.http_status, encode(problem), headers, PROBLEM_JSON)


def _headers_of(refusal: Refusal) -> dict[str, str]:
    match refusal.code:
        case ErrorCode.AUTHENTICATION_FAILED:
            return {"www-authenticate": 'Bearer realm="saveguard"'}
        case ErrorCode.RATE_LIMIT_EXCEEDED:
            return {"retry-after": str(refusal.details.get("retryAfterSeconds", 1))}
        case _:
            return {}
