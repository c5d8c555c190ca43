"""Retention takes whole days, never one that is not rolled up, and knows what it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import psycopg
import pytest

from engine.attempts.partitions import ensure_partitions, strays
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.integrity.rules import is_clean
from engine.integrity.verification import verify
from engine.quotes.lifecycle import Operation
from engine.rollups import retention
from engine.rollups.retention import Dropped, days_kept, drop_due
from engine.rollups.roller import read_state, roll
from engine.saving.answer import Saved
from tests.database.attempt_rows import LIMITS, attempt, told, write
from tests.database.databases import rows, run, value
from tests.support import Agency, quote_body

NOON = datetime(2031, 3, 30, 12, tzinfo=UTC)
KEEP = timedelta(days=2)
LATER = NOON + timedelta(days=3)  # the day of NOON is due, the next one is not
DUE = "attempt_20310330"
RECORDS = "SELECT name, day::text, rows, dropped_at IS NULL FROM dropped_partition ORDER BY 1"


@pytest.fixture
def owner(target: Target) -> Iterator[psycopg.Connection[Any]]:
    """Of a ledger whose only days are those around NOON."""
    with psycopg.connect(target.owner, autocommit=True) as connection:
        for day in days_kept(connection, NOON, KEEP):
            if day.day is not None:
                connection.execute(f"DROP TABLE {day.name}".encode())
        ensure_partitions(connection, NOON + timedelta(days=1), days_ahead=1)
        yield connection


@pytest.fixture
def rolled(target: Target, owner: object) -> Callable[[], int | None]:  # noqa: ARG001
    """Two attempts of the day that is due, one of the next; all rolled, as what is called does."""

    def once_more() -> int | None:
        with psycopg.connect(target.app, autocommit=True) as connection:
            return roll(connection, FrozenClock(NOON + timedelta(days=1)), LIMITS)

    write(target.app, attempt(NOON), attempt(NOON), attempt(NOON + timedelta(days=1)))
    assert once_more() == 3
    return once_more


def drop(connection: psycopg.Connection[Any], now: datetime = LATER) -> list[Dropped]:
    return drop_due(connection, now, KEEP)


@pytest.mark.usefixtures("rolled")
def test_a_day_that_is_due_goes_and_its_rows_are_known(
    target: Target, owner: psycopg.Connection[Any]
) -> None:
    assert drop(owner, LATER - timedelta(hours=12, microseconds=1)) == []

    dropped = drop(owner, LATER - timedelta(hours=12))

    assert dropped == [Dropped(DUE, NOON.date(), 2)]
    assert drop(owner) == []
    assert rows(target.app, RECORDS) == [(DUE, "2031-03-30", 2, False)]
    assert value(target.owner, f"SELECT to_regclass('{DUE}')") is None
    assert (value(target.app, "SELECT count(*) FROM attempt"), told(target.app)) == (1, 3)


def test_nothing_goes_before_anything_was_rolled(
    target: Target, owner: psycopg.Connection[Any]
) -> None:
    write(target.app, attempt(NOON), attempt(NOON - timedelta(days=300)))

    assert drop(owner) == []

    assert value(target.app, "SELECT count(*) FROM attempt") == 2


def test_what_is_not_rolled_yet_outlives_its_day(
    target: Target, owner: psycopg.Connection[Any], rolled: Callable[[], int | None]
) -> None:
    late = attempt(NOON + timedelta(hours=1))
    write(target.app, late)

    assert drop(owner) == [Dropped(DUE, NOON.date(), 2)]
    assert drop(owner) == []

    assert value(target.app, "SELECT id FROM attempt_default") == late[2]
    assert told(target.app) == 4
    assert rolled() == 1
    assert told(target.app) == 4
    assert drop(owner) == [Dropped(DUE, NOON.date(), 1)] or drop(owner, LATER + timedelta(1))
    assert strays(owner) == 0
    assert told(target.app) == 4
    assert value(target.app, "SELECT sum(rows) FROM dropped_partition") == 3


@pytest.mark.usefixtures("rolled")
def test_a_reader_puts_it_off_until_the_next_call(
    target: Target, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_LOCK_WAIT", "0.05s")
    with psycopg.connect(target.app) as reader:
        reader.execute("SELECT count(*) FROM attempt")

        assert drop(owner) == []
        assert rows(target.app, RECORDS) == []
        reader.rollback()

    assert [each.rows for each in drop(owner)] == [2]


@pytest.mark.usefixtures("rolled")
def test_the_roller_at_work_puts_it_off(
    target: Target, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_LOCK_WAIT", "0.05s")
    with psycopg.connect(target.app) as roller:
        roller.execute("SELECT FROM rollup_state FOR UPDATE")

        assert drop(owner) == []
        roller.rollback()

    assert [each.rows for each in drop(owner)] == [2]


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.usefixtures("rolled")
def test_what_was_detached_when_its_process_died_is_dropped_by_the_next(
    target: Target, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(retention, "_finish", killed)
        with pytest.raises(Killed):
            drop(owner)

    assert rows(target.app, RECORDS) == [(DUE, "2031-03-30", None, True)]
    assert value(target.app, "SELECT count(*) FROM attempt") == 1
    assert told(target.app) == 3
    assert [each.rows for each in drop(owner)] == [2]
    assert rows(target.app, RECORDS) == [(DUE, "2031-03-30", 2, False)]


@pytest.mark.usefixtures("rolled")
def test_several_processes_drop_a_day_once(target: Target) -> None:
    meet = Barrier(4, timeout=30)

    def work() -> list[Dropped]:
        with psycopg.connect(target.owner, autocommit=True) as connection:
            meet.wait()
            return drop(connection)

    with ThreadPoolExecutor(4) as threads:
        dropped = [each.result(timeout=60) for each in [threads.submit(work) for _ in range(4)]]

    assert [each for one in dropped for each in one] == [Dropped(DUE, NOON.date(), 2)]
    assert rows(target.app, RECORDS) == [(DUE, "2031-03-30", 2, False)]


def test_the_default_partition_is_cleaned_of_what_is_old_and_rolled(
    target: Target, owner: psycopg.Connection[Any], rolled: Callable[[], int | None]
) -> None:
    old, older = NOON - timedelta(days=9), NOON - timedelta(days=10)
    write(target.app, attempt(old), attempt(old), attempt(older))
    assert [each.rows for each in drop(owner)] == [2]  # the day; these are not rolled yet
    rolled()
    young = LATER + timedelta(days=30)
    write(target.app, attempt(young))

    assert drop(owner) == [
        Dropped("attempt_20310320", older.date(), 1), Dropped("attempt_20310321", old.date(), 2)
    ]  # fmt: skip

    assert rows(target.owner, "SELECT started_at FROM attempt_default") == [(young,)]
    assert told(target.app) == 7
    may_delete = "SELECT has_table_privilege('attempt_default', 'DELETE')"
    assert not value(target.owner, may_delete)


@pytest.mark.usefixtures("rolled")
def test_a_build_that_looked_before_a_day_went_gives_up(
    target: Target, owner: psycopg.Connection[Any]
) -> None:
    """Else it would delete the day's rollups and count nothing in their place."""
    with psycopg.connect(target.app, autocommit=True) as builder:
        builder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        builder.execute("SELECT FROM attempt_rollup LIMIT 1")
        assert len(drop(owner)) == 1

        with pytest.raises(psycopg.errors.SerializationFailure):
            builder.execute("SELECT FROM rollup_state FOR UPDATE")


