"""A number's receipt: how many attempts it counts by the rollups, and by the ledger's own rows.

Both are looked at in one snapshot, so they agree or something is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

import psycopg
from psycopg import sql

from engine.attempts.partitions import day_start
from engine.errors import TAXONOMY
from engine.rollups import parts, rows
from engine.rollups.counts import Counts
from engine.rollups.grid import Tier, Window, ceiling, cover, finest, floor, oldest
from engine.rollups.histogram import bucket_of
from engine.rollups.selection import Filter, Selection
from engine.rollups.series import Look, looking

# So many rows are counted again while the viewer waits: a tenth of a second's work.
AT_ONCE: Final = 200_000
_EVERYTHING: Final = Filter(traffic=None)
# What counting looks at no more rows for than have an error code: its condition asks for one.
_HAVE_CODE: Final = (
    parts.UNSUCCESSFUL,
    parts.SERVICE_FAILURES,
    parts.CALLERS_ERRORS,
    parts.CRITICAL_ERRORS,
    parts.CRITICAL_AND_ALREADY_SENT,
    parts.CONFLICTS,
    parts.VALIDATIONS,
    parts.INTERNAL_ERRORS,
    parts.TIMEOUTS,
    parts.ABORTED,
)


class Untold(Enum):
    """Why the rollups cannot tell a selection's number."""

    WINDOW = "window"
    DURATIONS = "durations"
    FIELDS = "fields"
    CODE_OF_PART = "code of part"


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many attempts a selection has.

    Attributes:
        rolled: by rollups and tail; None where they cannot tell.
        untold: why they cannot.
        kept: the part of the window whose rows the ledger still has; None if it has none of them.
        rolled_kept: by rollups and tail, of that part.
        counted: by the rows of that part; None if they were not counted.
        to_look_at: about how many rows one looks at to count them.
    """

    rolled: int | None
    untold: Untold | None
    kept: Window | None
    rolled_kept: int | None
    counted: int | None
    to_look_at: int

    @property
    def agrees(self) -> bool | None:
        """Whether both numbers are the same; None where one of them is missing."""
        if self.rolled_kept is None or self.counted is None:
            return None
        return self.rolled_kept == self.counted


def read(
    connection: psycopg.Connection[Any],
    selection: Selection,
    now: datetime,
    patience: timedelta | None = None,
) -> Receipt:
    """The receipt of a selection.

    Args:
        connection: in autocommit.
        selection: of the attempts.
        now: the present instant, which says which rollups are still kept.
        patience: how long to count rows, however many there are; if None they are counted when
            there are few, see `AT_ONCE`.

    Raises:
        psycopg.Error: the database could not be asked, or was not done in time.
    """
    with looking(connection) as look:
        kept = kept_part(connection, selection.window)
        untold = why_untold(selection, now)
        of_all = _rolled(look, selection, selection.window) if untold is None else None
        rolled_kept, counted, to_look_at = None, None, 0
        if kept is not None:
            if of_all is not None:
                is_all = kept == selection.window
                rolled_kept = of_all if is_all else _rolled(look, selection, kept)
            to_look_at = _to_look_at(look, selection, _on_grid(kept, now))
            if patience is not None:
                connection.execute(_within(patience))
            if patience is not None or to_look_at <= AT_ONCE:
                counted = rows.count(connection, replace(selection, window=kept))
    return Receipt(of_all, untold, kept, rolled_kept, counted, to_look_at)


def rolled(connection: psycopg.Connection[Any], selection: Selection, now: datetime) -> int | None:
    """How many attempts a selection has by rollups and tail; None where they cannot tell.

    Args:
        connection: in autocommit.
        selection: of the attempts.
        now: the present instant.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    if why_untold(selection, now) is not None:
        return None
    with looking(connection) as look:
        return _rolled(look, selection, selection.window)


