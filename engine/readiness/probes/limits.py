"""Limits: whether there are connections for everybody, and every wait ends when it should."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final, NamedTuple

import psycopg
from psycopg_pool import PoolTimeout

from engine.database.pool import APPLICATION, Pool, session_settings
from engine.database.sqlstate import classify
from engine.errors import ErrorCode
from engine.readiness.probes.asking import rows
from engine.readiness.probes.probe import Found, Question, decided, failing, passing
from engine.readiness.probes.spans import not_yet
from engine.settings import Settings

_MILLISECOND: Final = timedelta(milliseconds=1)
# For migrations, the readiness pages' own sessions, and whoever looks with psql.
RESERVE: Final = 10
_LATELY: Final = timedelta(minutes=5)
_WAIT_MAX: Final = timedelta(seconds=1)
_SERVER: Final = """
    SELECT
        current_setting('max_connections')::integer
            - current_setting('superuser_reserved_connections')::integer
            - coalesce(current_setting('reserved_connections', true), '0')::integer,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
        (
            SELECT count(*) FROM pg_stat_activity
            WHERE application_name = %(application)s AND state LIKE 'idle in transaction%%'
                AND now() - state_change > interval '1 s'
        )
"""
_PROCESSES: Final = """
    SELECT count(DISTINCT process_id) FROM (
        SELECT process_id FROM edge_count WHERE bucket >= %(since)s
        UNION ALL
        SELECT process_id FROM line_count WHERE bucket >= %(since)s
    ) AS seen
"""
# Alerts are sent on a connection of their own.
_SENDER: Final = 1
# A pool of two, and four who want a connection at once, some times over.
_SMALL, _CROWD, _TURNS = 2, 4, 5
_READ_BACK: Final = """
    SELECT name, setting::bigint FROM pg_settings WHERE name = ANY(%s)
"""
# What role and database say otherwise; a session outside of the pool gets that.
_OVERRIDES: Final = """
    SELECT split_part(each, '=', 1), split_part(each, '=', 2)
    FROM pg_db_role_setting AS s
    CROSS JOIN LATERAL unnest(s.setconfig) AS each
    WHERE s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
        AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
# Long enough to be asleep, so short that nobody minds.
_REDUCED: Final = timedelta(milliseconds=100)
_ASLEEP: Final = "SELECT pg_sleep(30)"
_SECOND_MS: Final = 1000


class Room(NamedTuple):
    """Who needs connections, and how many there are.

    Attributes:
        per_process: that each process may open.
        processes: that were there lately; this one at least.
        available: that the server lets the application have.
        in_use: by anybody, now.
        idle_in_transaction: sessions of ours that hold on to something.
        timeouts: of this process's pools.
        mean_wait: of those who had to wait for a connection, of this process.
        crowd_errors: of a small pool under twice its size of callers.
        left_waiting: callers that the small pool had forgotten afterwards.
    """

    per_process: int
    processes: int
    available: int
    in_use: int
    idle_in_transaction: int
    timeouts: int
    mean_wait: timedelta
    crowd_errors: int
    left_waiting: int

    @property
    def needed(self) -> int:
        """Connections when every process has all of its own, and the reserve."""
        return self.per_process * self.processes + RESERVE


def pool(question: Question) -> Found:
    """`db.pool`: connections suffice for every process, and nobody waits long for one."""
    return not_yet(question) or judged(_room(question))


def judged(room: Room) -> Found:
    """What the arithmetic and the waits come to."""
    numbers = {
        "perProcess": room.per_process,
        "processes": room.processes,
        "available": room.available,
        "inUse": room.in_use,
        "idleInTransaction": room.idle_in_transaction,
        "timeouts": room.timeouts,
        "meanWaitMs": round(room.mean_wait / _MILLISECOND, 3),
        "crowdErrors": room.crowd_errors,
        "leftWaiting": room.left_waiting,
        "needed": room.needed,
        "reserve": RESERVE,
    }
    sum_of_it = f"{room.per_process} x {room.processes} + {RESERVE} = {room.needed}"
    faults = (
        (room.needed >= room.available,
         f"{sum_of_it} connections may be needed, and {room.available} are to be had"),
        (room.timeouts > 0, f"{room.timeouts} times nobody got a connection in time"),
        (room.mean_wait >= _WAIT_MAX,
         f"Whoever waits for a connection waits {room.mean_wait.total_seconds():.1f} s"),
        (room.idle_in_transaction > 0,
         f"{room.idle_in_transaction} sessions are idle within a transaction"),
        (room.crowd_errors > 0 or room.left_waiting > 0,
         f"A crowd of callers met {room.crowd_errors} errors, and {room.left_waiting} still wait"),
    )  # fmt: skip
    for is_wrong, reason in faults:
        if is_wrong:
            return failing(reason, _SERVER, **numbers)
    return passing(
        f"{sum_of_it} connections at most, of {room.available}; 0 waits of this process ran out",
        _SERVER,
        **numbers,
    )


def _room(question: Question) -> Room:
    runtime = question.runtime
    pools = (runtime.save_pool, runtime.read_pool, runtime.alert_pool)
    [(available, in_use, idle)] = rows(question, _SERVER, {"application": APPLICATION})
    [(seen,)] = rows(question, _PROCESSES, {"since": runtime.clock.now() - _LATELY})
    told = [each.stats() for each in pools]
    waits = sum(each.get("requests_queued", 0) for each in told)
    waited_ms = sum(each.get("requests_wait_ms", 0) for each in told)
    errors, left = _crowd(question)
    return Room(
        # The pool of saves is as large as is set, the others as they say themselves.
        per_process=runtime.settings.pool_size
        + sum(each["pool_max"] for each in told[1:])
        + _SENDER,
        processes=max(seen, 1),
        available=available,
        in_use=in_use,
        idle_in_transaction=idle,
        timeouts=sum(each.get("requests_errors", 0) for each in told),
        mean_wait=timedelta(milliseconds=waited_ms / waits) if waits else timedelta(0),
        crowd_errors=errors,
        left_waiting=left,
    )