def test_integrity_and_sums_hold_after_a_drop(agency: Agency) -> None:
    target, clock = agency.runtime.target, agency.runtime.clock
    yesterday = clock.now() - timedelta(days=1)
    first = agency.save(Operation.CREATE, body=quote_body(), started_at=yesterday)
    assert isinstance(first, Saved)
    agency.update(first.quote_id, 1, fees=2)
    agency.create()
    with (
        psycopg.connect(target.app, autocommit=True) as app,
        psycopg.connect(target.owner, autocommit=True) as owner,
    ):
        roll(app, clock, LIMITS)
        before = verify(app, clock)

        dropped = drop_due(owner, clock.now() + timedelta(days=1), timedelta(days=1))

        after = verify(app, clock)
        assert is_clean(before)
        assert is_clean(after)
        assert [each.rows for each in dropped] == [1]
        assert read_state(app).rolled == 3
    assert told(target.app) == 3


@pytest.mark.usefixtures("rolled")
def test_the_application_can_do_none_of_it(target: Target) -> None:
    with (
        psycopg.connect(target.app, autocommit=True) as app,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        drop(app)
    for statement in (
        f"ALTER TABLE attempt DETACH PARTITION {DUE}",
        f"DROP TABLE {DUE}",
        "DELETE FROM attempt_default",
        "DELETE FROM dropped_partition",
        "INSERT INTO dropped_partition VALUES ('attempt_20310330', now(), 1, now(), now())",
        "UPDATE dropped_partition SET rows = 0",
        "DELETE FROM rollup_state",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(target.app, statement)
    assert value(target.app, "SELECT count(*) FROM attempt") == 3
