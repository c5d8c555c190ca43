"""A past of alerting, written straight into its tables: alerts, notices, tries, silences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from engine.clock import SystemClock
from engine.correlation import make_correlation_id
from engine.errors import TAXONOMY, ErrorCode
from tests.database.attempt_rows import attempt

CLOCK: Final = SystemClock()
_MESSAGES: Final = {
    "CRITICAL-003": "Database timeouts: Database timeouts: 3 of 812 attempts in 5 min (0.369 %),"
    " and there should be none.",
    "HIGH-003": "P95 latency: Attempts over 500 ms: 61 of 812 attempts whose duration is known in"
    " 5 min (7.51 %), above 5 %.",
    "MEDIUM-001": "Invalid quotes: Invalid quotes, prices and currencies: 9 of 812 attempts in"
    " 5 min (1.11 %), above 0.5 %.",
}
_NUMBERS: Final = {
    "attempts": 812,
    "bad": 3,
    "share": 3 / 812,
    "threshold": 0.0,
    "window_s": 300,
    "p95_ms": 31.4,
    "p99_ms": 2004.1,
}


@dataclass(frozen=True)
class Past:
    """Writes a past; every method returns ids."""

    connection: psycopg.Connection[Any]
    now: datetime

    def alert(
        self,
        rule_id: str = "CRITICAL-003",
        *,
        ago: timedelta = timedelta(minutes=12),
        lasted: timedelta | None = None,
        because: str = "",
        **columns: Any,
    ) -> UUID:
        """An alert that began so long ago, with its transition; it fires if it has not lasted."""
        alert_id, fired_at = CLOCK.uuid7(), self.now - ago
        severity = {"C": "CRITICAL", "B": "CRITICAL", "H": "HIGH"}.get(rule_id[0], "MEDIUM")
        row: dict[str, Any] = {
            "id": alert_id,
            "rule_id": rule_id,
            "severity": severity,
            "error_code": "DATABASE_TIMEOUT",
            "environment": "test",
            "correlation_id": make_correlation_id(CLOCK.uuid7()),
            "message": _MESSAGES.get(rule_id, f"{rule_id}: something is above something."),
            "numbers": Jsonb(_NUMBERS),
            "fired_at": fired_at,
            "told_at": fired_at,
            "resolved_at": None if lasted is None else fired_at + lasted,
        } | columns
        self._add("alert", row)
        moves = [("inactive", "firing", fired_at)]
        if lasted is not None:
            moves.append(("firing", "resolved", fired_at + lasted))
        for before, after, at in moves:
            self.transition(
                rule_id,
                before,
                after,
                at,
                alert_id=alert_id,
                reason=because or row["message"].partition(": ")[2] or row["message"],
                correlation_id=row["correlation_id"],
                muted_by=row.get("muted_by"),
            )
        if lasted is None:
            self.state(rule_id, "firing", fired_at, alert_id=alert_id, reason=row["message"])
        return alert_id

    def transition(
        self, rule_id: str, before: str, after: str, at: datetime, **columns: Any
    ) -> None:
        """A change of a rule's state."""
        row = {
            "id": CLOCK.uuid7(),
            "rule_id": rule_id,
            "tick": None,
            "happened_at": at,
            "before": before,
            "after": after,
            "reason": "because",
            "numbers": Jsonb(_NUMBERS),
            "correlation_id": make_correlation_id(CLOCK.uuid7()),
        } | columns
        self._add("alert_transition", row)

    def state(self, rule_id: str, state: str, since: datetime, **columns: Any) -> None:
        """What a rule is in."""
        row = {
            "rule_id": rule_id,
            "state": state,
            "since": since,
            "is_no_data": False,
            "tick": 1,
            "reason": "because",
            "numbers": Jsonb(_NUMBERS),
        } | columns
        self.connection.execute("DELETE FROM alert_state WHERE rule_id = %s", [rule_id])
        self._add("alert_state", row)

    def ticks(self, number: int, *, newest_ago: timedelta, interval_s: float = 10.0) -> None:
        """So many ticks without gaps, the newest so long ago."""
        for each in range(1, number + 1):
            began = self.now - newest_ago - timedelta(seconds=interval_s) * (number - each)
            self._add(
                "alert_tick",
                {
                    "number": each,
                    "due_at": began - timedelta(milliseconds=200),
                    "started_at": began,
                    "ended_at": began,
                    "instance": "test",
                    "release": "test",
                    "rules_digest": b"x",
                    "rules": 36,
                    "unknown": 0,
                    "firing": 0,
                },
            )

    def notice(self, alert_id: UUID, channel: str, **columns: Any) -> UUID:
        """A notice of an alert that was delivered, unless said."""
        outbox_id, made_at = CLOCK.uuid7(), self.now - timedelta(minutes=12)
        row: dict[str, Any] = {
            "id": outbox_id,
            "alert_id": alert_id,
            "kind": "firing",
            "channel": channel,
            "escalates_to": [],
            "urgency": 3,
            "body": Jsonb({"ruleId": "CRITICAL-003", "severity": "CRITICAL", "others": []}),
            "made_at": made_at,
            "state": "delivered",
            "tries": 1,
            "answer": "ok",
            "receipt": "4711",
            "ended_at": made_at + timedelta(seconds=1.4),
            "is_perhaps_repeated": False,
        } | columns
        self._add("alert_outbox", row)
        return outbox_id

    def tried(self, outbox_id: UUID, number: int = 1, **columns: Any) -> None:
        """A try to send a notice."""
        began = self.now - timedelta(minutes=12) + timedelta(seconds=5 * number)
        row = {
            "outbox_id": outbox_id,
            "number": number,
            "started_at": began,
            "ended_at": began + timedelta(seconds=0.3),
            "result": "sent",
            "status": 200,
            "answer": "ok",
        } | columns
        self._add("alert_delivery", row)

    def silence(self, matcher: dict[str, str], **columns: Any) -> UUID:
        """A silence that holds for an hour."""
        silence_id = CLOCK.uuid7()
        row = {
            "id": silence_id,
            "matcher": Jsonb(matcher),
            "reason": "moving the disk",
            "made_at": self.now - timedelta(minutes=20),
            "made_by": "ines",
            "expires_at": self.now + timedelta(hours=1),
        } | columns
        self._add("alert_silence", row)
        return silence_id

    def _add(self, table: str, row: dict[str, Any]) -> None:
        names = ", ".join(row)
        values = ", ".join(f"%({name})s" for name in row)
        statement = f"INSERT INTO {table} ({names}) VALUES ({values})"  # noqa: S608  # ours
        self.connection.execute(statement.encode(), row)


