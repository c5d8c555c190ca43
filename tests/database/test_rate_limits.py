"""Limits shared by processes: a moving minute of the database's time, and nothing kept for longer.

The database's clock is held still by a function of the same name that its sessions find first.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from limits import RateLimitItemPerMinute
from limits.strategies import MovingWindowRateLimiter
from psycopg.conninfo import make_conninfo

from engine.access.limit_storage import LimitStorage, reap
from engine.access.rate_limits import RateLimits, Standing
from engine.clock import FrozenClock, SystemClock
from engine.database.pool import Pool
from engine.database.target import Target
from engine.settings import Settings
from tests.unit.examples import NOW

_MOVED_CLOCK = """
    CREATE SCHEMA moved;
    CREATE TABLE moved.present (instant timestamptz);
    INSERT INTO moved.present VALUES ('2026-01-31 12:00:00.25+00');
    CREATE FUNCTION moved.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT instant FROM moved.present';
    GRANT USAGE ON SCHEMA moved TO PUBLIC;
    GRANT SELECT ON moved.present TO PUBLIC;
"""


@dataclass(frozen=True)
class Minutes:
    """Limits on a database whose clock, like the process's, moves only when told to."""

    limits: RateLimits
    pool: Pool
    clock: FrozenClock
    owner: psycopg.Connection[Any]

    def count(self, per_minute: int, who: str = "agent/a") -> Standing:
        """Counts one request."""
        return self.limits.count(who, per_minute, self.pool, self.clock.monotonic() + 10)

    def passed(self, times: int, per_minute: int, who: str = "agent/a") -> int:
        """How many of so many requests were let in."""
        return sum(not self.count(per_minute, who).is_refused for _ in range(times))

    def wait(self, seconds: float) -> None:
        """Lets time pass, in the process and in the database."""
        self.clock.advance(timedelta(seconds=seconds))
        self.owner.execute(
            "UPDATE moved.present SET instant = instant + make_interval(secs => %s)", [seconds]
        )

    def windows(self) -> dict[str, int]:
        """Who is remembered, with how many groups of requests."""
        return dict(
            self.owner.execute("SELECT key, cardinality(moments) FROM limit_window").fetchall()
        )


@contextmanager
def opened(target: Target, settings: Settings, clock: FrozenClock | SystemClock) -> Iterator[Pool]:
    pool = Pool(target, settings, clock, size=4)
    pool.open()
    try:
        yield pool
    finally:
        pool.close()


@pytest.fixture
def minutes(target: Target, settings: Settings) -> Iterator[Minutes]:
    clock = FrozenClock(NOW)
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute(_MOVED_CLOCK)
        database = owner.info.dbname
        owner.execute(f"ALTER DATABASE {database} SET search_path = moved, public, pg_catalog")
        with opened(target, settings, clock) as pool:
            yield Minutes(RateLimits(clock), pool, clock, owner)


def test_as_many_requests_as_the_limit_pass_and_no_more(minutes: Minutes) -> None:
    assert minutes.passed(5, 3) == 3


def test_each_has_a_limit_of_its_own(minutes: Minutes) -> None:
    assert [minutes.passed(5, 3, f"agent/{name}") for name in "ab"] == [3, 3]


def test_who_is_let_in_hears_how_many_more_there_are_and_until_when(minutes: Minutes) -> None:
    first = minutes.count(3)
    minutes.wait(20.5)
    second = minutes.count(3)

    assert first == Standing(3, 2, 60, is_refused=False)
    assert second == Standing(3, 1, 40, is_refused=False)


def test_no_minute_has_more_requests_than_the_limit(minutes: Minutes) -> None:
    """Bursts at every place of a second and of a minute, also around their ends."""
    limit, let_in = 7, []

    for step in range(400):
        let_in += [minutes.clock.monotonic()] * minutes.passed(1 + step % 3, limit)
        minutes.wait(0.37 * (1 + step % 11))

    assert len(let_in) > 60
    for earlier, later in zip(let_in, let_in[limit:], strict=False):
        assert later - earlier >= 60


def test_who_waits_as_told_is_let_in_and_no_sooner(minutes: Minutes) -> None:
    for _ in range(3):
        minutes.passed(1, 3)
        minutes.wait(5.5)

    told = minutes.count(3)
    minutes.wait(told.reset_s - 1)
    early = minutes.passed(1, 3)
    minutes.wait(1)

    assert told == Standing(3, 0, 44, is_refused=True)  # of the 60, 16.5 have passed
    assert (early, minutes.passed(3, 3)) == (0, 1)


def test_who_waits_as_told_is_let_in_after_the_limit_was_lowered(minutes: Minutes) -> None:
    for _ in range(30):
        minutes.passed(1, 100)
        minutes.wait(1)

    told = minutes.count(2)
    minutes.wait(told.reset_s - 1)
    early = minutes.passed(1, 2)
    minutes.wait(1)

    assert (early, minutes.passed(1, 2)) == (0, 1)


