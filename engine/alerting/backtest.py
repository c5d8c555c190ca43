"""When a rule would have fired in the past weeks, by what the rollups hold; before it is in force.

Measuring and evaluation are those that are in force. What differs is how often there is a look:
each minute as far back as rows of minutes are kept, each hour before that, where a window shorter
than an hour is that hour. So a burst that was over in some minutes shows less the older it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import psycopg

from engine.alerting.measuring import samples_of
from engine.alerting.rules import Burning, Rule, Share, Standstill
from engine.alerting.usual import REACH
from engine.alerting.walking import Firing, Numbers, Rows, Stream, counted, firings, walk
from engine.errors import SetupError
from engine.rollups.grid import EPOCH, Tier, Window, floor, oldest
from engine.rollups.selection import Filter
from engine.rollups.series import Look, looking

DAYS_MAX: Final = 90


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a rule would have done.

    Attributes:
        rule: which, as it was tried.
        since: the first instant that was looked at.
        until: the last one.
        by_minute_since: from when on there was a look each minute; each hour before that.
        looks: how many.
        attempts: that the rule counts, in all.
        bad: how many of them are bad.
        firings: the alerts that there would have been, oldest first.
    """

    rule: Rule
    since: datetime
    until: datetime
    by_minute_since: datetime
    looks: int
    attempts: int
    bad: int
    firings: tuple[Firing, ...]

    @property
    def fired(self) -> timedelta:
        """How long it would have been firing in all."""
        return sum((each.lasted for each in self.firings), timedelta(0))


def backtest(
    connection: psycopg.Connection[Any],
    rule: Rule,
    *,
    now: datetime,
    days: int,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Backtest:
    """Walks a rule through the last days.

    Args:
        connection: in autocommit.
        rule: of attempts; also one that is not in force.
        now: the present instant.
        days: how many, at most `DAYS_MAX`.
        progress: told how many of how many days have been read.

    Raises:
        SetupError: nothing is kept of what this rule looks at.
        psycopg.Error: the database could not be asked.
    """
    condition = rule.condition
    if isinstance(condition, Standstill):
        raise SetupError(
            f"{rule.id} looks at what moves now, of which no past is kept: nothing to go through"
        )
    until = floor(now, Tier.MINUTE)
    since = floor(until - timedelta(days=days), Tier.HOUR)
    # So that the first look finds its windows full, and knows what is usual.
    before = max(each.length for each in samples_of(condition))
    if isinstance(condition, Share) and rule.no_data_after is not None:
        before = max(before, REACH + rule.no_data_after)
    start = floor(since - before, Tier.HOUR)
    spans = list(_spans(start, until, now))
    found = []
    with looking(connection) as look:
        for number, (window, tier) in enumerate(spans):
            found.append(_read(look, condition, window, tier))
            progress(number + 1, len(spans))
        begins = _begins(look, condition, start)
    starts, ends, bad, of = (np.concatenate(columns) for columns in zip(*found, strict=True))
    transitions = walk(rule, Rows(starts, ends), bad, of, begins=begins)
    is_in = ends > int((since - EPOCH).total_seconds())
    return Backtest(
        rule=rule,
        since=since,
        until=until,
        by_minute_since=min(max(_minutes_since(now), since), until),
        looks=int(is_in.sum()),
        attempts=int(of[is_in].sum()),
        bad=int(bad[is_in].sum()),
        firings=tuple(
            each for each in firings(transitions, until) if each.began.at + each.lasted > since
        ),
    )


def _begins(look: Look, condition: Share | Burning, since: datetime) -> datetime | None:
    """The hour of the first attempts that a condition counts."""
    filters = {Filter(each.operation, each.traffic) for each in samples_of(condition)}
    known = (look.begins(since, each) for each in filters)
    return min((each for each in known if each is not None), default=None)


def _spans(start: datetime, until: datetime, now: datetime) -> Iterator[tuple[Window, Tier]]:
    """Pieces of a day or less, each in the finest rows, but of a minute, that are kept of it."""
    fine = _minutes_since(now)
    while start < until:
        tier = Tier.MINUTE if start >= fine else Tier.HOUR
        end = min(floor(start, Tier.DAY) + Tier.DAY.length, until)
        if start < fine:
            end = min(end, fine)
        yield Window(start, end), tier
        start = end


def _minutes_since(now: datetime) -> datetime:
    kept = oldest(Tier.MINUTE, now)
    if kept is None:
        raise AssertionError("rows of minutes are dropped some time")
    return kept


def _read(
    look: Look, condition: Share | Burning, window: Window, tier: Tier
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Starts and ends of the rows of a window, their bad attempts, and all of them."""
    wanted = {Stream(each.operation, each.traffic) for each in samples_of(condition)}
    buckets = {
        stream: look.series(window, tier, Filter(stream.operation, stream.traffic))
        for stream in wanted
    }
    starts = [int((each.start - EPOCH).total_seconds()) for each in next(iter(buckets.values()))]
    ends = [*starts[1:], int((window.end - EPOCH).total_seconds())]
    bad, of = counted(
        condition,
        {stream: [each.counts for each in found] for stream, found in buckets.items()},
    )
    return np.array(starts, np.int64), np.array(ends, np.int64), bad, of
