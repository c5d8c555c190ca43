"""Whoever is nobody fills only so much of the audit trail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.access.trail_budget import TrailBudget
from engine.clock import FrozenClock


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(datetime(2026, 11, 26, 12, tzinfo=UTC))


def written(budget: TrailBudget, address: str | None, times: int) -> int:
    return sum(budget.may_write(address) for _ in range(times))


def test_a_network_has_so_many_rows_a_minute_and_another_has_its_own(clock: FrozenClock) -> None:
    budget = TrailBudget(clock, per_network=3, in_all=100)

    assert written(budget, "2001:db8::1", 2) == 2
    assert written(budget, "2001:db8::2", 5) == 1
    assert written(budget, "198.51.100.1", 5) == 3
    assert written(budget, None, 5) == 3


def test_all_networks_together_have_so_many(clock: FrozenClock) -> None:
    budget = TrailBudget(clock, per_network=3, in_all=10)

    assert sum(written(budget, f"198.51.100.{each}", 3) for each in range(20)) == 10


def test_the_next_minute_has_room_again(clock: FrozenClock) -> None:
    budget = TrailBudget(clock, per_network=1, in_all=100)
    written(budget, "198.51.100.1", 2)

    clock.advance(timedelta(seconds=59))
    assert written(budget, "198.51.100.1", 1) == 0
    clock.advance(timedelta(seconds=1))
    assert written(budget, "198.51.100.1", 2) == 1


def test_networks_that_were_turned_away_are_not_remembered(clock: FrozenClock) -> None:
    budget = TrailBudget(clock, per_network=1, in_all=1)

    for each in range(200):
        budget.may_write(f"198.51.100.{each}")

    assert len(budget._written) == 1
