"""The roller: takes new attempts into the rollups, one process at a time, exactly once.

Everything is one transaction: the rows are folded and the snapshot that says so is stored together,
or neither is. A roller that is killed has done nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple

import psycopg
from psycopg import errors, sql

from engine.attempts.edge_counts import merge_minutes
from engine.attempts.partitions import day_start, days_of
from engine.clock import Clock
from engine.rollups.counts import ALL_OPERATIONS
from engine.rollups.feeds import Feed, Taking, every_attempt, feed_of
from engine.rollups.fold import CELLS, FOLD
from engine.rollups.grid import Tier, oldest
from engine.rollups.restored import RestoredError, has_foreign_rows, is_beyond, moved

_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtext('saveguard.rollup'))"
_READ: Final = """
    SELECT feed, snapshot, p95_limit_us, p99_limit_us, rolled, runs, rolled_at, is_stale,
        txid_offset, txid_current_snapshot()::text
    FROM rollup_state
"""
_LOCK_STATE: Final = _READ + "FOR UPDATE"
# Sorting and hashing the rows of some seconds; a build takes them by the day.
_WORK_MEMORY: Final = "64MB"


class Limits(NamedTuple):
    """Durations that attempts are counted against, in microseconds."""

    p95_us: int
    p99_us: int


class State(NamedTuple):
    """What `rollup_state` says.

    Attributes:
        feed: how new attempts are found: `snapshot` or `queue`.
        snapshot: of the last run; None when nothing was rolled yet.
        limits: what the rollups were counted against.
        rolled: attempts that they hold.
        runs: how often the roller found something.
        rolled_at: when it ran last.
        is_stale: whether the rollups have to be built anew.
        txid_offset: what the numbers of transactions are moved by.
        present: the snapshot of whoever reads this, moved.
    """

    feed: str
    snapshot: str | None
    limits: Limits
    rolled: int
    runs: int
    rolled_at: datetime | None
    is_stale: bool
    txid_offset: int
    present: str

    @property
    def unrolled(self) -> Feed:
        """Where the attempts are that the rollups do not hold."""
        return feed_of(self.feed, self.snapshot)


def read_state(connection: psycopg.Connection[Any], *, may_be_stale: bool = False) -> State:
    """The rollups' state, as the connection's snapshot sees it.

    Args:
        connection: of the owner or of the application.
        may_be_stale: whether one is wanted that nothing can be told from until a build.

    Raises:
        RestoredError: they are of another server's ledger, and nothing can be told from them.
        psycopg.Error: the database could not be asked.
    """
    state = _state(connection, _READ)
    if state.is_stale and not may_be_stale:
        raise RestoredError
    return state


def is_restored(connection: psycopg.Connection[Any]) -> bool:
    """Whether the ledger is another server's; see `engine.rollups.restored`.

    Args:
        connection: in autocommit; what is asked may take a pass over an index.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        return has_foreign_rows(connection, read_state(connection, may_be_stale=True).present)
    except RestoredError:
        return True
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")


def roll(connection: psycopg.Connection[Any], clock: Clock, limits: Limits) -> int | None:
    """Takes what is new into the rollups; builds them when there are none yet, or for other limits.

    Args:
        connection: of the application, in autocommit.
        clock: which tiers are still kept.
        limits: what attempts are counted against.

    Returns:
        How many attempts it took; None when another process is at it.

    Raises:
        RestoredError: the ledger is another server's; `restored.move_numbers` mends it.
        psycopg.Error: the database could not be asked; nothing was changed.
    """
    try:
        with _alone(connection) as is_alone:
            if not is_alone:
                return None
            state = _locked_state(connection)
            if state.snapshot is None or state.limits != limits or state.is_stale:
                return _build(connection, clock, limits, state, lambda _day, _of: None)
            taken = _fold(connection, clock.now(), limits, state.unrolled.taking(), sql.SQL("true"))
            _prune(connection, clock.now())
            _store(connection, clock.now(), state, limits, state.rolled + taken)
            return taken
    except errors.SerializationFailure:
        # Somebody rolled between our look at the clock and the lock: what we saw is theirs.
        return None
    except RestoredError:
        _mark_stale(connection)
        raise


