"""What tests of alerting say often: a clock that stands, an evaluator, attempts that failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from engine.alerting.evaluator import Evaluator, Judged
from engine.clock import FrozenClock, SystemClock
from engine.database.target import Target
from engine.errors import TAXONOMY, ErrorCode
from engine.rollups.grid import Tier, floor
from engine.rollups.roller import roll
from engine.runtime import Runtime, open_runtime
from engine.settings import Settings
from engine.slo.objectives import LIMITS
from tests.database.attempt_rows import attempt

Row = dict[str, Any]


@dataclass
class Bench:
    """An evaluator over a database of its own, on a clock that moves only when told to."""

    runtime: Runtime
    clock: FrozenClock
    evaluator: Evaluator

    def tick(self, after: float = 10.0) -> Judged:
        """One tick so many seconds later, while roller and watchdog do their work."""
        self.clock.advance(timedelta(seconds=after))
        self.roll()
        self.seen()
        judged = self.evaluator.tick()
        assert judged is not None
        return judged

    def roll(self) -> None:
        """As the roller's job does."""
        with psycopg.connect(self.runtime.target.app, autocommit=True) as connection:
            roll(connection, self.clock, LIMITS)

    def seen(self) -> None:
        """As the watchdog's job does in a process without a spool."""
        with psycopg.connect(self.runtime.target.app, autocommit=True) as connection:
            connection.execute("DELETE FROM alert_watcher")
            connection.execute(
                "INSERT INTO alert_watcher VALUES (gen_random_uuid(), 'test', %s, 0, NULL)",
                [self.clock.now()],
            )

    def fail(self, code: ErrorCode, count: int = 1, **more: Any) -> list[str]:
        """Attempts that ended with a code, now; their correlation ids."""
        row = {"outcome": 5, "error_code": TAXONOMY[code].number, **more}
        return self.attempts(count, **row)

    def save(self, count: int, **more: Any) -> list[str]:
        """Attempts that were committed, now."""
        return self.attempts(count, **more)

    def attempts(self, count: int, **columns: Any) -> list[str]:
        """Attempts, now, one microsecond after the other."""
        given = []
        with (
            psycopg.connect(self.runtime.target.app) as connection,
            connection.cursor() as cursor,
        ):
            rows = []
            for number in range(count):
                started_at = self.clock.now() + timedelta(microseconds=number)
                (*row,) = attempt(started_at, **columns)
                given.append(f"REQ-{row[2]}")
                rows.append((*row, given[-1]))
            cursor.executemany(_INSERT, rows)
        return given

    def rows(self, query: str, *values: Any) -> list[Row]:
        """Rows of the database, by column."""
        with psycopg.connect(self.runtime.target.app, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def states(self) -> dict[str, str]:
        """What rules are in, but for those that are unknown or inactive."""
        found = self.rows("SELECT rule_id, state FROM alert_state")
        calm = {"inactive", "unknown"}
        return {each["rule_id"]: each["state"] for each in found if each["state"] not in calm}

    def alert(self, rule_id: str) -> Row:
        """The newest alert of a rule."""
        return self.rows(
            "SELECT * FROM alert WHERE rule_id = %s ORDER BY fired_at DESC LIMIT 1", rule_id
        )[0]

    def outbox(self, rule_id: str | None = None) -> list[Row]:
        """What waits to go out, in its order; of one rule or of all."""
        return self.rows(
            """
            SELECT * FROM alert_outbox
            WHERE coalesce(body ->> 'ruleId' = %s, true) ORDER BY made_at, channel, id
            """,
            rule_id,
        )


@contextmanager
def alert_bench(settings: Settings, target: Target) -> Iterator[Bench]:
    """A bench on a database, beginning with a ten-second row of the rollups."""
    clock = FrozenClock(floor(SystemClock().now(), Tier.TEN_SECONDS))
    with open_runtime(settings, target, clock=clock) as runtime:
        # A connection that is still being made when the clock moves is given up.
        with runtime.save_pool.connection():
            pass
        yield Bench(runtime, clock, Evaluator(runtime.alert_pool, settings, clock))


_INSERT = """
    INSERT INTO attempt (
        agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
        error_code, retries, path, source, correlation_id
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
