"""Reading the rollups: exact to the last committed attempt, however long ago the roller ran.

Every number is rollup rows plus the tail, the attempts that no rollup holds yet, seen in one
snapshot. Percentiles are read from merged histograms. Nothing here writes: a standby will do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from engine.attempts.outcome import Outcome
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import ADDED, NOTHING, Counts, total
from engine.rollups.fold import CELLS
from engine.rollups.grid import Piece, Tier, Window, cover, floor, oldest, starts
from engine.rollups.parts import ALL, Part
from engine.rollups.pieces import FOUND, values_of
from engine.rollups.roller import State, read_state
from engine.rollups.selection import Filter


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was counted of the attempts that started in one row's span."""

    start: datetime
    counts: Counts


class Look:
    """The rollups and the tail as one transaction sees them; see `looking`."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Looks for the first time, which fixes the snapshot.

        Args:
            connection: in a repeatable-read transaction.

        Raises:
            psycopg.Error: the database could not be asked; so do all methods.
        """
        self._connection = connection
        self.state: State = read_state(connection)
        self._tail: tuple[datetime, list[_Cell]] | None = None

    def counts(self, windows: Sequence[Window], wanted: Filter) -> list[Counts]:
        """What was counted in each window; without the histograms, which most do not need."""
        pieces = [
            (number, piece) for number, window in enumerate(windows) for piece in cover(window)
        ]
        rolled = self._rolled(pieces, wanted)
        cells = self._wanted(min(window.start for window in windows), wanted)
        found = (
            total([rolled.get(number, NOTHING), _counted(_between(cells, window))])
            for number, window in enumerate(windows)
        )
        # The tail's alone would pass for that of all.
        return [replace(each, histogram={}) for each in found]

    def series(self, window: Window, tier: Tier, wanted: Filter) -> list[Bucket]:
        """What was counted in each row of a tier that the window has a part of, without gaps.

        The first one is whole, although the window may begin in the middle of it.
        """
        first, *_ = places = starts(window, tier)
        whole = Window(first, max(window.end, places[-1] + tier.length))
        parts: defaultdict[datetime, list[Counts]] = defaultdict(list)
        for row in self._rows([Piece(tier, whole.start, whole.end)], wanted):
            parts[row.bucket].append(row.counts)
        by_place: defaultdict[datetime, list[_Cell]] = defaultdict(list)
        for cell in self.unrolled(whole, wanted):
            by_place[floor(cell.grain, tier)].append(cell)
        for place, cells in by_place.items():
            parts[place].append(_counted(cells))
        return [Bucket(place, total(parts[place])) for place in places]

    def whole(self, window: Window, wanted: Filter) -> Counts:
        """What was counted in a window, histogram included."""
        rows = [row.counts for row in self._rows(cover(window), wanted)]
        return total([*rows, _counted(self.unrolled(window, wanted))])

    def at_edge(self, window: Window, tier: Tier) -> dict[datetime, int]:
        """How many attempts are of requests that an edge counted, too, by rows of a tier.

        Whatever their traffic and path. Those without attempts are left out.

        Args:
            window: beginning and ending with rows of the tier.
            tier: which rows; they are still kept.
        """
        values = values_of([(0, Piece(tier, window.start, window.end))], Filter(traffic=None))
        counted: defaultdict[datetime, int] = defaultdict(int)
        for bucket, count in self._connection.execute(_AT_EDGE, values).fetchall():
            counted[bucket] += int(count)
        for cell in self.tail(window.start):
            if window.start <= cell.grain < window.end:
                counted[floor(cell.grain, tier)] += cell.at_edge
        return dict(counted)

    def by_operation(self, window: Window, wanted: Filter) -> dict[Operation, Counts]:
        """The same for each operation by itself; those without attempts are left out."""
        found = {
            operation: self.whole(window, wanted._replace(operation=operation))
            for operation in Operation
        }
        return {operation: counts for operation, counts in found.items() if counts.attempts}

    def latest(
        self,
        window: Window,
        wanted: Sequence[Filter],
        count: int,
        now: datetime,
        part: Part = ALL,
    ) -> list[Window]:
        """Where the newest attempts of a window are, at least so many of them, oldest first.

        The spans are as narrow as the rollups can tell, and each has some, so that few rows of the
        ledger have to be read however rare the attempts are.

        Args:
            window: on the grid.
            wanted: which attempts; they are counted together.
            count: how many; all of the window if there are fewer.
            now: the present instant.
            part: only attempts that belong to it; rows beside them are not told apart.
        """
        spans = [window]
        for tier in reversed(Tier):
            if tier.length >= window.length:
                continue
            limit = oldest(tier, now)
            pieces = [
                piece
                for span in spans
                for piece in (
                    [span] if limit is not None and span.start < limit else _cut(span, tier)
                )
            ]
            found = [self.counts(pieces, each) for each in wanted]
            counted = [sum(map(part.count, row)) for row in zip(*found, strict=True)]
            spans = [pieces[place] for place in _from_behind(counted, count)]
            if not spans:
                break
        return spans

    def begins(self, since: datetime, wanted: Filter) -> datetime | None:
        """The hour of the first attempts that there are; None without any.

        Args:
            since: attempts that no rollup holds count from here on.
            wanted: which attempts.
        """
        values = values_of([], wanted) | {"tier": Tier.HOUR.value}
        row = self._connection.execute(_BEGINS, values).fetchone()
        rolled = () if row is None or row[0] is None else (row[0],)
        tail = (floor(cell.grain, Tier.HOUR) for cell in self.tail(since) if cell.is_wanted(wanted))
        return min(chain(rolled, tail), default=None)

    def tail_size(self, since: datetime) -> int:
        """How many attempts from an instant on no rollup holds."""
        return sum(cell.attempts for cell in self.tail(since))

    def tail(self, since: datetime) -> list[_Cell]:
        """The attempts from an instant on that no rollup holds, counted as the roller would."""
        if self._tail is None or self._tail[0] > since:
            self._tail = (since, self._read_tail(since))
        known_since, cells = self._tail
        return cells if known_since == since else [each for each in cells if each.grain >= since]

    def unrolled(self, window: Window, wanted: Filter) -> Sequence[_Cell]:
        """Those of the tail that are in a window and looked for, in the order of their instants."""
        return _between(self._wanted(window.start, wanted), window)

    def _wanted(self, since: datetime, wanted: Filter) -> list[_Cell]:
        """Those of the tail that are looked for, in the order of their instants."""
        found = (cell for cell in self.tail(since) if cell.is_wanted(wanted))
        return sorted(found, key=_grain)

    def _read_tail(self, since: datetime) -> list[_Cell]:
        limits = {name: sql.Literal(value) for name, value in self.state.limits._asdict().items()}
        statement = sql.SQL(CELLS).format(
            source=self.state.unrolled.unrolled(),
            condition=sql.SQL("started_at >= {}").format(sql.Literal(since)),
            **limits,
        )
        # Its literals differ each time: there is nothing to be prepared.
        rows = self._connection.execute(statement, prepare=False).fetchall()
        return [_Cell(*row) for row in rows]

    def _rolled(self, pieces: Sequence[tuple[int, Piece]], wanted: Filter) -> dict[int, Counts]:
        """Sums of the rollups' rows, by the number of their window."""
        values = values_of(pieces, wanted)
        codes: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for number, code, count in self._connection.execute(_CODES, values).fetchall():
            codes[number][code] = count
        return {
            number: _counts(sums, codes.get(number, {}), {})
            for number, *sums in self._connection.execute(_SUMS, values).fetchall()
        }

    def _rows(self, pieces: Sequence[Piece], wanted: Filter) -> list[_Row]:
        """The rollups' rows themselves."""
        values = values_of([(0, piece) for piece in pieces], wanted)
        with self._connection.cursor(binary=True) as cursor:
            rows = cursor.execute(_ROWS, values).fetchall()
        return [
            _Row(
                bucket,
                _counts(sums, dict(zip(codes, code_counts, strict=True)), _pairs(slots, counts)),
            )
            for bucket, codes, code_counts, slots, counts, *sums in rows
        ]


