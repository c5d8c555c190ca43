"""The ledger's days are there before they begin, and nothing that goes wrong with one is fatal."""

# ruff: noqa: S608 - statements are put together from constants of this file

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from threading import Barrier
from typing import Any, Final

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from engine.attempts import partitions
from engine.attempts.partitions import MissingDay, ensure_partitions, missing_days, partition_name
from engine.database.migrate import migrate_up
from engine.database.target import Target
from tests.database.databases import AGENT, CLOCK, blank_database, refusal, rows, run, value

_NOW: Final = datetime(2031, 3, 30, 0, 30, tzinfo=UTC)  # the clocks of Europe change in this night
_DAYS: Final = [date(2031, 3, 29) + timedelta(days=number) for number in range(9)]
_NAMES: Final = [partition_name(day) for day in _DAYS]


@pytest.fixture
def blank(server: str) -> Iterator[Target]:
    """A migrated database without any day."""
    with blank_database(server) as target:
        migrate_up(target.owner, CLOCK)
        yield target


@pytest.fixture
def owner(blank: Target) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(blank.owner, autocommit=True) as connection:
        yield connection


def attempt_at(started_at: str, number: int = 1) -> str:
    """A statement that adds an attempt."""
    return f"""
        INSERT INTO attempt (
            agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
            retries, path, source, correlation_id
        ) VALUES (
            '{AGENT}', '{started_at}', '01900000-0000-7000-8000-{number:012}', -7, 10, 5, 1, 1, 0,
            1, 1, 'correlation'
        )
    """


def attached(target: Target) -> list[str]:
    """The days that the ledger has, with the bounds that the server keeps."""
    return [
        name
        for (name,) in rows(
            target.owner,
            """
            SELECT inhrelid::regclass::text FROM pg_inherits
            WHERE inhparent = 'attempt'::regclass AND inhrelid <> 'attempt_default'::regclass
            ORDER BY 1
            """,
        )
    ]


def test_days_are_made_from_yesterday_to_a_week_ahead_and_once(
    blank: Target, owner: psycopg.Connection[Any]
) -> None:
    assert [missing.day for missing in missing_days(owner, _NOW)] == _DAYS

    assert ensure_partitions(owner, _NOW) == _NAMES
    assert ensure_partitions(owner, _NOW) == []
    assert ensure_partitions(owner, _NOW + timedelta(days=1)) == ["attempt_20310407"]
    assert missing_days(owner, _NOW) == []
    assert attached(blank) == [*_NAMES, "attempt_20310407"]


def test_a_day_is_a_utc_day_whatever_zone_the_session_or_the_caller_is_in(blank: Target) -> None:
    far_west = timezone(timedelta(hours=-5))  # where it is still the day before
    zoned = make_conninfo(blank.owner, options="-c timezone=Pacific/Auckland -c datestyle=SQL,DMY")

    with psycopg.connect(zoned, autocommit=True) as connection:
        assert ensure_partitions(connection, _NOW.astimezone(far_west)) == _NAMES

    edges = {
        "2031-03-29 23:59:59.999999+00": "attempt_20310329",
        "2031-03-30 00:00:00+00": "attempt_20310330",
        "2031-03-30 23:59:59.999999+00": "attempt_20310330",
        "2031-03-31 02:00:00+02": "attempt_20310331",
        "2031-03-28 23:59:59.999999+00": "attempt_default",
        "2031-04-07 00:00:00+00": "attempt_default",
    }
    run(blank.app, *map(attempt_at, edges))
    found = rows(blank.owner, "SELECT tableoid::regclass::text FROM attempt ORDER BY started_at")
    assert sorted(name for (name,) in found) == sorted(edges.values())
    for instant, name in edges.items():
        at_instant = f"SELECT tableoid::regclass::text FROM attempt WHERE started_at = '{instant}'"
        assert value(blank.owner, at_instant) == name


def test_several_processes_make_the_same_days_once(blank: Target) -> None:
    meet = Barrier(4, timeout=30)

    def make() -> list[str]:
        with psycopg.connect(blank.owner, autocommit=True) as connection:
            meet.wait()
            return ensure_partitions(connection, _NOW)

    with ThreadPoolExecutor(4) as threads:
        made = [future.result(timeout=60) for future in [threads.submit(make) for _ in range(4)]]

    assert sorted(name for names in made for name in names) == _NAMES
    assert attached(blank) == _NAMES


def test_a_day_whose_attempts_are_in_the_default_partition_stays_there(
    blank: Target, owner: psycopg.Connection[Any]
) -> None:
    run(blank.app, attempt_at("2031-03-30T00:00:00Z"), attempt_at("2031-03-30T23:59:59Z"))
    before = rows(blank.owner, "SELECT xmin::text, ctid::text, id FROM attempt_default ORDER BY 2")

    made = ensure_partitions(owner, _NOW)

    assert made == [name for name in _NAMES if name != "attempt_20310330"]
    assert missing_days(owner, _NOW) == [MissingDay(date(2031, 3, 30), has_rows=True)]
    # Nothing was written anew, and the day goes on where it is.
    assert before == rows(
        blank.owner, "SELECT xmin::text, ctid::text, id FROM attempt_default ORDER BY 2"
    )
    run(blank.app, attempt_at("2031-03-30T12:00:00Z", 2), attempt_at("2031-03-31T12:00:00Z", 3))
    assert value(blank.owner, "SELECT count(*) FROM attempt_default") == 3
    assert value(blank.app, "SELECT count(*) FROM ledger") == 4


