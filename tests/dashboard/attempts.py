"""Rows of the ledger as tests want them: one of a kind, or a mixture of every kind."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from engine.attempts import ledger
from engine.attempts.ledger import AttemptRow
from engine.attempts.outcome import UNKNOWN_AGENT, Outcome, Source
from engine.clock import SystemClock
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation

CLOCK: Final = SystemClock()
AGENT: Final = CLOCK.uuid7()
WINDOW: Final = timedelta(minutes=5)
# The partitions are made for the present days; an instant within a bucket shows both its edges.
# The next noon: what the database and the file system date by themselves lies before it, at
# whatever hour the tests are run.
_TODAY: Final = CLOCK.now().replace(hour=12, minute=0, second=7, microsecond=500_000)
END: Final = _TODAY if CLOCK.now() < _TODAY - timedelta(hours=1) else _TODAY + timedelta(days=1)
START: Final = END - WINDOW
# The window is widened to tens of seconds.
FIRST: Final = START - timedelta(seconds=7, microseconds=500_000)
LAST: Final = END + timedelta(seconds=2, microseconds=500_000)

_CODES: Final = (
    ErrorCode.QUOTE_VALIDATION_FAILED,
    ErrorCode.QUOTE_CONFLICT_VERSION,
    ErrorCode.QUOTE_ALREADY_SENT,
    ErrorCode.DATABASE_TIMEOUT,
)


def attempt(started_at: datetime = START, code: ErrorCode | None = None, **more: Any) -> AttemptRow:
    """A live attempt that took 10 ms and was committed, unless told otherwise."""
    given: dict[str, Any] = {
        "agent_id": AGENT,
        "started_at": started_at,
        "id": CLOCK.uuid7(),
        "origin_id": 1,
        "duration_us": 10_000,
        "operation": Operation.UPDATE.value,
        "correlation_id": "REQ-SOME",
        "outcome": Outcome.COMMITTED.value,
        "error_code": None,
        "severity": None,
        "retryable": None,
    }
    if code is not None:
        given |= {
            "outcome": ledger.outcome_of(code).value,
            "error_code": TAXONOMY[code].number,
            "severity": TAXONOMY[code].severity.value,
        }
    return AttemptRow(**given | more)


def mixed_attempts(count: int) -> list[AttemptRow]:
    """Attempts of every kind, spread unevenly over eight minutes around the window."""
    rows = []
    for number in range(count):
        chance = number * 2_654_435_761 % 1_000
        code = _CODES[number % 4] if chance < 120 else None
        kind: dict[str, Any] = {
            "operation": 1 + chance % 7,
            "duration_us": 2_000 + chance * chance * 2,
            "retries": chance % 3,
            "correlation_id": f"REQ-{number:06}",
            "quote_id": CLOCK.uuid7() if chance % 2 else None,
        }
        if chance % 11 == 0:
            kind["source"] = Source(2 + chance % 3).value
        elif chance % 13 == 0:
            refused, failed = ErrorCode.AUTHENTICATION_FAILED, ErrorCode.QUOTE_PERSISTENCE_FAILED
            code = failed if chance % 2 else refused
            kind["agent_id"] = UNKNOWN_AGENT
        elif chance % 50 == 1 and code is None:
            kind["outcome"] = Outcome.REPLAYED.value
        elif chance % 97 == 5:
            code = ErrorCode.DATABASE_TIMEOUT
            kind["outcome"] = Outcome.INDETERMINATE.value
        offset = timedelta(microseconds=chance * number * 7_919 % 480_000_000)
        rows.append(attempt(END - timedelta(minutes=6) + offset, code, **kind))
    return rows


def add(connection: psycopg.Connection[Any], *rows: AttemptRow) -> None:
    """Puts rows into the ledger."""
    with connection.pipeline():
        for row in rows:
            ledger.insert(connection, row)
