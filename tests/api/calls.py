"""Every call that there is, and what makes any two answers differ."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

import httpx

from engine.clock import SystemClock
from tests.api.service import QUOTES
from tests.support import quote_body

# Method, path with `{id}` for a quote's, body.
Call: TypeAlias = tuple[str, str, dict[str, Any] | None]

WRITES: Final[list[Call]] = [
    ("POST", "", quote_body(taxes=120.5)),
    ("PATCH", "/{id}", {"version": 1, "tripName": "Porto"}),
    ("DELETE", "/{id}", {"version": 1}),
    ("DELETE", "/{id}", None),
    ("POST", "/{id}/send", {"channel": "link"}),
    ("POST", "/{id}/send", None),
    ("POST", "/{id}/accept", {"reason": "yes"}),
    ("POST", "/{id}/reject", {"version": 1}),
]
READS: Final[list[Call]] = [
    ("GET", "", None),
    ("GET", "/{id}", None),
    ("GET", "/{id}/history", None),
]
CALLS: Final[list[Call]] = [*WRITES, *READS]
ON_A_QUOTE: Final = [call for call in CALLS if "{id}" in call[1]]


def send(http: httpx.Client, call: Call, quote_id: str, **headers: str) -> httpx.Response:
    """Makes one of the calls."""
    method, path, body = call
    return http.request(method, QUOTES + path.format(id=quote_id), json=body, headers=headers)


def without_ids(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """An answer but for what differs between any two: ids, timestamps, the date."""
    body = re.sub(rb'"timestamp":\d+', b'"timestamp":0', answer.content)
    body = body.replace(answer.headers["x-correlation-id"].encode(), b"ID")
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"date", "x-correlation-id"}
    }
    return answer.status_code, headers, body


class MovedClock(SystemClock):
    """The system's clock, moved by a test."""

    def __init__(self) -> None:
        """Starts where the system's is."""
        self._elapsed = timedelta(0)
        self._set_by = timedelta(0)

    def move(self, by: timedelta) -> None:
        """Lets time pass."""
        self._elapsed += by
        self._set_by += by

    def set_forward(self, by: timedelta) -> None:
        """Moves the calendar alone: no time has passed."""
        self._set_by += by

    def now(self) -> datetime:
        """The instant, moved."""
        return super().now() + self._set_by

    def monotonic(self) -> float:
        """Seconds, and what they were moved by."""
        return super().monotonic() + self._elapsed.total_seconds()
