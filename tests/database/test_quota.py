"""The quota of active quotes: held, and at a cost that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from engine.clock import FrozenClock, SystemClock
from engine.database.sql import Statement
from engine.database.target import Target
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime, open_runtime
from engine.saving.answer import Refused, Saved, SaveResult
from engine.settings import Settings
from tests.support import Agency, new_agency, quote_body

# More than are counted at will.
LARGE = 1_200


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(SystemClock().now())


@pytest.fixture
def runtime(settings: Settings, target: Target, clock: FrozenClock) -> Iterator[Runtime]:
    """An engine whose time stands still."""
    with open_runtime(settings, target, clock=clock) as opened:
        yield opened


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that counted quotes."""
    counted: list[str] = []
    run = Statement.run

    def recorded(statement: Statement, *args: Any, **more: Any) -> Any:
        if "count(" in statement.text:
            counted.append(statement.text)
        return run(statement, *args, **more)

    monkeypatch.setattr(Statement, "run", recorded)
    return counted


def fill(agency: Agency, active: int) -> UUID:
    """Gives an agent so many active quotes and as many numbers, without a save for each."""
    quote_id = agency.create()
    with psycopg.connect(agency.runtime.target.owner) as owner:
        owner.execute(
            """
            INSERT INTO quote
            SELECT (
                jsonb_populate_record(
                    q,
                    jsonb_build_object(
                        'id', gen_random_uuid(),
                        'quote_number', 'QT-2020-' || lpad(n::text, 6, '0')
                    )
                )
            ).*
            FROM quote q, generate_series(1, %s) n
            WHERE q.id = %s
            """,
            [active - 1, quote_id],
        )
        owner.execute(
            "INSERT INTO quote_number_block VALUES (%s, 2020, %s)", [agency.agent_id, active]
        )
    agency.runtime.saver._tools.numbers._free.clear()  # as in a process that has just started
    return quote_id


def create(agency: Agency, quota: int) -> SaveResult:
    return agency.save(Operation.CREATE, body=quote_body(), max_active_quotes=quota)


def is_full(result: SaveResult) -> bool:
    return isinstance(result, Refused) and result.refusal.code is ErrorCode.QUOTA_EXCEEDED


def test_an_agent_whose_quota_is_used_up_is_counted_once_a_second(
    agency: Agency, clock: FrozenClock, counts: list[str]
) -> None:
    fill(agency, LARGE)

    for second in range(1, 4):
        assert all(is_full(create(agency, LARGE)) for _ in range(10))
        assert len(counts) == second
        clock.advance(timedelta(seconds=1))


def test_what_a_count_left_is_granted_without_another(agency: Agency, counts: list[str]) -> None:
    fill(agency, LARGE)

    made = [isinstance(create(agency, LARGE + 50), Saved) for _ in range(60)]

    assert made == [True] * 50 + [False] * 10
    assert len(counts) == 1


def test_a_delete_makes_room_within_a_second(
    agency: Agency, clock: FrozenClock, counts: list[str]
) -> None:
    quote_id = fill(agency, LARGE)
    assert is_full(create(agency, LARGE))
    assert isinstance(agency.save(Operation.DELETE, quote_id), Saved)

    clock.advance(timedelta(seconds=1))

    assert isinstance(create(agency, LARGE), Saved)
    assert is_full(create(agency, LARGE))
    assert len(counts) == 2


def test_a_delete_makes_room_at_once_in_a_small_quota(agency: Agency) -> None:
    made = [create(agency, 3) for _ in range(3)]
    assert is_full(create(agency, 3))

    for each in made:
        assert isinstance(each, Saved)
        assert isinstance(agency.save(Operation.DELETE, each.quote_id), Saved)
        assert isinstance(create(agency, 3), Saved)
        assert is_full(create(agency, 3))


def test_a_raised_quota_counts_at_once(agency: Agency) -> None:
    fill(agency, LARGE)
    assert is_full(create(agency, LARGE))

    assert isinstance(create(agency, LARGE + 1), Saved)
    assert is_full(create(agency, LARGE + 1))


def test_a_quota_that_was_lowered_and_raised_again_is_not_overshot(agency: Agency) -> None:
    fill(agency, LARGE + 100)
    assert is_full(create(agency, LARGE))  # counted no further than it needed

    assert [isinstance(create(agency, LARGE + 101), Saved) for _ in range(3)] == [
        True, False, False
    ]  # fmt: skip


def test_what_is_counted_belongs_to_one_agent(runtime: Runtime, agency: Agency) -> None:
    other = new_agency(runtime)
    fill(agency, LARGE)
    assert is_full(create(agency, LARGE))

    assert isinstance(create(other, LARGE), Saved)
