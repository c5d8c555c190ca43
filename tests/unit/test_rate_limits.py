"""The rate limit: a moving minute of elapsed time for each agent, and nothing kept for longer."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from uuid import UUID

import pytest

from engine.access.rate_limits import RateLimits
from engine.clock import FrozenClock
from engine.errors import ErrorCode
from tests.unit.examples import AGENT_ID, NOW


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOW)


@pytest.fixture
def limits(clock: FrozenClock) -> RateLimits:
    return RateLimits(clock)


def passed(limits: RateLimits, times: int, per_minute: int | None, agent: UUID = AGENT_ID) -> int:
    """How many of so many requests were let through."""
    return sum(limits.refusal(agent, per_minute) is None for _ in range(times))


def waits(limits: RateLimits, per_minute: int) -> int:
    """The seconds that a refused agent is told to wait."""
    refusal = limits.refusal(AGENT_ID, per_minute)
    assert refusal is not None
    assert refusal.code is ErrorCode.RATE_LIMIT_EXCEEDED
    assert refusal.details["limitPerMinute"] == per_minute
    seconds = refusal.details["retryAfterSeconds"]
    assert isinstance(seconds, int)
    return seconds


def test_an_agent_without_a_limit_is_never_refused(limits: RateLimits) -> None:
    assert passed(limits, 1_000, None) == 1_000


def test_as_many_requests_as_the_limit_pass_and_no_more(limits: RateLimits) -> None:
    assert passed(limits, 5, 3) == 3


def test_each_agent_has_a_limit_of_its_own(limits: RateLimits) -> None:
    assert [passed(limits, 5, 3, UUID(int=number)) for number in (1, 2)] == [3, 3]


@pytest.mark.parametrize("set_by_s", [-3_600.0, 0.0, 3_600.0])
def test_a_minute_is_a_minute_whatever_the_wall_clock_is_set_to(
    limits: RateLimits, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, set_by_s: float
) -> None:
    passed(limits, 3, 3)
    there = time.time() + set_by_s  # noqa: TID251  # what the machine's clock is set to
    monkeypatch.setattr(time, "time", lambda: there)
    clock._now += timedelta(seconds=set_by_s)

    wait = waits(limits, 3)
    clock.advance(timedelta(seconds=wait - 1))
    early = passed(limits, 1, 3)
    clock.advance(timedelta(seconds=1))

    assert (wait, early, passed(limits, 5, 3)) == (60, 0, 3)


def test_no_minute_has_more_requests_than_the_limit(limits: RateLimits, clock: FrozenClock) -> None:
    limit, let_in = 7, []

    for step in range(3_000):
        let_in += [clock.monotonic()] * passed(limits, 1 + step % 3, limit)
        clock.advance(timedelta(seconds=0.07 * (1 + step % 11)))

    assert len(let_in) > 100
    for earlier, later in zip(let_in, let_in[limit:], strict=False):
        assert later - earlier >= 60


def test_who_waits_as_told_is_let_in(limits: RateLimits, clock: FrozenClock) -> None:
    for _ in range(3):
        passed(limits, 1, 3)
        clock.advance(timedelta(seconds=5.5))

    wait = waits(limits, 3)
    clock.advance(timedelta(seconds=wait))

    assert wait == 44  # of the 60, 16.5 have passed since the first
    assert passed(limits, 3, 3) == 1


def test_who_waits_as_told_is_let_in_after_the_limit_was_lowered(
    limits: RateLimits, clock: FrozenClock
) -> None:
    for _ in range(30):
        passed(limits, 1, 100)
        clock.advance(timedelta(seconds=1))

    wait = waits(limits, 2)
    clock.advance(timedelta(seconds=wait - 1))
    early = passed(limits, 1, 2)
    clock.advance(timedelta(seconds=1))

    assert (early, passed(limits, 1, 2)) == (0, 1)


def test_a_raised_limit_counts_at_once(limits: RateLimits) -> None:
    passed(limits, 3, 3)

    assert passed(limits, 5, 5) == 2


def test_a_high_limit_costs_no_more_memory_than_a_low_one(
    limits: RateLimits, clock: FrozenClock
) -> None:
    for _ in range(1_000):
        passed(limits, 5, 1_000_000)
        clock.advance(timedelta(seconds=0.1))

    assert len(limits._minutes[AGENT_ID].groups) <= 61


def test_an_idle_agent_is_forgotten(limits: RateLimits, clock: FrozenClock) -> None:
    for number in range(1, 101):
        passed(limits, 3, 2, UUID(int=number))
        clock.advance(timedelta(seconds=1))

    assert set(limits._minutes) == {UUID(int=number) for number in range(41, 101)}


def test_threads_that_send_at_once_share_the_limit(limits: RateLimits) -> None:
    start, let_in = threading.Barrier(4, timeout=30), []

    def send() -> None:
        start.wait()
        let_in.append(passed(limits, 500, 700))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sum(let_in) == 700
