"""Reads what rules are measured by: one look at the rollups, and what is watched.

What cannot be read in time is unknown to the rules that need it, and stops no other: when the
rollups stand still the ledger's tail may be too long to be counted, and that is when the watchdog
must speak.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import psycopg

from engine.alerting.measuring import Moved, Sample, samples_of, tallies_of
from engine.alerting.remembered import LastTick
from engine.alerting.rules import Condition, Rule, Standstill, Watched
from engine.alerting.usual import REACH, Usual, compared, lowest
from engine.rollups.counts import Counts
from engine.rollups.grid import window_until
from engine.rollups.selection import Filter
from engine.rollups.series import Look
from engine.settings import Settings

# A process that has not said anything for so many intervals is gone; its spool is others' to see.
_GONE_AFTER: Final = 3


def counted(look: Look, samples: Iterable[Sample], now: datetime) -> Mapping[Sample, Counts]:
    """What was counted of each sample, without histograms.

    Args:
        look: at the rollups and the tail, in one snapshot.
        samples: what is wanted.
        now: where the windows end.

    Raises:
        psycopg.Error: the database could not be asked, or not in time.
    """
    alike: defaultdict[Filter, list[Sample]] = defaultdict(list)
    for sample in samples:
        alike[Filter(sample.operation, sample.traffic)].append(sample)
    # The longest first: the tail is read once for all of them.
    longest = max((each.length for found in alike.values() for each in found), default=None)
    if longest is not None:
        look.tail(window_until(now, longest).start)
    found: dict[Sample, Counts] = {}
    for wanted, same in alike.items():
        windows = [window_until(now, each.length) for each in same]
        found.update(zip(same, look.counts(windows, wanted), strict=True))
    return found


def usual(
    look: Look, silent: Iterable[tuple[Rule, datetime]], now: datetime
) -> Mapping[str, Usual]:
    """What is usual in the time in which some rules have known nothing, by their ids.

    Args:
        look: as for `counted`.
        silent: rules about a share, and since when nothing has been known.
        now: the end of that time.

    Raises:
        psycopg.Error: the database could not be asked, or not in time.
    """
    return {rule.id: _usual(look, rule.condition, since, now) for rule, since in silent}


def _usual(look: Look, condition: Condition, since: datetime, now: datetime) -> Usual:
    wanted = [Filter(each.operation, each.traffic) for each in samples_of(condition)]
    # Older than anything that is compared; what nobody has rolled up yet is read from there.
    known = [look.begins(now - REACH, each) for each in wanted]
    begins = min((each for each in known if each is not None), default=None)
    windows = compared(since, now, begins)
    if not windows or isinstance(condition, Standstill):
        return lowest(())
    found = zip(*(look.counts(windows, each) for each in wanted), strict=True)
    return lowest(tallies_of(condition, each)[0].of for each in found)


def moved(
    connection: psycopg.Connection[Any],
    settings: Settings,
    last: LastTick | None,
    now: datetime,
) -> Mapping[Watched, Moved]:
    """When what is watched moved last.

    Args:
        connection: of the application.
        settings: how often each should.
        last: the newest tick; None before the first.
        now: the present instant, at which the database answers.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    gone = now - _GONE_AFTER * settings.alert_interval
    row = connection.execute(_MOVED, [gone]).fetchone()
    rolled_at, watchers, still_since = (None, 0, None) if row is None else row
    spool_at = still_since or now if watchers else None
    back_at = None if last is None else _back_at(connection, settings, last, now)
    looked, rolled = evaluator_moved(settings, last), Moved(rolled_at, settings.roll_interval)
    return {
        Watched.EVALUATOR: _since(looked, back_at),
        Watched.ROLLER: _since(rolled, back_at),
        Watched.SPOOL: Moved(spool_at, settings.sweep_interval),
        Watched.DATABASE: Moved(now, settings.alert_interval),
    }


def evaluator_moved(settings: Settings, last: LastTick | None) -> Moved:
    """When the evaluator moved last: with its newest tick."""
    return Moved(None if last is None else last.started_at, settings.alert_interval)


def _back_at(
    connection: psycopg.Connection[Any], settings: Settings, last: LastTick, now: datetime
) -> datetime | None:
    """When somebody watches again, if all who did at the last tick were stopped in order.

    Nobody had to look in between. One that was killed leaves a time that has to be told.

    Returns:
        None if there was no such time.
    """
    row = connection.execute(
        _BACK, {"last": last.started_at, "present": last.started_at - settings.alert_interval}
    ).fetchone()
    are_all_stopped, began_at = row or (None, None)
    return began_at or now if are_all_stopped else None


def _since(moved: Moved, back_at: datetime | None) -> Moved:
    if moved.at is None or back_at is None:
        return moved
    return replace(moved, at=max(moved.at, back_at))


_BACK: Final = """
    -- A process begins when its id was made; one that watches is seen twice in each interval.
    SELECT
        bool_and(ended_at IS NOT NULL) FILTER (WHERE NOT is_new),
        min(began_at) FILTER (WHERE is_new AND ended_at IS NULL)
    FROM alert_watcher
    CROSS JOIN LATERAL uuid_extract_timestamp(process_id) AS began (began_at)
    CROSS JOIN LATERAL coalesce(began_at > %(last)s, false) AS new (is_new)
    WHERE seen_at > %(present)s
"""
_MOVED: Final = """
    SELECT
        (SELECT rolled_at FROM rollup_state),
        count(*),
        min(still_since)
    FROM alert_watcher
    WHERE seen_at > %s AND ended_at IS NULL
"""
