"""What every refusal must look like, with the taxonomy typed out a second time."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import httpx

from engine.clock import epoch_microseconds
from tests.api.caller import check_documented
from tests.api.service import CLOCK

MEMBERS: Final = {
    "success": bool,
    "errorCode": str,
    "message": str,
    "severity": str,
    "retryable": bool,
    "correlationId": str,
    "details": dict,
    "timestamp": int,
}


class Expected(NamedTuple):
    """A line of the domain page's table."""

    severity: str
    retryable: bool
    statuses: frozenset[int]


def _line(severity: str, retryable: str, *statuses: int) -> Expected:
    return Expected(severity, retryable == "yes", frozenset(statuses))


# domain.md, section 2: the code, how loud, whether to retry, and every status it may come with.
TABLE: Final = {
    "QUOTE_VALIDATION_FAILED": _line("HIGH", "no", 400, 405, 408, 413, 415, 422),
    "QUOTE_STATE_INVALID": _line("HIGH", "no", 409),
    "QUOTE_CONFLICT_VERSION": _line("HIGH", "yes", 409, 412),
    "QUOTE_ALREADY_SENT": _line("CRITICAL", "no", 409),
    "QUOTE_PERSISTENCE_FAILED": _line("CRITICAL", "yes", 500),
    "DATABASE_TIMEOUT": _line("HIGH", "yes", 504),
    "DATABASE_TRANSACTION_ABORTED": _line("CRITICAL", "yes", 503),
    "AUTHENTICATION_FAILED": _line("HIGH", "no", 401),
    "AUTHORIZATION_FAILED": _line("HIGH", "no", 403),
    "CLIENT_NOT_FOUND": _line("HIGH", "no", 404),
    "AGENT_NOT_FOUND": _line("HIGH", "no", 404),
    "QUOTE_NOT_FOUND": _line("HIGH", "no", 404),
    "PRICING_VALIDATION_FAILED": _line("HIGH", "no", 400),
    "CURRENCY_INVALID": _line("HIGH", "no", 400),
    "ITEMS_INCONSISTENT": _line("CRITICAL", "no", 400),
    "QUOTA_EXCEEDED": _line("HIGH", "no", 403),
    "RATE_LIMIT_EXCEEDED": _line("HIGH", "yes", 429),
    "INTERNAL_ERROR": _line("CRITICAL", "no", 500),
}
_CORRELATION_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
_MINUTE_MS: Final = 60_000


def refusal(answer: httpx.Response, code: str, status: int) -> dict[str, Any]:
    """Asserts that an answer is this refusal, well formed and documented; returns its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert {name: type(value) for name, value in body.items()} == MEMBERS
    assert body["errorCode"] == code, body
    expected = TABLE[code]
    assert status in expected.statuses
    assert (body["severity"], body["retryable"]) == (expected.severity, expected.retryable)
    assert body["success"] is False
    assert body["message"]
    assert abs(body["timestamp"] - epoch_microseconds(CLOCK.now()) // 1000) < _MINUTE_MS
    assert body["correlationId"] == answer.headers["x-correlation-id"]
    assert _CORRELATION_ID.fullmatch(body["correlationId"])
    assert answer.headers.get_list("x-correlation-id") == [body["correlationId"]]
    check_documented(answer)
    return body


def marks(body: dict[str, Any]) -> list[tuple[str, str]]:
    """The fields that a refusal lists, with what is wrong with each."""
    return [(error["field"], error["code"]) for error in body["details"]["errors"]]


def fields(body: dict[str, Any]) -> set[str]:
    """The fields that a refusal lists."""
    return {error["field"] for error in body["details"]["errors"]}
