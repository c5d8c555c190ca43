"""Writers of attempts who do all that makes a careless count wrong, and a checker of the rollups.

Writers commit late, roll back, use savepoints and roll half of them back, write rows of days ago,
and hang up in the middle of a transaction. The checker compares, in one snapshot, rollups and tail
with the raw rows.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from engine.attempts.outcome import Outcome
from engine.clock import SystemClock
from engine.rollups.counts import Counts
from engine.rollups.grid import EPOCH, Tier, Window, ceiling, floor
from engine.rollups.histogram import INDEX_SQL
from engine.rollups.selection import Filter
from engine.rollups.series import Look, looking
from tests.faults.load import Dice

CLOCK: Final = SystemClock()
EVERYTHING: Final = Filter(traffic=None)
_LATE_MAX: Final = timedelta(hours=9)  # often yesterday, whose day is another partition
_VERY_LATE_MAX: Final = timedelta(days=40)  # days without a partition, and beyond the minutes' age

_INSERT: Final = """
    INSERT INTO attempt (
        agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
        error_code, retries, path, source, correlation_id
    ) VALUES (%s, %s, %s, 0, %s, 5, %s, %s, %s, %s, 1, %s, 'correlation')
"""
_NOT: Final = timedelta()


class Writers:
    """Some threads that write attempts until told to stop."""

    def __init__(
        self, conninfo: str, seed: str, threads: int = 6, *, may_lose_server: bool = False
    ) -> None:
        self._conninfo = conninfo
        self._may_lose_server = may_lose_server
        self._seed = seed
        self._threads = threads
        self._stop = threading.Event()
        self.errors: list[BaseException] = []
        self.done: Counter[str] = Counter()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Writers at work while the block runs."""
        threads = [
            threading.Thread(target=self._write, args=(number,), name=f"writer-{number}")
            for number in range(self._threads)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(60)
        assert self.errors == []

    def _write(self, number: int) -> None:
        dice = Dice(f"{self._seed}:{number}")
        try:
            while not self._stop.is_set():
                try:
                    self._write_on_a_line(dice)
                except psycopg.OperationalError:
                    if not self._may_lose_server:
                        raise
                    self.done["server lost"] += 1
                    self._stop.wait(0.1)
        except BaseException as error:  # noqa: BLE001  # told by the test's own thread
            self.errors.append(error)

    def _write_on_a_line(self, dice: Dice) -> None:
        with psycopg.connect(self._conninfo) as connection:
            while not self._stop.is_set() and not connection.closed:
                self._one(connection, dice)

    def _one(self, connection: psycopg.Connection[Any], dice: Dice) -> None:
        for _ in range(1 + int(dice.chance() * 4)):
            _insert(connection, dice)
        if dice.chance() < 0.3:
            connection.execute("SAVEPOINT part")
            _insert(connection, dice)
            if dice.chance() < 0.5:
                connection.execute("ROLLBACK TO SAVEPOINT part")
        # Now and then a transaction stays open over many runs of the roller.
        wait_s = dice.chance() * (2 if dice.chance() < 0.02 else 0.05)
        self._stop.wait(wait_s)
        fate = dice.chance()
        if fate < 0.1:
            connection.rollback()
            self.done["rolled back"] += 1
        elif fate < 0.12:
            connection.pgconn.finish()
            self.done["hung up"] += 1
        else:
            connection.commit()
            self.done["committed"] += 1


def _insert(connection: psycopg.Connection[Any], dice: Dice) -> None:
    now = CLOCK.now()
    fate = dice.chance()
    late = dice.chance() * (_VERY_LATE_MAX if fate < 0.01 else _LATE_MAX if fate < 0.05 else _NOT)
    outcome, code = dice.pick(_ENDS)
    # Heavy tailed, and now and then unknown.
    duration_us = 0 if dice.chance() < 0.01 else int(300 / (1.001 - dice.chance()) ** 1.5)
    connection.execute(
        _INSERT,
        [
            dice.pick(_AGENTS),
            now - late,
            CLOCK.uuid7(),
            duration_us,
            1 + int(dice.chance() * 7),
            outcome,
            code,
            int(dice.chance() * 1.2),
            1 + int(dice.chance() * 1.3),
        ],
    )


_AGENTS: Final = ("00000000-0000-0000-0000-000000000000", "01900000-0000-7000-8000-000000000001")
_ENDS: Final = (
    *[(Outcome.COMMITTED, None)] * 8,
    (Outcome.REJECTED, 1),
    (Outcome.CONFLICT, 3),
    (Outcome.FAILED, 7),
)


# --- the checker ----------------------------------------------------------------------------------


@dataclass
class Checker:
    """Compares rollups and tail with the raw rows, again and again.

    Attributes:
        checks: how often it compared a tier.
        bad: what did not agree.
        longest_tail: most attempts that no rollup held.
    """

    checks: int = 0
    bad: list[str] = field(default_factory=list)
    longest_tail: int = 0

    def check(self, connection: psycopg.Connection[Any]) -> None:
        """Compares every tier once, all in one snapshot."""
        with looking(connection) as look:
            tail = look.tail(EPOCH)
            self.longest_tail = max(self.longest_tail, sum(cell.attempts for cell in tail))
            for tier in Tier:
                self.checks += 1
                self.bad += differences(connection, look, tier, CLOCK.now())


_LOOKED_BACK: Final = {
    Tier.TEN_SECONDS: timedelta(hours=1),
    Tier.MINUTE: _LATE_MAX + timedelta(hours=1),
    Tier.HOUR: _VERY_LATE_MAX + timedelta(days=1),
    Tier.DAY: _VERY_LATE_MAX + timedelta(days=1),
}


def differences(
    connection: psycopg.Connection[Any], look: Look, tier: Tier, now: datetime
) -> list[str]:
    """What a tier says otherwise than the raw rows do."""
    # Of the finest rows only those of the last hour are sure to be kept.
    back = _LOOKED_BACK[tier]
    window = Window(floor(now - back, tier), ceiling(now + timedelta(minutes=1), tier))
    told = {
        bucket.start: _marginals(bucket.counts)
        for bucket in look.series(window, tier, EVERYTHING)
        if bucket.counts.attempts
    }
    raw = _raw(connection, tier, window)
    return [
        f"{tier.name} {start}: told {told.get(start)}, raw {raw.get(start)}"
        for start in sorted(told.keys() | raw.keys())
        if told.get(start) != raw.get(start)
    ]


def _marginals(counts: Counts) -> dict[str, Any]:
    return {
        "attempts": counts.attempts,
        "outcomes": {outcome.value: n for outcome, n in counts.by_outcome.items() if n},
        "codes": {code: n for code, n in counts.by_code.items() if n},
        "histogram": {slot: n for slot, n in counts.histogram.items() if n},
        "retried": counts.retried,
        "over": (counts.over_p95, counts.over_p99),
        "sums": (counts.duration_us, counts.database_us, counts.longest_us),
    }


def _raw(
    connection: psycopg.Connection[Any], tier: Tier, window: Window
) -> dict[datetime, dict[str, Any]]:
    """The same from the rows themselves, counted by a query that shares no code but the mapping."""
    rows = connection.execute(
        f"""
        SELECT
            date_bin(%s, started_at, TIMESTAMPTZ 'epoch'), outcome, error_code,
            CASE WHEN duration_us > 0 THEN {INDEX_SQL.format(us="duration_us")} END,
            count(*), count(*) FILTER (WHERE retries > 0 AND error_code IS DISTINCT FROM 7),
            count(*) FILTER (WHERE duration_us >= 500000),
            count(*) FILTER (WHERE duration_us >= 1000000),
            sum(duration_us), sum(database_us), max(duration_us)
        FROM attempt
        WHERE started_at >= %s AND started_at < %s
        GROUP BY 1, 2, 3, 4
        """,  # noqa: S608  # a constant of ours
        [tier.length, window.start, window.end],
    ).fetchall()
    found: dict[datetime, dict[str, Any]] = {}
    for start, outcome, code, slot, n, retried, over_p95, over_p99, us, db_us, longest in rows:
        told = found.setdefault(
            start,
            {
                "attempts": 0,
                "outcomes": Counter(),
                "codes": Counter(),
                "histogram": Counter(),
                "retried": 0,
                "over": (0, 0),
                "sums": (0, 0, 0),
            },
        )
        told["attempts"] += n
        told["outcomes"][outcome] += n
        if code is not None:
            told["codes"][code] += n
        if slot is not None:
            told["histogram"][slot] += n
        told["retried"] += retried
        told["over"] = (told["over"][0] + over_p95, told["over"][1] + over_p99)
        told["sums"] = (
            told["sums"][0] + int(us),
            told["sums"][1] + int(db_us),
            max(told["sums"][2], longest),
        )
    return found
