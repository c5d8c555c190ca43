"""Reads what rules are measured by: one look at the rollups, and what is watched.

What cannot be read in time is unknown to the rules that need it, and stops no other: when the
rollups stand still the ledger's tail may be too long to be counted, and that is when the watchdog
must speak.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import psycopg

from engine.alerting.measuring import Moved, Sample
from engine.alerting.remembered import LastTick
from engine.alerting.rules import Watched
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
    return {
        Watched.EVALUATOR: evaluator_moved(settings, last),
        Watched.ROLLER: Moved(rolled_at, settings.roll_interval),
        Watched.SPOOL: Moved(spool_at, settings.sweep_interval),
        Watched.DATABASE: Moved(now, settings.alert_interval),
    }


def evaluator_moved(settings: Settings, last: LastTick | None) -> Moved:
    """When the evaluator moved last: with its newest tick."""
    return Moved(None if last is None else last.started_at, settings.alert_interval)


_MOVED: Final = """
    SELECT
        (SELECT rolled_at FROM rollup_state),
        count(*),
        min(still_since)
    FROM alert_watcher
    WHERE seen_at > %s
"""
