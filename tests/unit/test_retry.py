"""When a save is tried again by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.clock import FrozenClock, SystemClock
from engine.saving.retry import RetrySchedule, chance
from engine.settings import Settings
from tests.unit.examples import NOW

SCHEDULE = RetrySchedule(limit=2, delay_s=0.05, deadline=10.0)


@pytest.mark.parametrize(
    ("retries", "chance_of", "delay"),
    [(0, 0.0, 0.0), (0, 1.0, 0.05), (0, 0.5, 0.025), (1, 1.0, 0.1), (1, 0.25, 0.025)],
)
def test_the_delay_is_chance_times_a_bound_that_doubles(
    retries: int, chance_of: float, delay: float
) -> None:
    assert SCHEDULE.delay(retries, now=0.0, chance=chance_of) == pytest.approx(delay)


@pytest.mark.parametrize("retries", [2, 3, 100])
def test_there_are_two_retries_and_no_more(retries: int) -> None:
    assert SCHEDULE.delay(retries, now=0.0, chance=0.0) is None


def test_no_retries_are_made_when_none_are_allowed() -> None:
    schedule = RetrySchedule(limit=0, delay_s=0.05, deadline=10.0)

    assert schedule.delay(0, now=0.0, chance=0.0) is None


@pytest.mark.parametrize(
    ("now", "is_in_time"), [(9.94, True), (9.951, False), (10.0, False), (11.0, False)]
)
def test_a_retry_that_would_start_after_the_deadline_is_not_made(
    now: float,
    is_in_time: bool,  # noqa: FBT001
) -> None:
    delay = SCHEDULE.delay(0, now=now, chance=1.0)

    assert (delay is not None) is is_in_time


def test_a_retry_without_a_wait_must_be_in_time_too() -> None:
    assert SCHEDULE.delay(0, now=10.0, chance=0.0) is None
    assert SCHEDULE.delay(0, now=9.999, chance=0.0) == 0.0


def test_the_schedule_is_the_one_that_the_settings_ask_for() -> None:
    settings = Settings(retry_limit=4, retry_delay=timedelta(milliseconds=20))

    assert RetrySchedule.of(settings, 7.5) == RetrySchedule(4, 0.02, 7.5)


def test_chance_is_fair_and_below_1() -> None:
    clock = SystemClock()

    numbers = [chance(clock) for _ in range(2000)]

    assert all(0 <= number < 1 for number in numbers)
    assert 0.4 < sum(numbers) / len(numbers) < 0.6
    assert chance(FrozenClock(NOW)) == 1 / 2**32