def test_a_raised_limit_counts_at_once_also_for_who_was_told_to_wait(minutes: Minutes) -> None:
    assert minutes.passed(4, 3) == 3

    assert minutes.passed(5, 5) == 2


def test_a_high_limit_costs_no_more_room_than_a_low_one(minutes: Minutes) -> None:
    for _ in range(200):
        minutes.passed(2, 1_000_000)
        minutes.wait(0.5)

    assert minutes.windows()["agent/a"] <= 61


def test_who_was_told_to_wait_is_refused_without_asking_the_database_again(
    minutes: Minutes,
) -> None:
    minutes.passed(4, 3)
    asked = minutes.pool.stats()["requests_num"]
    minutes.wait(20)

    assert minutes.count(3) == Standing(3, 0, 40, is_refused=True)
    assert minutes.pool.stats()["requests_num"] == asked


def test_the_idle_are_forgotten_and_nobody_else(minutes: Minutes) -> None:
    for name in "abc":
        minutes.passed(3, 2, name)
        minutes.wait(25)

    with minutes.pool.connection() as connection:
        forgotten = reap(connection, batch=1)

    assert forgotten == 1
    assert set(minutes.windows()) == {"b", "c"}
    assert minutes.passed(3, 2, "a") == 2


def test_processes_that_count_at_once_share_the_limit(target: Target, settings: Settings) -> None:
    clock, let_in = SystemClock(), []
    start = threading.Barrier(4, timeout=30)

    def send(limits: RateLimits, pool: Pool) -> None:
        start.wait()
        deadline = clock.monotonic() + 30
        standings = [limits.count("agent/a", 70, pool, deadline) for _ in range(35)]
        let_in.append(sum(not each.is_refused for each in standings))

    with ExitStack() as processes:
        threads = []
        for _ in range(2):
            limits = RateLimits(clock)
            pool = processes.enter_context(opened(target, settings, clock))
            threads += [threading.Thread(target=send, args=(limits, pool)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

    assert sum(let_in) == 70


def test_without_a_database_a_process_counts_by_itself(target: Target, settings: Settings) -> None:
    nowhere = Target(app=make_conninfo(target.app, host="127.0.0.1", port=1), owner=target.owner)
    clock = SystemClock()
    limits = RateLimits(clock)
    hasty = settings.model_copy(update={"pool_wait": timedelta(seconds=0.2)})
    with opened(nowhere, hasty, clock) as pool:
        deadline = clock.monotonic() + 10
        standings = [limits.count("agent/a", 3, pool, deadline) for _ in range(5)]

    assert [each.is_refused for each in standings] == [False, False, False, True, True]
    assert [each.remaining for each in standings] == [2, 1, 0, 0, 0]
    assert all(1 <= each.reset_s <= 60 for each in standings)


def test_a_row_that_somebody_holds_is_not_waited_for_longer_than_the_caller_has(
    target: Target, settings: Settings
) -> None:
    clock = SystemClock()
    limits = RateLimits(clock)
    with opened(target, settings, clock) as pool, psycopg.connect(target.owner) as holder:
        limits.count("agent/a", 3, pool, clock.monotonic() + 10)
        holder.execute("SELECT 1 FROM limit_window FOR UPDATE")

        standing = limits.count("agent/a", 3, pool, clock.monotonic() + 0.1)

        assert standing.remaining == 2  # counted by the process alone
        assert not standing.is_refused


def test_the_library_sees_a_moving_window_like_any_other(minutes: Minutes) -> None:
    def limiter() -> MovingWindowRateLimiter:
        return MovingWindowRateLimiter(LimitStorage(minutes.pool, minutes.clock.monotonic() + 10))

    item, asked = RateLimitItemPerMinute(2), limiter()

    assert [limiter().hit(item, "a"), asked.hit(item, "a"), limiter().hit(item, "a")] == [
        True,
        True,
        False,
    ]
    stats = asked.get_window_stats(item, "a")
    assert stats.remaining == 0
    assert stats.reset_time == NOW.timestamp() + 60.25
    asked.clear(item, "a")
    assert limiter().hit(item, "a", cost=2)
    assert not limiter().hit(item, "b", cost=3)
    assert asked.storage.check()


@pytest.mark.parametrize("ask", ["window", "get_moving_window"])
def test_a_storage_that_asked_nothing_says_so(minutes: Minutes, ask: str) -> None:
    storage = LimitStorage(minutes.pool, 0)

    with pytest.raises(LookupError, match="nothing was asked"):
        storage.window if ask == "window" else storage.get_moving_window("a", 1, 60)


def test_a_database_whose_clock_was_set_back_locks_nobody_out(minutes: Minutes) -> None:
    assert minutes.passed(3, per_minute=2) == 2

    minutes.owner.execute("UPDATE moved.present SET instant = instant - interval '1 hour'")
    minutes.clock.advance(timedelta(minutes=2))

    assert minutes.passed(3, per_minute=2) == 2