@contextmanager
def looking(connection: psycopg.Connection[Any]) -> Iterator[Look]:
    """One consistent look at rollups and ledger.

    Args:
        connection: in autocommit.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield Look(connection)
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")


class _Cell(NamedTuple):
    """Attempts of the tail that are alike; see `fold.CELLS`."""

    grain: datetime
    operation: int
    traffic: int
    path: int
    outcome: int
    code: int
    slot: int | None
    attempts: int
    retried: int
    at_edge: int
    over_p95: int
    over_p99: int
    duration_us: int
    database_us: int
    longest_us: int

    def is_wanted(self, wanted: Filter) -> bool:
        """Whether these attempts are looked for."""
        return (
            (wanted.operation is None or self.operation == wanted.operation.value)
            and (wanted.traffic is None or self.traffic == wanted.traffic)
            and (wanted.path is None or self.path == wanted.path)
        )


_grain: Final = attrgetter("grain")


def _between(cells: Sequence[_Cell], window: Window) -> Sequence[_Cell]:
    """Those of a window, out of cells in the order of their instants."""
    first = bisect_left(cells, window.start, key=_grain)
    return cells[first : bisect_left(cells, window.end, first, key=_grain)]


class _Row(NamedTuple):
    """A row of the rollups."""

    bucket: datetime
    counts: Counts


_ADDED: Final = (*ADDED, "longest_us")


def _cut(span: Window, tier: Tier) -> list[Window]:
    """The pieces of a span, each in one row of a tier."""
    return [
        Window(max(start, span.start), min(start + tier.length, span.end))
        for start in starts(span, tier)
    ]


def _from_behind(counted: Sequence[int], wanted: int) -> list[int]:
    """The last places that have any, up to so many in all; in their order."""
    reached, places = 0, []
    for place in range(len(counted) - 1, -1, -1):
        if counted[place]:
            reached += counted[place]
            places.append(place)
        if reached >= wanted:
            break
    return places[::-1]


def _counted(cells: Iterable[_Cell]) -> Counts:
    cells = list(cells)
    if not cells:
        return NOTHING
    by_outcome: dict[Outcome, int] = {}
    by_code: dict[int, int] = {}
    histogram: dict[int, int] = {}
    for cell in cells:
        outcome = Outcome(cell.outcome)
        by_outcome[outcome] = by_outcome.get(outcome, 0) + cell.attempts
        if cell.code:
            by_code[cell.code] = by_code.get(cell.code, 0) + cell.attempts
        if cell.slot is not None:
            histogram[cell.slot] = histogram.get(cell.slot, 0) + cell.attempts
    return Counts(
        attempts=sum(cell.attempts for cell in cells),
        by_outcome=by_outcome,
        by_code=by_code,
        retried=sum(cell.retried for cell in cells),
        at_edge=sum(cell.at_edge for cell in cells),
        timed=sum(histogram.values()),
        over_p95=sum(cell.over_p95 for cell in cells),
        over_p99=sum(cell.over_p99 for cell in cells),
        duration_us=sum(int(cell.duration_us) for cell in cells),
        database_us=sum(int(cell.database_us) for cell in cells),
        longest_us=max(cell.longest_us for cell in cells),
        histogram=histogram,
    )


def _counts(
    sums: Sequence[int], by_code: Mapping[int, int], histogram: Mapping[int, int]
) -> Counts:
    """Counts from the columns of `_SUMMED`."""
    ended, added = sums[: len(Outcome)], sums[len(Outcome) :]
    by_outcome = {
        outcome: int(count) for outcome, count in zip(Outcome, ended, strict=True) if count
    }
    named = dict(zip(_ADDED, map(int, added), strict=True))
    return Counts(**named, by_outcome=by_outcome, by_code=by_code, histogram=histogram)


def _pairs(slots: Sequence[int], counts: Sequence[int]) -> dict[int, int]:
    return dict(zip(slots, counts, strict=True))


_OUTCOMES: Final = [f"r.outcomes[{outcome}]" for outcome in Outcome]
_SUMMED: Final = ", ".join(
    chain(
        (f"sum({each})" for each in _OUTCOMES),
        (f"sum(r.{name})" for name in ADDED),
        ("max(r.longest_us)",),
    )
)
_SUMS: Final = f"""
    -- Counters of some windows, each put together from pieces of several tiers.
    SELECT piece.number, {_SUMMED}
    {FOUND}
    GROUP BY piece.number
"""
_AT_EDGE: Final = f"""
    -- Attempts that an edge counted, too.
    SELECT r.bucket, sum(r.at_edge)
    {FOUND}
    GROUP BY r.bucket
"""
_BEGINS: Final = """
    -- When the first attempts came; rows of hours are kept for longer than anybody asks.
    SELECT min(bucket)
    FROM attempt_rollup
    WHERE tier = %(tier)s
        AND operation = %(operation)s
        AND (%(traffic)s::smallint IS NULL OR traffic = %(traffic)s)
        AND (%(path)s::smallint IS NULL OR path = %(path)s)
"""
_CODES: Final = f"""
    -- Error codes of some windows.
    SELECT piece.number, coded.code, sum(coded.count)::bigint
    {FOUND}
    CROSS JOIN LATERAL unnest(r.codes, r.code_counts) AS coded (code, count)
    GROUP BY piece.number, coded.code
"""
_ROWS: Final = f"""
    -- Rows of the rollups, histograms included.
    SELECT r.bucket, r.codes, r.code_counts, r.slots, r.slot_counts,
        {", ".join(_OUTCOMES)}, {", ".join(f"r.{name}" for name in _ADDED)}
    {FOUND}
    ORDER BY r.bucket
"""