def rebuild(
    connection: psycopg.Connection[Any],
    clock: Clock,
    limits: Limits,
    *,
    feed: str | None = None,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> int | None:
    """Counts everything that the ledger still holds anew, in one transaction.

    Rollups of days that retention has dropped stay: there is nothing to count them from.

    Args:
        connection: of the application, in autocommit.
        clock: which tiers are kept.
        limits: what attempts are counted against.
        feed: how new attempts are found from now on; as before unless given.
        progress: told after each day how many days are done, and of how many.

    Returns:
        How many attempts were counted; None when another process is rolling.

    Raises:
        RestoredError: the ledger is another server's; `restored.move_numbers` mends it.
        psycopg.Error: the database could not be asked; nothing was changed.
    """
    try:
        with _alone(connection) as is_alone:
            if not is_alone:
                return None
            return _build(connection, clock, limits, _locked_state(connection), progress, feed)
    except errors.SerializationFailure:
        return None
    except RestoredError:
        _mark_stale(connection)
        raise


def _locked_state(connection: psycopg.Connection[Any]) -> State:
    """The state, under its lock, of a ledger that is this server's own.

    Raises:
        RestoredError: it is another server's.
    """
    state = _state(connection, _LOCK_STATE)
    if has_foreign_rows(connection, state.present):
        raise RestoredError
    return state


def _mark_stale(connection: psycopg.Connection[Any]) -> None:
    """Remembers that nothing can be told, until a build has counted everything.

    Each save raises this server's numbers. When they have passed those of the dump nothing shows
    any more that the rows saved before were never counted.
    """
    connection.execute("UPDATE rollup_state SET is_stale = true WHERE NOT is_stale")


@contextmanager
def _alone(connection: psycopg.Connection[Any]) -> Iterator[bool]:
    """A transaction that sees one instant, and whether nobody else rolls meanwhile.

    The lock is tried, not waited for: whoever waited would go on with what it saw before.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    try:
        connection.execute(f"SET LOCAL work_mem = '{_WORK_MEMORY}'")
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        row = connection.execute(_TRY_LOCK).fetchone()
        yield row is not None and row[0]
    except BaseException:
        if not connection.closed:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _state(connection: psycopg.Connection[Any], statement: LiteralString) -> State:
    row = connection.execute(statement).fetchone()
    if row is None:
        raise psycopg.InternalError("the rollups' state has lost its one row")
    feed, snapshot, p95_us, p99_us, rolled, runs, rolled_at, is_stale, offset, now = row
    present = moved(now, offset)
    if is_beyond(snapshot, present):
        raise RestoredError
    limits = Limits(p95_us, p99_us)
    return State(feed, snapshot, limits, rolled, runs, rolled_at, is_stale, offset, present)


def _build(
    connection: psycopg.Connection[Any],
    clock: Clock,
    limits: Limits,
    state: State,
    progress: Callable[[int, int], None],
    feed: str | None = None,
) -> int:
    now = clock.now()
    days = sorted(days_of(connection) - _dropped_days(connection))
    # What came late for a day that retention has dropped is added to what is kept of it.
    elsewhere = sql.SQL("NOT ({})").format(_within(days)) if days else sql.SQL("true")
    added = _fold(connection, now, limits, state.unrolled.taking(), elsewhere)
    connection.execute("DELETE FROM attempt_queue")
    everything = Taking(sql.SQL(""), every_attempt())
    counted = 0
    for done, day in enumerate(days, 1):
        connection.execute(
            sql.SQL("DELETE FROM attempt_rollup WHERE {}").format(_within([day], "bucket"))
        )
        counted += _fold(connection, now, limits, everything, _within([day]))
        progress(done, len(days))
    _prune(connection, now)
    state = state._replace(feed=feed or state.feed)
    _store(connection, now, state, limits, _held(connection))
    return counted + added


def _held(connection: psycopg.Connection[Any]) -> int:
    """How many attempts the rollups hold, those of dropped days included."""
    row = connection.execute(
        """
        SELECT coalesce(sum(attempts), 0)
        FROM attempt_rollup
        WHERE tier = %s AND operation = %s
        """,
        [Tier.DAY.value, ALL_OPERATIONS],
    ).fetchone()
    return 0 if row is None else int(row[0])


def _dropped_days(connection: psycopg.Connection[Any]) -> set[date]:
    rows = connection.execute("SELECT day FROM dropped_partition WHERE day IS NOT NULL")
    return {day for (day,) in rows}


def _within(days: Sequence[date], column: str = "started_at") -> sql.Composable:
    """Whether an instant lies in one of some days, which are in order and mostly neighbours."""
    spans: list[tuple[date, date]] = []
    for day in days:
        following = day + timedelta(days=1)
        if spans and spans[-1][1] == day:
            spans[-1] = (spans[-1][0], following)
        else:
            spans.append((day, following))
    return sql.SQL(" OR ").join(
        sql.SQL("({column} >= {start} AND {column} < {end})").format(
            column=sql.Identifier(column),
            start=sql.Literal(day_start(start)),
            end=sql.Literal(day_start(end)),
        )
        for start, end in spans
    )


def _fold(
    connection: psycopg.Connection[Any],
    now: datetime,
    limits: Limits,
    taking: Taking,
    condition: sql.Composable,
) -> int:
    """Adds attempts to the rollups; how many there were."""
    tiers = sql.SQL(", ").join(
        sql.SQL("({}::smallint, {}::interval, {}::timestamptz)").format(
            sql.Literal(tier.value), sql.Literal(tier.length), sql.Literal(oldest(tier, now))
        )
        for tier in Tier
    )
    statement = sql.SQL(FOLD).format(
        beforehand=taking.beforehand,
        cells=sql.SQL(CELLS).format(source=taking.query, condition=condition, **_literals(limits)),
        tiers=tiers,
    )
    # Its literals differ each time: there is nothing to be prepared.
    row = connection.execute(statement, prepare=False).fetchone()
    return 0 if row is None else int(row[0])


def _literals(limits: Limits) -> dict[str, sql.Composable]:
    return {name: sql.Literal(value) for name, value in limits._asdict().items()}


def _prune(connection: psycopg.Connection[Any], now: datetime) -> None:
    """Forgets the rows of fine tiers that are no longer kept."""
    for tier in Tier:
        limit = oldest(tier, now)
        if limit is not None:
            connection.execute(
                "DELETE FROM attempt_rollup WHERE tier = %s AND bucket < %s", [tier.value, limit]
            )
    merge_minutes(connection, now)


def _store(
    connection: psycopg.Connection[Any], now: datetime, state: State, limits: Limits, rolled: int
) -> None:
    """Writes down what the rollups hold from now on: all that this transaction sees."""
    connection.execute(
        """
        UPDATE rollup_state
        SET feed = %s, snapshot = %s, p95_limit_us = %s, p99_limit_us = %s, rolled = %s,
            runs = runs + 1, rolled_at = %s, is_stale = false
        """,
        [state.feed, state.present, *limits, rolled, now],
    )
