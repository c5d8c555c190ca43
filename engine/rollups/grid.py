"""Time as the rollups cut it: tiers, and which of their rows cover a window.

A tier is a length of time; its rows begin at multiples of it since the epoch, in UTC. Finer tiers
are kept for a shorter time. A window begins on the finest grid that is still kept for its age, so
that rows alone describe it exactly.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final, NamedTuple

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Tier(IntEnum):
    """A length of time; the number is what the database stores."""

    TEN_SECONDS = 1
    MINUTE = 2
    HOUR = 3
    DAY = 4

    @property
    def length(self) -> timedelta:
        """How long each of its rows is."""
        return _LENGTHS[self]

    @property
    def kept(self) -> timedelta | None:
        """How long its rows are kept; None for ever."""
        return _KEPT[self]


_LENGTHS: Final = {
    Tier.TEN_SECONDS: timedelta(seconds=10),
    Tier.MINUTE: timedelta(minutes=1),
    Tier.HOUR: timedelta(hours=1),
    Tier.DAY: timedelta(days=1),
}
# The live page looks back an hour at most in tens of seconds; a day of minutes is read for every
# ragged edge of a window, so two weeks of them let a week be compared with the one before it.
_KEPT: Final = {
    Tier.TEN_SECONDS: timedelta(hours=3),
    Tier.MINUTE: timedelta(days=15),
    Tier.HOUR: timedelta(days=400),
    Tier.DAY: None,
}


class Piece(NamedTuple):
    """Neighbouring rows of one tier: those that begin from `start` on and before `end`."""

    tier: Tier
    start: datetime
    end: datetime


class Window(NamedTuple):
    """A span of time on the grid: from its first instant up to, not including, `end`."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


def floor(instant: datetime, tier: Tier) -> datetime:
    """The start of the tier's row that an instant falls in."""
    return instant - (instant - EPOCH) % tier.length


def ceiling(instant: datetime, tier: Tier) -> datetime:
    """The first start of a row of the tier at or after an instant."""
    return instant + (EPOCH - instant) % tier.length


def oldest(tier: Tier, now: datetime) -> datetime | None:
    """The start of the oldest row of a tier that is kept; None when all are.

    It is the start of a row of the next tier as well, so that a window can change tiers there.
    """
    if tier.kept is None:
        return None
    return ceiling(now - tier.kept, Tier(tier + 1))


def finest(instant: datetime, now: datetime) -> Tier:
    """The finest tier whose rows of an instant are still kept."""
    for tier in Tier:
        limit = oldest(tier, now)
        if limit is None or instant >= limit:
            return tier
    return Tier.DAY


def window_until(now: datetime, length: timedelta) -> Window:
    """The window of this length that ends now, widened to the grid.

    It begins up to one row earlier, and ends with the row that now is in: nothing has been
    committed after now, so that is the last committed attempt.
    """
    start = now - length
    return Window(floor(start, finest(start, now)), ceiling(now, Tier.TEN_SECONDS))


def window_before(window: Window, now: datetime) -> Window:
    """The window as long as this one that ends where it starts, widened to the grid."""
    start = window.start - window.length
    return Window(floor(start, finest(start, now)), window.start)


def cover(window: Window) -> tuple[Piece, ...]:
    """The rows that together are the window: coarse ones inside, fine ones at its ragged ends.

    Args:
        window: on the grid, see `window_until`; then each of them is still kept.
    """
    start, end = window
    rising: list[Piece] = []
    falling: list[Piece] = []
    for tier in Tier:
        if tier is Tier.DAY:
            middle = Piece(tier, floor(start, tier), ceiling(end, tier))
            return (*rising, *([middle] if start < end else []), *reversed(falling))
        coarser = Tier(tier + 1)
        first = min(ceiling(start, coarser), end)
        last = max(floor(end, coarser), first)
        if start < first:
            rising.append(Piece(tier, start, first))
        if last < end:
            falling.append(Piece(tier, last, end))
        start, end = first, last
    raise AssertionError("the last tier ends the cover")


def charted_tier(window: Window, now: datetime) -> Tier:
    """The tier whose rows make a readable curve of a window: some dozens to some hundreds."""
    for tier, longest in _CHARTED.items():
        limit = oldest(tier, now)
        if window.length <= longest and (limit is None or window.start >= limit):
            return tier
    return Tier.DAY


_CHARTED: Final = {
    Tier.TEN_SECONDS: timedelta(minutes=16),
    Tier.MINUTE: timedelta(hours=7),
    Tier.HOUR: timedelta(days=8),
}


def starts(window: Window, tier: Tier) -> list[datetime]:
    """The start of each row of a tier that the window has a part of."""
    first = floor(window.start, tier)
    count = -((first - window.end) // tier.length)
    return [first + number * tier.length for number in range(count)]
