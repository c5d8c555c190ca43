"""Whether every request that reached an edge is in the ledger, by two counts that share no code.

An edge counts a request before anything is known of it; the ledger has a row of it in the end. Both
are told of the instant at which it arrived, so that they fall into the same minute. They are
compared minute by minute (or hour by hour), and only of time that is well over, because:

- an edge stores its counts each second, and a request may take its whole budget before it has its
  row: what is not a minute old yet is left out;
- a process that is killed takes the counts of its last second along. Its minute then has more rows
  than counts, which proves nothing missing; compared by the minute, that surplus cannot hide a row
  that is missing in another one;
- what a killed process had begun gets its row when its journal is found, and while the database is
  away rows wait in the spool. Until then they are missing, and said to be.

Of several processes only the sum is compared: where one of them died, its surplus may hide what
another one misses in the same minute. Rows of callers within the process and of quotes that expire
never passed an edge and are not counted, see `fold.CELLS`; nor are requests of callers who left
before they had sent them.

The log is the third count: each process counts the lines that it wrote and those that it could not
write. It is held against the edge's count of the same process, for its rows in the ledger are not
told apart from those of others. A process that counts no lines, of a release before there were
any, is not judged. A killed process's last lines are counted again from its files, see
`engine.attempts.line_recount`. Edges are merged into hours of all processes after 16 days; from
then on there is nothing to hold the log against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

import psycopg

from engine.attempts.edge_counts import Counted
from engine.rollups.grid import Tier, Window, finest, floor
from engine.rollups.series import Look

# The longest that a save takes, the sweeper's turn and the edge's, with room to spare.
SETTLED_AFTER: Final = timedelta(minutes=1)


class CoverageState(Enum):
    """What the comparison says."""

    UNKNOWN = "no data"
    COMPLETE = "complete"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class LogCoverage:
    """Requests and log lines of a window, of the processes that have logs.

    Attributes:
        requests: that reached the edge of such a process and were sent whole.
        missing: requests without a line, of which nobody knows why.
        lost: lines that could not be written, and were counted as such.
    """

    requests: int
    missing: int
    lost: int

    @property
    def state(self) -> CoverageState:
        """Complete, missing, or unknown, as that of the ledger."""
        return _state(self.requests, self.missing + self.lost)

    @property
    def share(self) -> float | None:
        """The share of requests that have their line; None without requests."""
        return _share(self.requests, self.missing + self.lost)


NOT_LOGGED: Final = LogCoverage(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Requests and rows of a window.

    Attributes:
        requests: that reached an edge and were sent whole.
        missing: requests without a row.
        uncounted: rows of requests whose count died with its process.
        log: the lines of the same window.
    """

    requests: int
    missing: int
    uncounted: int
    log: LogCoverage = NOT_LOGGED

    @property
    def state(self) -> CoverageState:
        """Complete, missing, or unknown: where nothing arrived there is nothing to be complete."""
        return _state(self.requests, self.missing)

    @property
    def share(self) -> float | None:
        """The share of requests that have their row; None without requests."""
        return _share(self.requests, self.missing)


def _state(requests: int, missing: int) -> CoverageState:
    if missing:
        return CoverageState.MISSING
    return CoverageState.COMPLETE if requests else CoverageState.UNKNOWN


def _share(requests: int, missing: int) -> float | None:
    return max(requests - missing, 0) / requests if requests else None


def coverage(arrived: Mapping[datetime, Counted], rows: Mapping[datetime, int]) -> Coverage:
    """Compares what edges counted with what the ledger has, span by span.

    Args:
        arrived: start of a span → what the edges of all processes counted in it.
        rows: start of the same span → rows of requests that passed an edge.
    """
    requests = missing = uncounted = 0
    for start in arrived.keys() | rows.keys():
        arrivals, left_early = arrived.get(start, _NOBODY)
        # A count of those who left may have been stored, and that of their arrival lost.
        expected, found = max(arrivals - left_early, 0), rows.get(start, 0)
        requests += expected
        missing += max(expected - found, 0)
        uncounted += max(found - expected, 0)
    return Coverage(requests, missing, uncounted)


_NOBODY: Final = Counted(0, 0)


def compared(now: datetime, length: timedelta) -> tuple[Window, Tier]:
    """The part of a window that ends now that is over for good, and in which spans it is compared.

    Args:
        now: the present instant.
        length: of the window, at least some minutes; some weeks are compared by the hour.
    """
    start = now - length
    tier = max(finest(start, now), Tier.MINUTE)
    first = floor(start, tier)
    return Window(first, max(floor(now - SETTLED_AFTER, tier), first)), tier


def measure(
    connection: psycopg.Connection[Any], look: Look, now: datetime, length: timedelta
) -> Coverage:
    """The coverage of a window that ends now.

    Args:
        connection: that of the look, so that both counts are seen at one instant.
        look: at the rollups.
        now: the present instant.
        length: of the window.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    window, tier = compared(now, length)
    values = {"start": window.start, "end": window.end, "span": tier.length}
    rows = connection.execute(_ARRIVALS, values).fetchall()
    arrived = {bucket: Counted(int(arrivals), int(left)) for bucket, arrivals, left in rows}
    of_ledger = coverage(arrived, look.at_edge(window, tier))
    return replace(of_ledger, log=_of_log(connection, values))


def _of_log(connection: psycopg.Connection[Any], values: Mapping[str, object]) -> LogCoverage:
    found = connection.execute(_LINES, values).fetchone()
    return NOT_LOGGED if found is None else LogCoverage(*map(int, found))


_ARRIVALS: Final = """
    SELECT date_bin(%(span)s, bucket, TIMESTAMPTZ 'epoch'), sum(arrivals), sum(left_early)
    FROM edge_count
    WHERE bucket >= %(start)s AND bucket < %(end)s
    GROUP BY 1
"""

# By origin, as a sweeper's lines are its own and count for the process that began the attempt; they
# have no edge beside them. Each table is read once: two sums that are joined afterwards took four
# times as long for a day of ten processes.
_LINES: Final = """
    WITH counted AS (
        SELECT
            sum(greatest(e.arrivals - e.left_early, 0)) AS requests,
            sum(l.written) AS written,
            sum(l.lost) AS lost
        FROM line_count AS l
        LEFT JOIN edge_count AS e
            ON e.bucket = l.bucket AND e.process_id = l.process_id
            AND e.bucket >= %(start)s AND e.bucket < %(end)s
        WHERE l.bucket >= %(start)s AND l.bucket < %(end)s
        GROUP BY l.bucket, l.origin_id
    )
    SELECT
        coalesce(sum(requests), 0),
        coalesce(sum(greatest(requests - written - lost, 0)), 0),
        coalesce(sum(least(requests, lost)), 0)
    FROM counted
    WHERE requests > 0
"""
