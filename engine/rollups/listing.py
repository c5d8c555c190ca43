"""The newest rows of a selection, found by way of the rollups: they know which hours have any.

So few rows in a long window are found without a look at all the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg

from engine.rollups import rows
from engine.rollups.counts import Counts
from engine.rollups.grid import Tier, Window, oldest, starts
from engine.rollups.receipt import kept_part, told, why_untold
from engine.rollups.rows import Page, Place
from engine.rollups.selection import Selection
from engine.rollups.series import Look, looking


def newest(
    connection: psycopg.Connection[Any],
    selection: Selection,
    now: datetime,
    before: Place | None = None,
) -> Page:
    """The newest rows of a selection.

    Args:
        connection: in autocommit.
        selection: of the attempts.
        now: the present instant, which says which rollups are still kept.
        before: only those that are older than this one.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    with looking(connection) as look:
        kept = kept_part(connection, selection.window)
        # The rollups know of rows that retention has dropped, too.
        selection = selection if kept is None else replace(selection, window=kept)
        bounded = selection.below_us is not None and selection.at_least_us is None
        # How many are faster than something takes the histograms, too much for every hour.
        if kept is None or bounded or why_untold(_unbounded(selection), now) is not None:
            return rows.newest(connection, selection, before)
        return rows.newest(connection, selection, before, _spans(look, selection, now, before))


def _unbounded(selection: Selection) -> Selection:
    """The same whatever the duration."""
    return replace(selection, at_least_us=None, below_us=None)


def _spans(
    look: Look, selection: Selection, now: datetime, before: Place | None
) -> Iterator[Window]:
    """The hours that have rows, newest first; days where hours are not kept any more."""
    since = oldest(Tier.HOUR, now)
    for day in _with_rows(look, selection, selection.window, Tier.DAY, before):
        if since is not None and day.start < since:
            yield rows.older_than(day, before)
        else:
            for hour in _with_rows(look, selection, day, Tier.HOUR, before):
                yield rows.older_than(hour, before)


def _with_rows(
    look: Look, selection: Selection, window: Window, tier: Tier, before: Place | None
) -> list[Window]:
    """The pieces of a window, each in one row of a tier, that have rows; newest first."""
    pieces = [
        Window(max(start, window.start), min(start + tier.length, window.end))
        for start in starts(window, tier)
        if before is None or start <= before.started_at
    ]
    if not pieces:
        return []
    counted = zip(pieces, look.counts(pieces, selection.wanted), strict=True)
    return [piece for piece, counts in counted if _may_have(selection, counts)][::-1]


def _may_have(selection: Selection, counts: Counts) -> bool:
    """Whether what was counted may hold rows of a selection."""
    if selection.at_least_us is not None and counts.longest_us < selection.at_least_us:
        return False
    return bool(told(_unbounded(selection), counts))
