"""The worst attempt of a window: the one whose correlation id an alert carries.

Of attempts that failed it is the latest one with the most severe code, of slow ones the slowest.
The ledger is never read from end to end: the counters say which codes there are, an index leads to
the newest row of each; and the rollups say where the longest attempt lies (`rollups.slowest`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from engine.alerting.rules import Burning, Condition, Share
from engine.errors import TAXONOMY, ErrorCode
from engine.rollups import slowest
from engine.rollups.counts import Counts
from engine.rollups.grid import Window, window_until
from engine.rollups.parts import Part
from engine.rollups.selection import Filter, Selection, within
from engine.rollups.series import Look
from engine.slo.objectives import SLOWER_THAN_P95, SLOWER_THAN_P99

_SLOW: Final = frozenset({SLOWER_THAN_P95.key, SLOWER_THAN_P99.key})
_CODES: Final = {meaning.number: code for code, meaning in TAXONOMY.items()}


@dataclass(frozen=True, slots=True)
class Worst:
    """An attempt that an alert points at.

    Attributes:
        started_at: when.
        correlation_id: as its caller or we gave it; text that nobody has checked.
        code: of the attempt; None when it has none, as one that was only slow.
    """

    started_at: datetime
    correlation_id: str
    code: ErrorCode | None


class Bad(NamedTuple):
    """The attempts that a condition is about.

    Attributes:
        part: which of the live ones.
        of: of which they are a share.
        length: how far back they are looked for.
        wanted: which attempts are counted at all.
    """

    part: Part
    of: Part
    length: timedelta
    wanted: Filter

    @property
    def is_slow(self) -> bool:
        """Whether they are bad for how long they took."""
        return self.part.key in _SLOW

    def window(self, now: datetime) -> Window:
        """Where they are, as the rollups cut time."""
        return window_until(now, self.length)


def bad_of(condition: Condition) -> Bad | None:
    """The attempts that a condition is about; None when it is about none.

    Of two windows it is the short one, in which it still goes on.
    """
    match condition:
        case Share():
            wanted = Filter(condition.operation, condition.traffic)
            return Bad(condition.bad, condition.of, condition.window, wanted)
        case Burning(objective, pair):
            return Bad(objective.bad, objective.of, pair.short, Filter())
        case _:
            return None


def find(
    connection: psycopg.Connection[Any], look: Look, bad: Bad, counts: Counts, now: datetime
) -> Worst | None:
    """The worst of some attempts; None when there is none, or retention has dropped it.

    Args:
        connection: the one that looks.
        look: at the rollups and the ledger.
        bad: which attempts.
        counts: of their window, whether they are bad or not.
        now: the present instant.

    Raises:
        psycopg.Error: the database could not be asked, or not in time.
    """
    window = bad.window(now)
    if bad.is_slow:
        return _slowest(connection, look, window, bad.wanted)
    for codes in _by_severity(counts):
        found = _newest_coded(connection, window, bad, codes)
        if found is not None:
            return found
    return _newest(connection, look, window, bad, now)


def _slowest(
    connection: psycopg.Connection[Any], look: Look, window: Window, wanted: Filter
) -> Worst | None:
    searched = slowest.search(connection, look, window, wanted, 1)
    for each in slowest.fetch(connection, searched):
        return Worst(each.started_at, each.correlation_id, _CODES.get(each.error_code or 0))
    return None


def _by_severity(counts: Counts) -> Iterator[list[ErrorCode]]:
    """The codes that a window has, those of one severity together, the most severe first."""
    there = [
        _CODES[number] for number, count in counts.by_code.items() if count and number in _CODES
    ]
    ordered = sorted(there, key=lambda code: (-TAXONOMY[code].severity, TAXONOMY[code].number))
    for _severity, codes in groupby(ordered, key=lambda code: TAXONOMY[code].severity):
        yield list(codes)


def _newest_coded(
    connection: psycopg.Connection[Any], window: Window, bad: Bad, codes: Sequence[ErrorCode]
) -> Worst | None:
    return _first(connection, newest_coded(window, bad, codes))


def newest_coded(window: Window, bad: Bad, codes: Sequence[ErrorCode]) -> sql.Composed:
    """A query for the newest attempt that has one of some codes; one step down the index for each.

    Args:
        window: where it is looked for.
        bad: which attempts.
        codes: at least one.
    """
    parts = [
        _NEWEST.format(condition=Selection(window, bad.wanted, bad.part, code).condition())
        for code in codes
    ]
    return _BEST.format(found=sql.SQL(" UNION ALL ").join(parts))


def _newest(
    connection: psycopg.Connection[Any], look: Look, window: Window, bad: Bad, now: datetime
) -> Worst | None:
    """The newest of attempts that have no code, such as those that were only tried again."""
    spans = look.latest(window, [bad.wanted], 1, now, bad.part)
    if not spans:
        return None
    bounds = Window(spans[0].start, spans[-1].end)
    condition = sql.SQL("{} AND ({})").format(
        Selection(bounds, bad.wanted, bad.part).condition(), within(spans)
    )
    return _first(connection, _BEST.format(found=_NEWEST.format(condition=condition)))


def _first(connection: psycopg.Connection[Any], query: sql.Composed) -> Worst | None:
    # Its literals differ each time: there is nothing to be prepared.
    row = connection.execute(query, prepare=False).fetchone()
    if row is None:
        return None
    started_at, correlation_id, number = row
    return Worst(started_at, correlation_id, _CODES.get(number or 0))


# The order is that of `attempt_error_idx`.
_NEWEST: Final = sql.SQL("""(
    SELECT started_at, correlation_id, error_code
    FROM attempt
    WHERE {condition}
    ORDER BY started_at DESC
    LIMIT 1
)""")
_BEST: Final = sql.SQL("""
    -- The attempt that an alert points at.
    SELECT started_at, correlation_id, error_code
    FROM ({found}) AS worst
    ORDER BY started_at DESC
    LIMIT 1
""")