def two_weeks(past: Past) -> None:
    """What two weeks leave behind: some alerts a day, a silence, a cause, channels that failed."""
    hour = timedelta(hours=1)
    for day in range(1, 14):
        past.alert(
            "MEDIUM-001",
            ago=day * 24 * hour + timedelta(minutes=7 * day % 50),
            lasted=timedelta(minutes=9 + day),
            error_code="QUOTE_VALIDATION_FAILED",
            disposition="expected",
            acknowledged_at=past.now - day * 24 * hour,
            acknowledged_by="theo.janssen@agency.example",
        )
        if day % 3 == 0:
            past.alert("HIGH-003", ago=day * 23 * hour, lasted=timedelta(minutes=34))
        if day % 5 == 0:
            past.alert("CRITICAL-003", ago=day * 22 * hour, lasted=timedelta(minutes=21))
    silence_id = past.silence(
        {"rule": "MEDIUM-*"},
        made_at=past.now - 5 * hour,
        expires_at=past.now - hour,
        made_by="theo.janssen@agency.example",
        reason="The import of the old agency is known to send invalid quotes",
    )
    past.alert(
        "MEDIUM-001",
        ago=4 * hour,
        lasted=timedelta(minutes=50),
        muted_by=Jsonb({"silence": str(silence_id)}),
        told_at=None,
        error_code="QUOTE_VALIDATION_FAILED",
    )
    past.silence(
        {"rule": "HIGH-005"},
        reason="Two desks work on the same group booking until noon",
        made_by="maria.lopez@agency.example",
    )


def timeouts(connection: psycopg.Connection[Any], number: int) -> list[str]:
    """Attempts that ran into a timeout of the database, now; their correlation ids."""
    given = []
    for _ in range(number):
        row = attempt(
            CLOCK.now(),
            outcome=5,
            error_code=_TIMEOUT,
            duration_us=2_004_000,
            database_us=2_001_000,
        )
        given.append(make_correlation_id(row[2]))
        connection.execute(_INSERT, [*row, given[-1]])
    return given


_TIMEOUT: Final = TAXONOMY[ErrorCode.DATABASE_TIMEOUT].number
_INSERT: Final = """
    INSERT INTO attempt (
        agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
        error_code, retries, path, source, correlation_id
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