def _crowd(question: Question) -> tuple[int, int]:
    """Errors of a small pool that twice as many ask as it can serve, and who is left waiting."""
    runtime = question.runtime
    small = Pool(runtime.target, runtime.settings, runtime.clock, size=_SMALL)
    small.open()

    def ask(_: int) -> int:
        errors = 0
        for _turn in range(_TURNS):
            try:
                with small.connection() as connection:
                    connection.execute("SELECT pg_sleep(0.002)")
            except (psycopg.Error, PoolTimeout):
                errors += 1
        return errors

    try:
        with ThreadPoolExecutor(_CROWD) as crowd:
            errors = sum(crowd.map(ask, range(_CROWD)))
        return errors, small.stats().get("requests_waiting", 0)
    finally:
        small.close()


def timeouts(question: Question) -> Found:
    """`db.timeouts`: sessions have our limits, the shorter within the longer, and they work."""
    runtime = question.runtime
    wanted = wanted_ms(runtime.settings)
    with runtime.read_pool.connection() as connection, connection.transaction():
        if not runtime.read_pool.has_session_state:
            # A pooler's sessions are everybody's: each transaction brings its own limits.
            for statement in session_settings(runtime.settings, local=True):
                connection.execute(statement)
        found = dict(connection.execute(_READ_BACK, [list(wanted)]).fetchall())
    overrides = dict(rows(question, _OVERRIDES))
    fault = fault_of(runtime.settings, found, overrides)
    numbers: dict[str, Any] = {
        "wantedMs": wanted,
        "foundMs": found,
        "budgetMs": int(runtime.settings.save_budget / _MILLISECOND),
        "overrides": {name: value for name, value in overrides.items() if name in wanted},
    }
    if fault is not None:
        return failing(fault, f"{_READ_BACK}; {_OVERRIDES}", **numbers)
    code, is_reusable, took = _put_to_sleep(question)
    numbers |= {"sleptMs": round(took / _MILLISECOND, 1), "sleptUntil": code}
    return decided(
        code == ErrorCode.DATABASE_TIMEOUT and is_reusable,
        "Limits are as they are set, in order; a statement that slept was ended as"
        f" {ErrorCode.DATABASE_TIMEOUT.value} after {took / _MILLISECOND:.0f} ms",
        f"A statement that slept past its limit ended as {code or 'done'}, its connection"
        f" {'usable' if is_reusable else 'lost'}",
        f"{_READ_BACK}; SET LOCAL statement_timeout; {_ASLEEP}",
        **numbers,
    )


def wanted_ms(settings: Settings) -> dict[str, int]:
    """The limits of a session, by the server's name, in milliseconds."""
    return {
        "lock_timeout": int(settings.lock_timeout / _MILLISECOND),
        "statement_timeout": int(settings.statement_timeout / _MILLISECOND),
        "idle_in_transaction_session_timeout": int(settings.save_budget / _MILLISECOND),
    }


def fault_of(
    settings: Settings, found: Mapping[str, int], overrides: Mapping[str, str]
) -> str | None:
    """What is wrong with limits; None if nothing is.

    Args:
        settings: as they are set.
        found: in a session of the application, in milliseconds.
        overrides: of role and database, as they are written.
    """
    if not settings.lock_timeout < settings.statement_timeout < settings.save_budget:
        return (
            f"A lock may take {settings.lock_timeout.total_seconds():g} s, a statement"
            f" {settings.statement_timeout.total_seconds():g} s, a save"
            f" {settings.save_budget.total_seconds():g} s: each has to be within the next"
        )
    for name, milliseconds in wanted_ms(settings).items():
        if found.get(name) != milliseconds:
            return f"{name} is {found.get(name)} ms in a session, and set to {milliseconds} ms"
        written = overrides.get(name)
        if written is not None and written not in _spellings(milliseconds):
            return f"{name} is {written} for the role or the database, and set to {milliseconds} ms"
    return None


def _spellings(milliseconds: int) -> set[str]:
    """How somebody may have written as much."""
    spelled = {str(milliseconds), f"{milliseconds}ms"}
    if milliseconds % _SECOND_MS == 0:
        spelled.add(f"{milliseconds // _SECOND_MS}s")
    return spelled


def _put_to_sleep(question: Question) -> tuple[ErrorCode | None, bool, timedelta]:
    """What becomes of a statement that sleeps past a reduced limit, and of its connection."""
    clock = question.runtime.clock
    code: ErrorCode | None = None
    with question.runtime.read_pool.connection() as connection:
        before = clock.monotonic()
        try:
            with connection.transaction():
                limit = int(_REDUCED / _MILLISECOND)
                connection.execute(f"SET LOCAL statement_timeout = {limit}".encode())
                connection.execute(_ASLEEP)
        except psycopg.Error as error:
            code = classify(error, write_was_sent=False).code
        took = timedelta(seconds=clock.monotonic() - before)
        is_reusable = not connection.closed and connection.execute("SELECT 1").fetchone() == (1,)
    return code, is_reusable, took
