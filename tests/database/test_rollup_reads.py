"""What is read from rollups and tail is what a plain query over the ledger counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any, Final

import psycopg
import pytest

from engine.attempts.outcome import Path
from engine.attempts.partitions import ensure_partitions
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import Traffic
from engine.rollups.grid import Tier, charted_tier, window_before, window_until
from engine.rollups.histogram import percentiles_us
from engine.rollups.roller import roll
from engine.rollups.selection import Filter, Selection
from engine.rollups.series import Look, looking
from engine.slo.objectives import PARTS
from tests.database.attempt_rows import (
    EVERYTHING,
    LIMITS,
    any_attempt,
    attempt,
    numbers,
    oracle,
    write,
)
from tests.faults.load import Dice

NOW: Final = datetime(2031, 3, 30, 12, 34, 56, 789012, tzinfo=UTC)
SHARES: Final = (0.5, 0.95, 0.99, 0.999)
LENGTHS: Final = [
    timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=59, seconds=7),
    timedelta(hours=1), timedelta(hours=2, minutes=47), timedelta(hours=6), timedelta(hours=24),
    timedelta(hours=37, minutes=13), timedelta(days=7), timedelta(days=16, hours=5),
    timedelta(days=30), timedelta(days=90),
]  # fmt: skip
FILTERS: Final = [
    Filter(), EVERYTHING, Filter(traffic=Traffic.UNKNOWN_CALLER), Filter(traffic=Traffic.LOAD),
    Filter(operation=Operation.UPDATE), Filter(Operation.CREATE, None, Path.LEGACY),
    Filter(path=Path.HARDENED),
]  # fmt: skip


def fill(target: Target, seed: str, until: datetime, count: int) -> None:
    """Attempts of the last ninety days, most of them of late, some on the edges of rows."""
    dice, made = Dice(seed), []
    for number in range(count):
        back = timedelta(days=95) * dice.chance() ** (1 + 8 * dice.chance())
        at = until - back
        if number % 10 == 0:
            at = at.replace(second=0, microsecond=0) - timedelta(microseconds=number % 20 // 10)
        made.append(any_attempt(dice, at))
    write(target.app, *made)


def agree(connection: psycopg.Connection[Any], look: Look, now: datetime) -> None:
    """Every way of reading says what the oracle says."""
    windows = [window_until(now, each) for each in LENGTHS]
    windows += [window_before(each, now) for each in windows]
    for wanted in FILTERS:
        expected = [oracle(connection, window, wanted) for window in windows]
        assert [numbers(each) for each in look.counts(windows, wanted)] == expected
    for window in windows:
        assert numbers(look.whole(window, EVERYTHING)) == oracle(connection, window, EVERYTHING)
        for operation, counts in look.by_operation(window, Filter()).items():
            assert numbers(counts) == oracle(connection, window, Filter(operation))
        tier = charted_tier(window, now)
        buckets = look.series(window, tier, Filter())
        assert all(b.start - a.start == tier.length for a, b in pairwise(buckets))
        assert buckets[0].start <= window.start
        assert buckets[-1].start < window.end <= buckets[-1].start + tier.length
        for bucket in buckets[:: max(len(buckets) // 7, 1)]:
            span = window._replace(start=bucket.start, end=bucket.start + tier.length)
            assert numbers(bucket.counts) == oracle(connection, span, Filter())


@pytest.mark.parametrize("seed", ["first", "second"])
def test_every_read_equals_a_plain_query_before_and_after_rolling(
    target: Target, seed: str
) -> None:
    with psycopg.connect(target.owner, autocommit=True) as owner:
        ensure_partitions(owner, NOW)
    fill(target, seed, NOW, 1_200)
    with psycopg.connect(target.app, autocommit=True) as connection:
        with looking(connection) as look:  # all of it is tail
            agree(connection, look, NOW)

        roll(connection, FrozenClock(NOW), LIMITS)
        with looking(connection) as look:  # none of it is
            assert look.tail(NOW - timedelta(days=100)) == []
            agree(connection, look, NOW)

        fill(target, f"{seed}, later", NOW + timedelta(minutes=7), 400)
        with looking(connection) as look:  # some of it is
            agree(connection, look, NOW + timedelta(minutes=7))

        roll(connection, FrozenClock(NOW + timedelta(minutes=7)), LIMITS)
        with looking(connection) as look:
            agree(connection, look, NOW + timedelta(minutes=7))


@pytest.mark.parametrize("is_rolled", [False, True])
def test_nothing_is_read_from_an_empty_ledger(target: Target, *, is_rolled: bool) -> None:
    with psycopg.connect(target.app, autocommit=True) as connection:
        if is_rolled:
            roll(connection, FrozenClock(NOW), LIMITS)
        with looking(connection) as look:
            agree(connection, look, NOW)
            window = window_until(NOW, timedelta(days=90))
            assert percentiles_us(look.whole(window, EVERYTHING).histogram, SHARES) is None
            assert look.by_operation(window, EVERYTHING) == {}
            assert look.at_edge(window_until(NOW, timedelta(hours=1)), Tier.MINUTE) == {}


def test_percentiles_of_any_window_are_within_a_percent_of_the_nearest_rank(
    target: Target,
) -> None:
    fill(target, "percentiles", NOW, 3_000)
    with psycopg.connect(target.app, autocommit=True) as connection:
        roll(connection, FrozenClock(NOW), LIMITS)
        fill(target, "percentiles, tail", NOW, 300)
        with looking(connection) as look:
            for length in LENGTHS:
                window = window_until(NOW, length)
                durations = [
                    us
                    for (us,) in connection.execute(
                        "SELECT duration_us FROM attempt WHERE started_at >= %s AND started_at < %s"
                        " AND duration_us > 0 ORDER BY 1",
                        [window.start, window.end],
                    )
                ]
                found = percentiles_us(look.whole(window, EVERYTHING).histogram, SHARES)
                assert found is not None
                for share, us in zip(SHARES, found, strict=True):
                    exact = durations[max(ceil(round(len(durations) * share, 6)), 1) - 1]
                    assert abs(us - exact) <= 0.01 * exact + 1e-6


def test_a_number_and_its_receipt_count_the_same_attempts(target: Target) -> None:
    fill(target, "receipts", NOW, 1_500)
    with psycopg.connect(target.app, autocommit=True) as connection:
        roll(connection, FrozenClock(NOW), LIMITS)
        window = window_until(NOW, timedelta(days=90))
        with looking(connection) as look:
            for wanted in FILTERS:
                (counts,) = look.counts([window], wanted)
                for part in PARTS.values():
                    query = "SELECT count(*) FROM attempt WHERE "
                    row = connection.execute(
                        psycopg.sql.SQL(query) + Selection(window, wanted, part).condition()
                    ).fetchone()
                    assert row == (part.count(counts),), part.key


def test_attempts_at_an_edge_are_told_by_the_minute(target: Target) -> None:
    with psycopg.connect(target.app, autocommit=True) as connection:
        for origin, has_edge in ((1, True), (2, False)):
            connection.execute(
                "INSERT INTO origin VALUES (%s, 'test', '1', %s, now(), %s)",
                [origin, str(origin), has_edge],
            )
        minute = NOW.replace(second=0, microsecond=0)
        for is_rolled in (True, False):
            write(
                target.app,
                *[attempt(minute, origin_id=1, source=source) for source in (1, 2, 3, 4)],
                attempt(minute - timedelta(microseconds=1), origin_id=1, outcome=3, error_code=8),
                attempt(minute, origin_id=1, operation=Operation.EXPIRE),
                attempt(minute, origin_id=2),
            )
            if is_rolled:
                roll(connection, FrozenClock(NOW), LIMITS)
        window = window_until(NOW, timedelta(hours=2))._replace(end=minute + timedelta(minutes=1))

        with looking(connection) as look:
            told = look.at_edge(window, Tier.MINUTE)

    assert {at: count for at, count in told.items() if count} == {
        minute - timedelta(minutes=1): 2,
        minute: 8,
    }
