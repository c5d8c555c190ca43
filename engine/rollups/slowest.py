"""The slowest attempts of a window, found without reading the window.

The ledger has no index on durations. But every row of the rollups says how long its longest attempt
took: the slowest n attempts lie in the n rows with the longest ones, because each of those has one
attempt that long. So a few rows of days become a few of hours, of minutes and of tens of seconds,
and only those spans of the ledger are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from engine.attempts.outcome import Outcome
from engine.attempts.partitions import day_start
from engine.quotes.lifecycle import Operation
from engine.rollups.grid import Piece, Tier, Window, cover
from engine.rollups.pieces import FOUND, values_of
from engine.rollups.selection import Filter, Selection
from engine.rollups.series import Look


class Span(NamedTuple):
    """A row of the rollups, or of what they do not hold yet.

    Attributes:
        tier: how long it is.
        start: when it begins.
        longest_us: how long its longest attempt took.
        attempts: how many it counts.
    """

    tier: Tier
    start: datetime
    longest_us: int
    attempts: int

    @property
    def window(self) -> Window:
        """The time it is about."""
        return Window(self.start, self.start + self.tier.length)


class Dropped(NamedTuple):
    """What retention has taken of a window.

    Attributes:
        until: rows that started before are gone.
        longest_us: how long the longest of them took; 0 if there was none.
    """

    until: datetime
    longest_us: int


class Search(NamedTuple):
    """Where the slowest attempts are.

    Two that are equal find the same rows: attempts are added and never changed, and spans say how
    many they count.

    Attributes:
        wanted: which attempts are looked at.
        spans: those that the slowest attempts lie in.
        at_least_us: how long each of them took, at least.
        number: how many are looked for.
        dropped: what can not be found any more; None if nothing was dropped.
    """

    wanted: Filter
    spans: tuple[Span, ...]
    at_least_us: int
    number: int
    dropped: Dropped | None


class SlowAttempt(NamedTuple):
    """One attempt, and where its time went.

    Attributes:
        started_at: when.
        correlation_id: as its caller or we gave it; text that nobody has checked.
        operation: what was tried.
        outcome: how it ended.
        error_code: the code's number, if any.
        quote_id: of which quote, if known.
        retries: how often it was tried again.
        duration_us: all of its time.
        database_us: the database's part, retries included.
    """

    started_at: datetime
    correlation_id: str
    operation: Operation
    outcome: Outcome
    error_code: int | None
    quote_id: UUID | None
    retries: int
    duration_us: int
    database_us: int


def search(
    connection: psycopg.Connection[Any], look: Look, window: Window, wanted: Filter, number: int
) -> Search:
    """Finds the few spans that the slowest attempts of a window lie in.

    Args:
        connection: the one that looks.
        look: at the rollups.
        window: on the grid.
        wanted: which attempts to look at.
        number: how many of the slowest.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    dropped = _dropped(connection, window, wanted)
    if dropped is not None:
        window = Window(min(dropped.until, window.end), window.end)
    tail = _tail(look, window, wanted)
    spans = _slowest([*_rolled(connection, window, wanted), *tail], number)
    for tier in (Tier.DAY, Tier.HOUR, Tier.MINUTE):
        spans = _slowest(_divided(connection, spans, tier, wanted), number)
    is_full = len(spans) == number
    at_least_us = spans[-1].longest_us if is_full else 1
    return Search(wanted, spans, at_least_us, number, dropped)


