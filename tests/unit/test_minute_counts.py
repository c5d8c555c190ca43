"""Counts by minute grow, however late and in however many parts what belongs to a minute comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from engine.attempts.line_counts import LineCounts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_OVER = NOW - timedelta(hours=30)
OURS = 1


class Stored:
    """Takes the place of the statement that stores."""

    def __init__(self) -> None:
        self.written: list[int] = []

    def run(self, _connection: object, values: dict[str, Any]) -> None:
        self.written.append(values["written"])


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def counts(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> LineCounts:
    found = LineCounts(UUID(int=1), OURS)
    monkeypatch.setattr(found, "_statement", stored)
    return found


def count(counts: LineCounts, times: int) -> None:
    for _ in range(times):
        counts.count(LONG_OVER, OURS, is_written=True)


def test_a_minute_that_is_long_over_goes_on_where_it_was_stored(
    counts: LineCounts, stored: Stored, no_connection: psycopg.Connection[Any]
) -> None:
    for part in range(3):  # a sweeper empties the spool of a long outage
        count(counts, 10)
        counts.store(no_connection, NOW + timedelta(seconds=part))

    assert stored.written == [10, 20, 30]


def test_a_minute_of_which_there_is_no_more_is_forgotten_in_the_end(
    counts: LineCounts, no_connection: psycopg.Connection[Any]
) -> None:
    count(counts, 10)
    counts.store(no_connection, NOW)
    counts.store(no_connection, NOW + timedelta(hours=5))
    assert counts._minutes
    counts.store(no_connection, NOW + timedelta(hours=7))

    assert not counts._minutes
    assert not counts._stored_at


@pytest.fixture
def no_connection() -> Any:
    return None
