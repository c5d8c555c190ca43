"""Attempts written straight into the ledger, and what SQL of the tests' own counts of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from engine.attempts.outcome import Outcome
from engine.clock import SystemClock
from engine.rollups.counts import Counts
from engine.rollups.grid import EPOCH, Window
from engine.rollups.roller import Limits
from engine.rollups.selection import Filter
from engine.rollups.series import looking
from tests.faults.load import Dice

CLOCK: Final = SystemClock()
LIMITS: Final = Limits(500_000, 1_000_000)
EVERYTHING: Final = Filter(traffic=None)
AGENTS: Final = ("00000000-0000-0000-0000-000000000000", "01900000-0000-7000-8000-00000000000a")
# Outcome and code: mostly committed.
_ENDS: Final = (
    *[(1, None)] * 6,
    (2, None),
    (3, 1),
    (3, 8),
    (4, 3),
    (5, 6),
    (5, 7),
    (5, 18),
    (6, 6),
)

_INSERT: Final = """
    INSERT INTO attempt (
        agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
        error_code, retries, path, source, correlation_id
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'correlation')
"""
_QUEUE: Final = """
    INSERT INTO attempt_queue
    SELECT agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
        error_code, retries, path, source
    FROM attempt WHERE id = %s
"""


def attempt(started_at: datetime, **more: Any) -> tuple[Any, ...]:
    """A row of a committed save; `more` changes columns."""
    row = {
        "agent_id": AGENTS[1],
        "started_at": started_at,
        "id": CLOCK.uuid7(),
        "origin_id": 0,
        "duration_us": 900,
        "database_us": 400,
        "operation": 1,
        "outcome": 1,
        "error_code": None,
        "retries": 0,
        "path": 1,
        "source": 1,
    }
    assert more.keys() <= row.keys()
    return tuple((row | more).values())


def any_attempt(dice: Dice, started_at: datetime) -> tuple[Any, ...]:
    """A row of whatever kind, with a heavy tail of durations."""
    outcome, code = dice.pick(_ENDS)
    return attempt(
        started_at,
        agent_id=dice.pick(AGENTS),
        duration_us=0 if dice.chance() < 0.03 else int(300 / (1.0001 - dice.chance()) ** 1.5),
        database_us=int(dice.chance() * 300),
        operation=1 + int(dice.chance() * 7),
        outcome=outcome,
        error_code=code,
        retries=dice.pick((0, 0, 0, 1, 2)),
        path=dice.pick((1, 1, 2)),
        source=dice.pick((1, 1, 1, 2, 3, 4)),
    )


def write(conninfo: str, *rows: tuple[Any, ...], is_queued: bool = False) -> None:
    """Adds rows to the ledger in one transaction, and to the queue as a save would."""
    with psycopg.connect(conninfo) as connection, connection.cursor() as cursor:
        cursor.executemany(_INSERT, rows)
        if is_queued:
            cursor.executemany(_QUEUE, [(row[2],) for row in rows])


def told(conninfo: str) -> int:
    """How many attempts the rollups and the tail tell of, whenever they were."""
    with psycopg.connect(conninfo, autocommit=True) as connection, looking(connection) as look:
        window = Window(EPOCH, datetime(2100, 1, 1, tzinfo=UTC))
        return look.whole(window, EVERYTHING).attempts


_ORACLE: Final = """
    SELECT
        count(*),
        count(*) FILTER (WHERE outcome IN (1, 2)),
        count(*) FILTER (WHERE outcome IN (5, 6)),
        count(*) FILTER (WHERE error_code = 3),
        count(*) FILTER (WHERE (retries > 0 AND error_code IS DISTINCT FROM 7) OR error_code = 7),
        count(*) FILTER (WHERE duration_us > 0),
        count(*) FILTER (WHERE duration_us >= 500000),
        count(*) FILTER (WHERE duration_us >= 1000000),
        coalesce(sum(duration_us), 0)::bigint,
        coalesce(sum(database_us), 0)::bigint,
        coalesce(max(duration_us), 0)
    FROM attempt
    WHERE started_at >= %(start)s AND started_at < %(end)s
        AND (%(operation)s::integer IS NULL OR operation = %(operation)s)
        AND (%(path)s::integer IS NULL OR path = %(path)s)
        AND CASE %(traffic)s::integer
            WHEN 1 THEN source = 1 AND NOT (
                outcome = 3 AND (agent_id = %(nobody)s OR coalesce(error_code, 0) = 8)
            )
            WHEN 5 THEN source = 1 AND outcome = 3
                AND (agent_id = %(nobody)s OR coalesce(error_code, 0) = 8)
            ELSE coalesce(source = %(traffic)s, true)
        END
"""


def oracle(connection: psycopg.Connection[Any], window: Window, wanted: Filter) -> tuple[int, ...]:
    """What a plain query counts; the same numbers as `numbers` takes from counts."""
    row = connection.execute(
        _ORACLE,
        {
            "start": window.start,
            "end": window.end,
            "operation": wanted.operation,
            "path": wanted.path,
            "traffic": wanted.traffic,
            "nobody": AGENTS[0],
        },
    ).fetchone()
    assert row is not None
    return tuple(map(int, row))


def numbers(counts: Counts) -> tuple[int, ...]:
    """The numbers that `oracle` counts."""
    return (
        counts.attempts,
        counts.succeeded,
        counts.ended(Outcome.FAILED, Outcome.INDETERMINATE),
        counts.by_code.get(3, 0),
        counts.rolled_back,
        counts.timed,
        counts.over_p95,
        counts.over_p99,
        counts.duration_us,
        counts.database_us,
        counts.longest_us,
    )