def why_untold(selection: Selection, now: datetime) -> Untold | None:
    """Why the rollups cannot tell how many attempts a selection has; None if they can."""
    if not _is_covered(selection.window, now):
        return Untold.WINDOW
    if selection.changed_fields is not None:
        return Untold.FIELDS
    if selection.code is not None and selection.part not in (parts.ALL, parts.UNSUCCESSFUL):
        return Untold.CODE_OF_PART
    bounds = [each for each in (selection.at_least_us, selection.below_us) if each is not None]
    is_of_some = selection.code is not None or selection.part not in (parts.ALL, parts.TIMED)
    if bounds and (is_of_some or not all(map(_is_edge, bounds))):
        return Untold.DURATIONS
    return None


def told(selection: Selection, counts: Counts) -> int:
    """How many attempts a selection has.

    Args:
        selection: one that the rollups can tell of, see `why_untold`.
        counts: of its window and filter, with the histogram if it bounds durations.
    """
    if selection.code is not None:
        return counts.by_code.get(TAXONOMY[selection.code].number, 0)
    if selection.at_least_us is None and selection.below_us is None:
        return selection.part.count(counts)
    low, below = selection.at_least_us or 0, selection.below_us
    first, last = _first_bucket(low), None if below is None else _first_bucket(below)
    timed = sum(
        count
        for bucket, count in counts.histogram.items()
        if first <= bucket and (last is None or bucket < last)
    )
    # Those without a duration stand in no bucket; in the ledger they took 0.
    has_untimed = low == 0 and below != 0 and selection.part is parts.ALL
    return timed + (counts.attempts - counts.timed if has_untimed else 0)


def _first_bucket(duration_us: int) -> int:
    return bucket_of(max(duration_us, 1))


def _is_edge(duration_us: int) -> bool:
    """Whether no bucket has durations on both sides."""
    return duration_us <= 1 or bucket_of(duration_us - 1) != bucket_of(duration_us)


def _is_covered(window: Window, now: datetime) -> bool:
    """Whether rows of the rollups that are still kept are exactly this window."""
    if any(each != floor(each, Tier.TEN_SECONDS) for each in window):
        return False
    limits = ((piece, oldest(piece.tier, now)) for piece in cover(window))
    return all(limit is None or piece.start >= limit for piece, limit in limits)


def _on_grid(window: Window, now: datetime) -> Window:
    """The window widened to rows of the rollups that are still kept."""
    if _is_covered(window, now):
        return window
    tier = finest(window.start, now)
    return Window(floor(window.start, tier), ceiling(window.end, tier))


def _rolled(look: Look, selection: Selection, window: Window) -> int:
    has_bounds = selection.at_least_us is not None or selection.below_us is not None
    if has_bounds:
        return told(selection, look.whole(window, selection.wanted))
    [counts] = look.counts([window], selection.wanted)
    return told(selection, counts)


def _to_look_at(look: Look, selection: Selection, window: Window) -> int:
    """How many rows have to be looked at: all of the window's, unless the index of codes helps."""
    [counts] = look.counts([window], _EVERYTHING)
    if selection.code is not None:
        return counts.by_code.get(TAXONOMY[selection.code].number, 0)
    return sum(counts.by_code.values()) if selection.part in _HAVE_CODE else counts.attempts


def kept_part(connection: psycopg.Connection[Any], window: Window) -> Window | None:
    """The part of a window that retention has left; it takes the oldest days first."""
    found = connection.execute(
        """
        SELECT max(day) + 1
        FROM dropped_partition
        WHERE day >= %s::date AND day <= %s::date
        """,
        [window.start.date(), window.end.date()],
    ).fetchone()
    if found is None or found[0] is None:
        return window
    start = max(window.start, day_start(found[0]))
    return Window(start, window.end) if start < window.end else None


def _within(patience: timedelta) -> sql.Composed:
    return sql.SQL("SET LOCAL statement_timeout = {}").format(
        sql.Literal(int(patience / timedelta(milliseconds=1)))
    )
