"""How long attempts take: a window by operation, the one before it, and its course over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.quotes.lifecycle import Operation
from engine.rollups.counts import Counts
from engine.rollups.grid import Tier, Window, charted_tier, window_before, window_until
from engine.rollups.selection import Filter
from engine.rollups.series import Bucket, Look


@dataclass(frozen=True, slots=True)
class Spell:
    """What was counted in one window.

    Attributes:
        window: which one.
        counts: of all that is looked at.
        by_operation: of each operation by itself; those without attempts are left out.
    """

    window: Window
    counts: Counts
    by_operation: Mapping[Operation, Counts]


@dataclass(frozen=True, slots=True)
class Latency:
    """Durations of a window, of the one before it, and over time.

    Attributes:
        now: when it was read.
        length: how far back was asked for.
        wanted: which attempts are looked at.
        present: the window that ends now.
        before: the window as long that ends where the present one starts.
        tier: how long each part of the course is.
        course: what was counted in each part of the window, histograms included.
        courses: the same for each operation that had attempts; empty if only one is looked at.
    """

    now: datetime
    length: timedelta
    wanted: Filter
    present: Spell
    before: Spell
    tier: Tier
    course: Sequence[Bucket]
    courses: Mapping[Operation, Sequence[Bucket]]


def read(look: Look, now: datetime, length: timedelta, wanted: Filter) -> Latency:
    """Reads the window of this length that ends now.

    Args:
        look: at the rollups.
        now: the present instant.
        length: how far back.
        wanted: which attempts to look at.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    window = window_until(now, length)
    tier = charted_tier(window, now)
    present = _spell(look, window, wanted)
    return Latency(
        now=now,
        length=length,
        wanted=wanted,
        present=present,
        before=_spell(look, window_before(window, now), wanted),
        tier=tier,
        course=look.series(window, tier, wanted),
        courses={
            operation: look.series(window, tier, wanted._replace(operation=operation))
            for operation in present.by_operation
        },
    )


def _spell(look: Look, window: Window, wanted: Filter) -> Spell:
    is_one = wanted.operation is not None
    return Spell(
        window,
        look.whole(window, wanted),
        {} if is_one else look.by_operation(window, wanted),
    )
