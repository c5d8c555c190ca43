"""A system whose evaluator has run: ticks, watchers, alerts and notices, written as they would be.

All of it ends at noon, when the lookout looks.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from engine.alerting.changes import digest_of
from engine.alerting.loading import own_rules
from engine.clock import SystemClock
from engine.database.target import Target
from tests.database.releases import NOON

RELEASE = "2026.48"
_CLOCK = SystemClock()
_TICKS = """
    INSERT INTO alert_tick
    SELECT number, at - %(lag)s, at, at, 'host', %(release)s, %(digest)s, 37, 0, 0
    FROM generate_series(%(start)s::timestamptz, %(end)s, '10 seconds') WITH ORDINALITY
        AS due(at, number)
"""


def ticked(
    target: Target,
    length: timedelta,
    *,
    until: datetime = NOON,
    release: str = RELEASE,
    digest: bytes | None = None,
    lag: timedelta = timedelta(milliseconds=200),
) -> None:
    """A tick each ten seconds for so long."""
    values = {
        "start": until - length,
        "end": until,
        "release": release,
        "digest": digest_of(own_rules()) if digest is None else digest,
        "lag": lag,
    }
    with psycopg.connect(target.owner) as owner:
        owner.execute(_TICKS, values)


def heard(target: Target, at: datetime = NOON, reason: str | None = None) -> None:
    """The watcher outside has heard of a tick."""
    with psycopg.connect(target.owner) as owner:
        owner.execute("DELETE FROM alert_heartbeat")
        owner.execute("INSERT INTO alert_heartbeat VALUES (1, 1, %s, %s, %s)", [at, at, reason])


def watches(
    target: Target, instance: str, at: datetime = NOON, *, ended_at: datetime | None = None
) -> None:
    """A process whose watchdog has looked."""
    with psycopg.connect(target.owner) as owner:
        owner.execute(
            "INSERT INTO alert_watcher VALUES (gen_random_uuid(), %s, %s, 0, NULL, %s)",
            [instance, at, ended_at],
        )


def alerted(target: Target, **changes: Any) -> UUID:
    """An alert; by itself one of a database timeout, a minute ago, which fires still."""
    row = {
        "id": _CLOCK.uuid7(),
        "rule_id": "CRITICAL-003",
        "severity": "CRITICAL",
        "error_code": "DATABASE_TIMEOUT",
        "environment": "staging",
        "correlation_id": "REQ-1",
        "message": "Database timeouts: 12 of 380 attempts.",
        "numbers": Jsonb({}),
        "fired_at": NOON - timedelta(minutes=1),
        **changes,
    }
    _insert(target, "alert", row)
    return UUID(str(row["id"]))


def put_out(target: Target, **changes: Any) -> UUID:
    """A row of the outbox; by itself a firing that the webhook took at once, a minute ago."""
    at = changes.get("made_at", NOON - timedelta(minutes=1))
    row = {
        "id": _CLOCK.uuid7(),
        "alert_id": _CLOCK.uuid7(),
        "kind": "firing",
        "channel": "webhook",
        "escalates_to": [],
        "urgency": 3,
        "body": Jsonb({}),
        "made_at": at,
        "state": "delivered",
        "tries": 1,
        "ended_at": at,
        "is_perhaps_repeated": False,
        **changes,
    }
    _insert(target, "alert_outbox", row)
    return UUID(str(row["id"]))


def _insert(target: Target, table: str, row: dict[str, Any]) -> None:
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    with psycopg.connect(target.owner) as owner:
        query = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608  # of ours alone
        owner.execute(query.encode(), list(row.values()))
