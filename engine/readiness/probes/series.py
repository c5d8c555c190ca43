"""Numbers over time: whether every minute is there, is kept, and is what the ledger says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from engine.readiness.probes.asking import SHOWN, looked, rows
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing
from engine.readiness.probes.spans import Span, not_yet, since_deployment
from engine.readiness.records import written_instant
from engine.rollups import receipt
from engine.rollups.counts import Counts
from engine.rollups.grid import Tier, Window, ceiling, finest, floor, window_until
from engine.rollups.selection import Filter, Selection
from engine.rollups.series import Bucket
from engine.slo.burn import burn_rate
from engine.slo.coverage import SETTLED_AFTER
from engine.slo.objectives import OBJECTIVES, PARTS
from engine.slo.overview import percentiles_of

_MINUTE: Final = timedelta(minutes=1)
_WEEK: Final = timedelta(days=7)
_FRESH: Final = timedelta(seconds=60)
_SHOWN_BACK: Final = timedelta(hours=1)
# The roller comes every ten seconds unless it is set otherwise; that it did not for so many of its
# turns is no accident.
_TURNS: Final = 6
_LEAST_TURNS: Final = timedelta(minutes=1)
_PATIENCE: Final = timedelta(seconds=5)
_ARRIVED: Final = """
    -- Minutes in which requests have reached an edge.
    SELECT bucket, sum(arrivals - left_early)
    FROM edge_count
    WHERE bucket >= %(start)s AND bucket < %(end)s
    GROUP BY bucket
    HAVING sum(arrivals - left_early) > 0
    ORDER BY bucket