def test_an_attempt_that_comes_between_the_look_and_the_making_is_left_alone(
    blank: Target, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(blank.app, attempt_at("2031-04-02T00:00:00Z"))
    with monkeypatch.context() as patch:
        patch.setattr(partitions, "_has_rows", lambda *_: False)

        made = ensure_partitions(owner, _NOW)

    assert made == [name for name in _NAMES if name != "attempt_20310402"]
    assert missing_days(owner, _NOW) == [MissingDay(date(2031, 4, 2), has_rows=True)]
    assert value(blank.owner, "SELECT to_regclass('attempt_20310402')") is None


def test_a_long_read_of_the_ledger_puts_the_making_off(
    blank: Target, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "_LOCK_WAIT", "0.02s")
    with psycopg.connect(blank.app) as reader:
        reader.execute("SELECT count(*) FROM attempt")

        assert ensure_partitions(owner, _NOW) == []
        assert [missing.has_rows for missing in missing_days(owner, _NOW)] == [False] * 9
        reader.rollback()

    assert ensure_partitions(owner, _NOW) == _NAMES


def test_while_a_day_is_attached_saves_of_other_days_go_through(blank: Target) -> None:
    with (
        psycopg.connect(blank.owner) as connection,
        psycopg.connect(blank.app, autocommit=True) as save,
    ):
        save.execute("SET lock_timeout = '1s'")
        partitions._make(connection, _DAYS[0])
        connection.commit()
        partitions._make(connection, _DAYS[1])  # holds its locks until the commit

        save.execute(attempt_at("2031-03-29T12:00:00Z").encode())

        modes = {
            mode
            for (mode,) in connection.execute("""
                SELECT mode FROM pg_locks
                WHERE relation = 'attempt'::regclass AND pid = pg_backend_pid()
            """)
        }
        assert modes <= {"AccessShareLock", "ShareUpdateExclusiveLock"}


def test_attaching_gives_up_before_a_save_does() -> None:
    assert partitions._LOCK_WAIT == "1s"  # half of what a save waits


def test_a_day_has_every_index_and_rule_of_the_ledger_and_no_privileges_of_its_own(
    blank: Target, owner: psycopg.Connection[Any]
) -> None:
    ensure_partitions(owner, _NOW)
    name = _NAMES[0]

    def indexes_of(table: str) -> set[tuple[Any, ...]]:
        query = f"""
            SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', ''), indisunique,
                indisprimary, indisvalid
            FROM pg_index WHERE indrelid = '{table}'::regclass
        """
        return set(rows(blank.owner, query))

    def rules_of(table: str) -> set[tuple[Any, ...]]:
        query = f"""
            SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = '{table}'::regclass AND contype = 'c'
        """
        return set(rows(blank.owner, query))

    assert len(indexes_of("attempt")) == 7
    assert indexes_of(name) == indexes_of("attempt")
    assert rules_of(name) == rules_of("attempt")
    assert rules_of(name)
    # Each of its indexes is part of one of the ledger's, not a second one beside it.
    parents = f"""
        SELECT p.inhparent::regclass::text FROM pg_index i
        JOIN pg_inherits p ON p.inhrelid = i.indexrelid
        WHERE i.indrelid = '{name}'::regclass ORDER BY 1
    """
    assert [parent for (parent,) in rows(blank.owner, parents)] == [
        "attempt_correlation_idx",
        "attempt_error_idx",
        "attempt_idempotency_idx",
        "attempt_pkey",
        "attempt_started_idx",
        "attempt_trace_idx",
        "attempt_txid_idx",
    ]
    with pytest.raises(psycopg.errors.CheckViolation):
        run(blank.app, attempt_at("2031-03-29T12:00:00Z").replace("'correlation'", "''"))
    with pytest.raises(psycopg.errors.UniqueViolation):
        run(blank.app, *[attempt_at("2031-03-29T12:00:00Z")] * 2)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(blank.app, f"SELECT count(*) FROM {name}")


def test_a_table_in_the_way_is_left_alone_and_reported(
    blank: Target, owner: psycopg.Connection[Any]
) -> None:
    ensure_partitions(owner, _NOW)
    run(blank.owner, "ALTER TABLE attempt DETACH PARTITION attempt_20310401")

    assert ensure_partitions(owner, _NOW) == []
    assert missing_days(owner, _NOW) == [MissingDay(date(2031, 4, 1), has_rows=False)]


def test_the_application_sees_what_is_missing_and_cannot_make_it(blank: Target) -> None:
    with psycopg.connect(blank.app, autocommit=True) as connection:
        assert len(missing_days(connection, _NOW)) == 9
        message = refusal(lambda: ensure_partitions(connection, _NOW))
    assert message.startswith("the ledger's partition of 2031-03-29 cannot be made (permission ")
    assert "SAVEGUARD_OWNER_DATABASE_URL" in message
    assert attached(blank) == []
