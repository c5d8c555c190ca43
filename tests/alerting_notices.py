"""Notices for the tests of delivery."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from engine.alerting.channels.channel import Letter
from engine.alerting.notices import Notice, NoticeKind, body_of
from engine.clock import SystemClock

CLOCK: Final = SystemClock()
AT: Final = datetime(2026, 11, 26, 7, 30, tzinfo=UTC)
# Markup of every kind, letters of two units, and what turns a line around.
HOSTILE: Final = (
    "*bold* _it_ `code` [a](http://x) <b>html</b> &amp; 🧨🧨 \u202eright to left\u202c "
    "@everyone /stop e\u0301 👩‍👩‍👧‍👦 \x00\x07 \ud83d end"
)


def notice(**changes: Any) -> Notice:
    """A notice that a rule fires, of an alert of its own unless told otherwise."""
    given: dict[str, Any] = {
        "kind": NoticeKind.FIRING,
        "alert_id": CLOCK.uuid7(),
        "error_code": "DATABASE_TIMEOUT",
        "severity": "CRITICAL",
        "message": "12 of 380 attempts ended with DATABASE_TIMEOUT in 5 minutes.",
        "metrics": {"window_s": 300, "attempts": 380, "bad": 12, "share": 0.0316, "p95_ms": 410.5},
        "timestamp": AT,
        "environment": "test",
        "correlation_id": "01900000-0000-7000-8000-00000000c0de",
        "rule_id": "CRITICAL-003",
        "rule_name": "Database timeouts",
        "runbook_url": "https://saveguard.example/runbooks/alerts#critical-003",
        "dashboard_url": "https://saveguard.example/?from=2026-11-26T07:25Z",
        "alert_url": "https://saveguard.example/alerts?alert=1",
    }
    return Notice(**(given | changes))


def letter(letter_id: UUID | None = None, **changes: Any) -> Letter:
    """A letter of a notice."""
    kept = {name: changes.pop(name) for name in ("is_perhaps_repeated", "nonce") if name in changes}
    return Letter(letter_id or CLOCK.uuid7(), body_of(notice(**changes)), **kept)