"""
# The numbers of the dashboard's cards, and the parts of attempts that they are made of.
_PANELS: Final = (
    "all",
    "unsuccessful",
    "service_failures",
    "critical",
    "conflicts",
    "timed",
    "over_p95",
    "over_p99",
)


def complete(question: Question) -> Found:
    """`window.complete`: every minute has attempts; one that has only requests saw none of them."""
    span = since_deployment(question, must_end=True)
    if isinstance(span, Found):
        return span
    now = question.runtime.clock.now()
    window = Window(
        ceiling(span.start, Tier.MINUTE),
        floor(min(span.end, now - SETTLED_AFTER), Tier.MINUTE),
    )
    if window.end <= window.start:
        return insufficient("No whole minute has passed yet", **span.numbers)
    with looked(question) as (_, look):
        live = look.series(window, Tier.MINUTE, Filter())
        everything = look.series(window, Tier.MINUTE, Filter(traffic=None))
        rolled_at = look.state.rolled_at
    arrived = dict(rows(question, _ARRIVED, {"start": window.start, "end": window.end}))
    blind = [
        each.start for each in everything if each.start in arrived and not each.counts.attempts
    ]
    found = minutes_judged(live, blind, span)
    return span.settled(_standing_still(found, question, rolled_at))


def minutes_judged(live: Sequence[Bucket], blind: Sequence[datetime], span: Span) -> Found:
    """What minutes with and without attempts say."""
    silent = [each.start for each in live if not each.counts.attempts]
    numbers: dict[str, Any] = {
        **span.numbers,
        "minutes": len(live),
        "withoutAttempts": len(silent),
        "withRequestsOnly": len(blind),
        "gaps": [f"{written_instant(first)} {count} min" for first, count in gaps(silent)][:SHOWN],
    }
    if blind:
        return failing(
            f"{len(blind)} of {len(live)} minutes have requests at an edge and no attempt, first"
            f" {written_instant(blind[0])}",
            _ARRIVED,
            **numbers,
        )
    if silent:
        return insufficient(
            f"{len(silent)} of {len(live)} minutes had no live attempt, first"
            f" {written_instant(silent[0])}",
            "attempt_rollup, live, by the minute",
            **numbers,
        )
    return passing(
        f"All {len(live)} minutes have live attempts", "attempt_rollup, live, by the minute",
        **numbers,
    )  # fmt: skip


def gaps(minutes: Sequence[datetime]) -> Iterator[tuple[datetime, int]]:
    """Minutes that follow on each other, as the first of them and how many."""
    first, count = None, 0
    for minute in minutes:
        if first is not None and minute == first + count * _MINUTE:
            count += 1
            continue
        if first is not None:
            yield first, count
        first, count = minute, 1
    if first is not None:
        yield first, count


def performance(question: Question) -> Found:
    """`perf.series`: the hours since the deployment are kept, beside the week before it."""
    span = since_deployment(question, must_end=True)
    if isinstance(span, Found):
        return span
    now = question.runtime.clock.now()
    start = floor(span.start, finest(span.start - _WEEK, now))
    with looked(question) as (_, look):
        hours = look.series(span.on_grid(now), Tier.HOUR, Filter())
        after = look.whole(span.on_grid(now), Filter())
        before = look.whole(Window(floor(start - _WEEK, Tier.HOUR), floor(start, Tier.HOUR)),
                            Filter())  # fmt: skip
        rolled_at = look.state.rolled_at
    numbers: dict[str, Any] = {
        **span.numbers,
        "hours": [_hour(each) for each in hours],
        "since": _summary(after),
        "weekBefore": _summary(before),
    }
    witness = "attempt_rollup, live, by the hour"
    empty = sum(not each.counts.attempts for each in hours)
    if not after.attempts:
        return insufficient("No live attempt since the deployment", witness, **numbers)
    if empty:
        reason = f"{empty} of {len(hours)} hours had no live attempt"
        found = insufficient(reason, witness, **numbers)
    else:
        found = passing(
            f"All {len(hours)} hours are kept; {_beside(after, before)}", witness, **numbers
        )
    return span.settled(_standing_still(found, question, rolled_at))


def fresh(question: Question) -> Found:
    """`ui.fresh`: what screens show is of this minute, and equals a count of the rows."""
    early = not_yet(question)
    if early is not None:
        return early
    now = question.runtime.clock.now()
    with looked(question) as (_, look):
        window = window_until(now, _SHOWN_BACK)
        last = [each for each in look.series(window, Tier.TEN_SECONDS, Filter(traffic=None))
                if each.counts.attempts]  # fmt: skip
        rolled_at = look.state.rolled_at
    with question.runtime.read_pool.connection() as connection:
        differing = dict(_differing(connection, window, now))
    age = None if not last else now - last[-1].start
    numbers = {
        "newestBucketAgeSeconds": None if age is None else round(age.total_seconds(), 1),
        "rolledAt": None if rolled_at is None else written_instant(rolled_at),
        "panels": len(_PANELS),
        "differing": {key: list(both) for key, both in differing.items()},
    }
    witness = "attempt_rollup beside count(*) of attempt, of the last hour"
    if differing:
        key, (shown, counted) = next(iter(differing.items()))
        return failing(f"{PARTS[key].title}: {shown} shown, {counted} counted", witness, **numbers)
    if age is None:
        found = insufficient("No attempt in the last hour", witness, **numbers)
    elif age >= _FRESH + Tier.TEN_SECONDS.length:
        found = insufficient(f"The newest attempt is of {age.total_seconds():.0f} s ago",
                             witness, **numbers)  # fmt: skip
    else:
        found = passing(
            f"The newest bucket began {age.total_seconds():.0f} s ago, and {len(_PANELS)} numbers"
            " equal a count of the rows",
            witness,
            **numbers,
        )
    return _standing_still(found, question, rolled_at)


def _differing(
    connection: psycopg.Connection[Any], window: Window, now: datetime
) -> Iterator[tuple[str, tuple[int | None, int | None]]]:
    """Numbers that rollups and rows tell differently."""
    for key in _PANELS:
        selection = Selection(window, Filter(), PARTS[key])
        told = receipt.read(connection, selection, now, _PATIENCE)
        if told.agrees is False:
            yield key, (told.rolled_kept, told.counted)


def _standing_still(found: Found, question: Question, rolled_at: datetime | None) -> Found:
    """The same, unless nobody takes attempts into the rollups any more."""
    patience = max(_TURNS * question.runtime.settings.roll_interval, _LEAST_TURNS)
    if rolled_at is not None and question.runtime.clock.now() - rolled_at <= patience:
        return found
    told = "never ran" if rolled_at is None else f"ran last at {written_instant(rolled_at)}"
    return failing(f"The roller {told}", "rollup_state", **found.numbers)


def _hour(bucket: Bucket) -> dict[str, Any]:
    return {"hour": written_instant(bucket.start), **_summary(bucket.counts)}


def _summary(counts: Counts) -> dict[str, Any]:
    told = percentiles_of(counts)
    return {
        "attempts": counts.attempts,
        "p50Us": None if told is None else told.p50_us,
        "p95Us": None if told is None else told.p95_us,
        "p99Us": None if told is None else told.p99_us,
        "burn": {
            key: burn_rate(objective, counts)
            for key, objective in OBJECTIVES.items()
            if objective.burns
        },
    }


def _beside(after: Counts, before: Counts) -> str:
    one, other = percentiles_of(after), percentiles_of(before)
    if one is None or other is None:
        return "there is no week before to compare with"
    return f"P95 {one.p95_us / 1000:.1f} ms, {other.p95_us / 1000:.1f} ms in the week before"