def fetch(connection: psycopg.Connection[Any], found: Search) -> list[SlowAttempt]:
    """Reads the slowest attempts from the ledger, slowest first.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    if not found.spans:
        return []
    parts = [
        _SLOWEST.format(
            condition=Selection(window, found.wanted, at_least_us=found.at_least_us).condition(),
            number=sql.Literal(found.number),
        )
        for window in _joined(span.window for span in found.spans)
    ]
    # Its literals differ each time: there is nothing to be prepared.
    rows = connection.execute(sql.SQL(" UNION ALL ").join(parts), prepare=False).fetchall()
    attempts = [
        SlowAttempt(at, correlation, Operation(operation), Outcome(outcome), *rest)
        for at, correlation, operation, outcome, *rest in rows
    ]
    attempts.sort(key=lambda each: (-each.duration_us, each.started_at))
    return attempts[: found.number]


def _dropped(connection: psycopg.Connection[Any], window: Window, wanted: Filter) -> Dropped | None:
    """What retention has taken of a window; None if its rows are all there."""
    row = connection.execute(_NEWEST_DROPPED).fetchone()
    if row is None or row[0] is None:
        return None
    until = day_start(row[0] + timedelta(days=1))
    if until <= window.start:
        return None
    gone = _rolled(connection, Window(window.start, min(until, window.end)), wanted)
    return Dropped(until, max((span.longest_us for span in gone), default=0))


def _rolled(connection: psycopg.Connection[Any], window: Window, wanted: Filter) -> list[Span]:
    """The rows of the rollups that are the window."""
    return [span for _, span in _read_spans(connection, enumerate(cover(window)), wanted)]


def _slowest(spans: Iterable[Span], number: int) -> tuple[Span, ...]:
    """Those with the longest attempts, longest first; without any where nothing took any time."""
    timed = (span for span in spans if span.longest_us)
    return tuple(sorted(timed, key=lambda span: (-span.longest_us, span.start))[:number])


def _divided(
    connection: psycopg.Connection[Any], spans: Sequence[Span], tier: Tier, wanted: Filter
) -> list[Span]:
    """The spans, those of this tier by the next finer one wherever its rows are still kept."""
    coarse = [(number, span) for number, span in enumerate(spans) if span.tier is tier]
    pieces = [(number, Piece(Tier(tier - 1), *span.window)) for number, span in coarse]
    parts: defaultdict[int, list[Span]] = defaultdict(list)
    for number, part in _read_spans(connection, pieces, wanted) if pieces else []:
        parts[number].append(part)
    found: list[Span] = []
    for number, span in enumerate(spans):
        fine = parts[number]
        is_whole = sum(part.attempts for part in fine) == span.attempts
        found += fine if fine and is_whole else [span]
    return found


def _read_spans(
    connection: psycopg.Connection[Any], pieces: Iterable[tuple[int, Piece]], wanted: Filter
) -> list[tuple[int, Span]]:
    """The rows of the rollups in some pieces, each with its piece's number."""
    return [
        (number, Span(Tier(tier), start, longest_us, attempts))
        for number, tier, start, longest_us, attempts in connection.execute(
            _SPANS, values_of(pieces, wanted)
        )
    ]


def _tail(look: Look, window: Window, wanted: Filter) -> Iterable[Span]:
    """What no rollup holds yet, in tens of seconds."""
    for cell in look.tail(window.start):
        if (
            cell.grain < window.end
            and wanted.operation in {None, cell.operation}
            and wanted.traffic in {None, cell.traffic}
            and wanted.path in {None, cell.path}
        ):
            yield Span(Tier.TEN_SECONDS, cell.grain, cell.longest_us, cell.attempts)


def _joined(windows: Iterable[Window]) -> list[Window]:
    """The same time in windows that do not touch, so that no attempt is read twice."""
    found: list[Window] = []
    for window in sorted(windows):
        if found and window.start <= found[-1].end:
            found[-1] = Window(found[-1].start, max(found[-1].end, window.end))
        else:
            found.append(window)
    return found


_SPANS: Final = f"""
    -- How long the longest attempts took, row by row; one index range for each piece.
    SELECT piece.number, r.tier, r.bucket, max(r.longest_us), sum(r.attempts)::integer
    {FOUND}
    GROUP BY piece.number, r.tier, r.bucket
"""
_SLOWEST: Final = sql.SQL("""(
    SELECT started_at, correlation_id, operation, outcome, error_code, quote_id, retries,
        duration_us, database_us
    FROM attempt
    WHERE {condition}
    ORDER BY duration_us DESC
    LIMIT {number}
)""")
_NEWEST_DROPPED: Final = "SELECT max(day) FROM dropped_partition"
