"""Moving windows of the library `limits` in PostgreSQL, shared by every process that asks.

A request is one statement, which is a transaction of its own: it locks the row of whoever is
counted, and no other, for as long as it runs. Time is the database's, which all processes share.

Requests of one second are remembered together and leave the minute with the last of them. So
nobody costs more than 61 such groups, however high the limit; and nobody is ever let in more often
than the limit within a minute, though they may be given room up to a second late.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple, NoReturn

import psycopg
from limits.storage import MovingWindowSupport, Storage

from engine.database.pool import Pool

# Whose, how many, how many seconds they count, the limit; sent as it is (docs/decisions, 0006).
_ACQUIRE: Final = b"""
    -- Counts a request of somebody, if the limit has room for it.
    INSERT INTO limit_window AS held (key, moments, counts, is_granted, expires_at)
    VALUES (
        $1,
        ARRAY[statement_timestamp()],
        ARRAY[$2::integer],
        true,
        statement_timestamp() + make_interval(secs => $3)
    )
    ON CONFLICT (key) DO UPDATE
    SET (moments, counts, is_granted, expires_at) = (
        SELECT
            -- What has left the minute is dropped; a request joins the last group, or begins one.
            CASE
                WHEN NOT is_granted THEN held.moments[oldest:]
                WHEN joins THEN held.moments[oldest:newest - 1] || instant
                ELSE held.moments[oldest:] || instant
            END,
            CASE
                WHEN NOT is_granted THEN held.counts[oldest:]
                WHEN joins
                    THEN held.counts[oldest:newest - 1] || held.counts[newest] + $2::integer
                ELSE held.counts[oldest:] || $2::integer
            END,
            is_granted,
            instant + make_interval(secs => $3)
        FROM (
            SELECT
                newest,
                -- Who waited for the row began before the one who had it; but a moment that is far
                -- ahead is one of before the clock was set back, and holds nobody up.
                CASE
                    WHEN held.moments[newest]
                        BETWEEN statement_timestamp()
                        AND statement_timestamp() + interval '5 s'
                        THEN held.moments[newest]
                    ELSE statement_timestamp()
                END AS instant
            FROM (SELECT cardinality(held.moments) AS newest) AS held_groups
        ) AS present
        CROSS JOIN LATERAL (
            SELECT
                1 + count(*) FILTER (WHERE NOT counts_still) AS oldest,
                coalesce(sum(count) FILTER (WHERE counts_still), 0) + $2 <= $4
                    AS is_granted,
                date_trunc('second', held.moments[newest]) = date_trunc('second', instant)
                    AS joins
            FROM (
                SELECT
                    each.count,
                    held.moments[newest] <= instant + interval '5 s'
                        AND each.moment > instant - make_interval(secs => $3) AS counts_still
                FROM unnest(held.moments, held.counts) AS each (moment, count)
            ) AS groups
        ) AS verdict
    )
    -- Whoever was let in needs to know no more than how much is used, and since when.
    RETURNING
        is_granted,
        CASE WHEN is_granted THEN moments[:1] ELSE moments END,
        CASE
            WHEN is_granted THEN ARRAY[(SELECT sum(count)::integer FROM unnest(counts) AS count)]
            ELSE counts
        END,
        greatest(statement_timestamp(), moments[cardinality(moments)])
"""
_REAP: Final = """
    DELETE FROM limit_window
    WHERE key = ANY (
        SELECT key FROM limit_window
        WHERE expires_at < statement_timestamp()
        LIMIT %(batch)s
        FOR UPDATE SKIP LOCKED
    )
"""


class Window(NamedTuple):
    """Somebody's last minute, as the database has it.

    Attributes:
        is_granted: whether the request was let in, and so is counted.
        moments: the last instant of each group of requests, oldest first; where the request was
            let in, of the oldest group alone.
        counts: how many requests each group has; where it was let in, all of them together.
        instant: when this is, on the database's clock.
    """

    is_granted: bool
    moments: list[datetime]
    counts: list[int]
    instant: datetime

    @property
    def used(self) -> int:
        """How many requests are counted."""
        return sum(self.counts)

    def more_room_in_s(self, most: int, expiry_s: float) -> float:
        """Seconds until there is room for more than now; for another request where there is none.

        Args:
            most: the limit; less than what was used, when it was lowered since.
            expiry_s: how long a request is counted.
        """
        used, wait_s = self.used, 0.0
        enough = min(most, used)
        for moment, count in zip(self.moments, self.counts, strict=True):
            if used < enough:
                break
            used -= count
            wait_s = expiry_s - (self.instant - moment).total_seconds()
        return wait_s


class LimitStorage(Storage, MovingWindowSupport):
    """The storage of one question: asks once, and remembers what it was told.

    What the library may ask besides is answered from that; what only other strategies need is not
    there.
    """

    STORAGE_SCHEME = None

    def __init__(self, pool: Pool, deadline: float) -> None:
        """Asks nothing yet.

        Args:
            pool: lends a connection for the one statement.
            deadline: monotonic seconds after which nothing waits any longer.
        """
        super().__init__()
        self._pool = pool
        self._deadline = deadline
        self._window: Window | None = None

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the database may raise; it passes through as it is."""
        return psycopg.Error

    @property
    def window(self) -> Window:
        """What the database has said.

        Raises:
            LookupError: it was not asked.
        """
        if self._window is None:
            raise LookupError("nothing was asked yet")
        return self._window

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Counts a request, if the limit has room for it; whether it had.

        Raises:
            psycopg.Error: the database could not be asked.
            PoolTimeout: no connection was free in time.
        """
        if amount > limit:
            return False
        with self._pool.connection(self._deadline) as connection:
            cursor = psycopg.RawCursor(connection)
            row = cursor.execute(_ACQUIRE, (key, amount, expiry, limit)).fetchone()
        if row is None:
            raise psycopg.InternalError("a statement that always returns a row returned none")
        self._window = Window(*row)
        return self._window.is_granted

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002  # the library's
        """When the oldest of the counted requests was, in seconds since 1970, and how many."""
        window = self.window
        start = window.moments[0] if window.moments else window.instant
        return start.timestamp(), window.used

    def check(self) -> bool:
        """Whether the database was last known to be there."""
        return not self._pool.is_unreachable

    def clear(self, key: str) -> None:
        """Forgets what somebody has used.

        Raises:
            psycopg.Error: the database could not be asked.
            PoolTimeout: no connection was free in time.
        """
        with self._pool.connection(self._deadline) as connection:
            connection.execute("DELETE FROM limit_window WHERE key = %s", [key])

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:  # noqa: ARG002
        """Of fixed windows."""
        _not_moving()

    def get(self, key: str) -> int:  # noqa: ARG002
        """Of fixed windows."""
        _not_moving()

    def get_expiry(self, key: str) -> float:  # noqa: ARG002
        """Of fixed windows."""
        _not_moving()

    def reset(self) -> int | None:
        """Of tests: everybody's at once is nothing to do to a table that processes share."""
        _not_moving()


def reap(connection: psycopg.Connection[Any], batch: int = 1_000) -> int:
    """Deletes what nobody has used for a minute, in short statements; returns how many.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    total = 0
    while True:
        count = connection.execute(_REAP, {"batch": batch}).rowcount
        total += count
        if count < batch:
            return total


def _not_moving() -> NoReturn:
    raise NotImplementedError("only moving windows are kept")
