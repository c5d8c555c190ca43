"""Saves go on while a migration runs, waits, or has to give up; two migrations are one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, Final

import psycopg
import pytest
from alembic import op
from psycopg.conninfo import make_conninfo

from engine.attempts.partitions import ensure_partitions
from engine.clock import Clock, FrozenClock
from engine.database import migrate
from engine.database.migrate import migrate_down, migrate_up, migration_status
from engine.database.migrations import session
from engine.database.target import Target
from engine.settings import Settings
from tests.database.cluster_harness import REPOSITORY, eventually
from tests.database.databases import (
    CLOCK,
    REVISIONS,
    blank_database,
    fill,
    insert_quotes,
    refusal,
    rows,
    run,
    value,
)
from tests.golden.regenerate import schema_of

# When the migration began to wait for its table.
_WAITS: Final = """
    SELECT waitstart FROM pg_locks
    WHERE NOT granted AND mode = 'AccessExclusiveLock' AND waitstart IS NOT NULL
"""
# What keeps somebody else from reading or from writing the table.
_IN_THE_WAY: Final = {
    "AccessExclusiveLock",
    "ExclusiveLock",
    "ShareRowExclusiveLock",
    "ShareLock",
}


@pytest.fixture
def versioned(server: str) -> Iterator[Target]:
    """A database at the first revision, with quotes, as code of that release left it."""
    with blank_database(server) as target:
        migrate_up(target.owner, CLOCK, "0001")
        fill(target.owner, "0001")
        yield target


@contextmanager
def reading(target: Target) -> Iterator[psycopg.Connection[Any]]:
    """Somebody who has read the quotes and does not end the transaction."""
    connection = psycopg.connect(target.owner, application_name="long-report")
    try:
        connection.execute("SELECT count(*) FROM quote")
        yield connection
    finally:
        connection.close()


def _interval_s(setting: str) -> float:
    return float(setting.removesuffix("s"))


def test_a_migration_that_waits_gives_up_before_a_save_does() -> None:
    save_waits = Settings().lock_timeout

    assert timedelta(seconds=_interval_s(session.LOCK_WAIT)) <= save_waits / 2


def test_a_long_reader_delays_the_migration_and_no_save(
    versioned: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOCK_WAIT", "0.2s")
    monkeypatch.setattr(migrate, "_PAUSE_S", 0.05)
    ended = Event()
    waits: set[Any] = set()

    def save_until_it_ended() -> int:
        """Saves as code of that release does, with a save's patience; how many went through."""
        with psycopg.connect(versioned.app, autocommit=True) as connection:
            connection.execute("SET lock_timeout = '2s'")
            number = 100
            while not ended.is_set():
                connection.execute(insert_quotes(number, number).encode())
                connection.execute("SELECT FROM quote WHERE quote_number = %s", [f"Q-{number}"])
                number += 1
        return number - 100

    def has_come_back() -> bool:
        waits.update(watch.execute(_WAITS))
        return len(waits) >= 3

    with (
        ThreadPoolExecutor(2) as threads,
        reading(versioned) as reader,
        psycopg.connect(versioned.owner, autocommit=True) as watch,
    ):
        migration = threads.submit(migrate_up, versioned.owner, CLOCK)
        saves = threads.submit(save_until_it_ended)
        try:
            # It left the queue before its table and came back, twice.
            assert eventually(has_come_back)
            assert not migration.done()
            assert not saves.done()
            existing = value(versioned.owner, "SELECT count(*) FROM quote")
        finally:
            reader.rollback()
            migration.result(timeout=30)
            ended.set()
        saved = saves.result(timeout=30)

    assert saved > 2
    assert migration_status(versioned.owner).pending == ()
    assert value(versioned.owner, "SELECT count(*) FROM quote") == 6 + saved
    assert value(versioned.owner, "SELECT count(*) FROM quote_revision") >= existing


def test_a_reader_that_stays_ends_the_migration_in_one_line_that_names_it(
    versioned: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOCK_WAIT", "0.05s")
    columns = rows(
        versioned.owner, "SELECT attname FROM pg_attribute WHERE attrelid = 'quote'::regclass"
    )

    with reading(versioned) as reader:
        number = reader.info.backend_pid
        clock = FrozenClock(CLOCK.now())
        message = refusal(lambda: migrate_up(versioned.owner, clock))

    assert message.startswith(f"a table stayed locked by process {number} (long-report): ")
    assert clock.monotonic() == migrate._TRIES * migrate._PAUSE_S
    assert migration_status(versioned.owner).current == "0001"
    assert columns == rows(
        versioned.owner, "SELECT attname FROM pg_attribute WHERE attrelid = 'quote'::regclass"
    )


def test_nothing_blocks_quotes_while_they_get_their_first_revision(
    versioned: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: dict[str, set[str]] = {}

    @contextmanager
    def watched() -> Iterator[session.Run]:
        with original() as run:
            connection = op.get_bind().connection.driver_connection
            assert isinstance(connection, psycopg.Connection)

            def run_and_look(
                statement: str, values: dict[str, Any] | None = None
            ) -> psycopg.Cursor[Any]:
                with connection.transaction():  # keeps the statement's locks for the look at them
                    cursor = run(statement, values)
                    held.setdefault(" ".join(statement.split()[:3]), set()).update(
                        mode
                        for (mode,) in connection.execute(
                            "SELECT mode FROM pg_locks WHERE relation = 'quote'::regclass"
                        )
                    )
                    return cursor

            yield run_and_look

    original = session.short_transactions
    monkeypatch.setattr(session, "short_transactions", watched)

    migrate_up(versioned.owner, CLOCK, "0002")

    assert "AccessExclusiveLock" in held.pop("ALTER TABLE quote")  # the look sees what there is
    assert held.pop("CREATE TABLE IF") & _IN_THE_WAY  # a foreign key, in an instant: no row is read
    assert held["WITH batch AS"]
    assert set().union(*held.values()).isdisjoint(_IN_THE_WAY)


def test_taking_0002_back_meets_a_save_without_a_deadlock(
    versioned: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_TRIES", 1)
    monkeypatch.setattr(session, "LOCK_WAIT", "30s")
    migrate_up(versioned.owner, CLOCK, "0002")
    with (
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(versioned.app) as save,
        psycopg.connect(versioned.owner, autocommit=True) as watch,
    ):
        save.execute("UPDATE quote SET version = 2 WHERE quote_number = 'Q-1'")
        migration = threads.submit(migrate_down, versioned.owner, CLOCK, "0001")
        assert eventually(
            lambda: watch.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None
        )

        save.execute("""
            INSERT INTO quote_revision (
                agent_id, quote_id, version, operation, modified_by, modified_at, changed_fields,
                snapshot
            )
            SELECT agent_id, id, 2, 2, 'bruno', now(), '', '{}' FROM quote
            WHERE quote_number = 'Q-1'
        """)
        save.commit()

        migration.result(timeout=30)
    assert migration_status(versioned.owner).current == "0001"


_MIGRATE: Final = """
import logging, sys
from engine.attempts.partitions import ensure_partitions
from engine.clock import SystemClock
from engine.database.migrate import migrate_up

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
print("ready", flush=True)
sys.stdin.readline()
migrate_up(sys.argv[1], SystemClock())
print("done", flush=True)
"""


def test_two_processes_on_a_cold_database_migrate_it_once(server: str) -> None:
    with blank_database(server) as target:
        started = [_migrating(target) for _ in range(2)]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

        said = [process.communicate("go\n", timeout=60) for process in started]

        assert [errors for _, errors in said] == ["", ""]
        assert all(output.endswith("done\n") for output, _ in said)
        lines = "".join(output for output, _ in said).splitlines()
        assert len([line for line in lines if line.startswith("Running upgrade")]) == len(REVISIONS)
        assert migration_status(target.owner).pending == ()


def _migrating(target: Target) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter and lines
        [sys.executable, "-W", "error", "-c", _MIGRATE, target.owner],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _down(conninfo: str, clock: Clock) -> None:
    migrate_down(conninfo, clock, "base")


@pytest.mark.parametrize("command", [migrate_up, _down])
def test_a_migration_waits_a_minute_for_another_one(
    versioned: Target, command: Callable[[str, Clock], None]
) -> None:
    clock = FrozenClock(CLOCK.now())
    with psycopg.connect(versioned.owner) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [migrate._LOCK_KEY])

        message = refusal(lambda: command(versioned.owner, clock))

    assert message == "another migration is running on this database; try again later"
    assert 60 < clock.monotonic() < 61


def test_the_lock_ends_with_a_transaction_so_that_a_pooler_does_not_keep_it(
    versioned: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[psycopg.Connection[Any]] = []

    def connect(conninfo: str) -> psycopg.Connection[Any]:
        opened.append(original(conninfo))
        return opened[-1]

    original = psycopg.connect
    monkeypatch.setattr(psycopg, "connect", connect)

    with migrate._alone(versioned.owner, CLOCK):
        monkeypatch.undo()
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert value(versioned.owner, locks) == 1
        opened[0].rollback()

        assert value(versioned.owner, locks) == 0


def test_the_roles_own_settings_do_not_bend_a_migration(
    versioned: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[str, ...]] = set()

    def bound(connection: psycopg.Connection[Any]) -> None:
        original(connection)
        seen.update(
            connection.execute("""
                SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),
                    current_setting('timezone'), current_setting('search_path')
            """)
        )

    original = session.bound
    monkeypatch.setattr(session, "bound", bound)
    given = "-c statement_timeout=9s -c lock_timeout=9s -c timezone=Asia/Kolkata"
    bent = make_conninfo(versioned.owner, options=f"{given} -c search_path=pg_temp")

    migrate_up(bent, CLOCK)

    assert seen == {("0", session.LOCK_WAIT, "UTC", "public")}
    assert migration_status(versioned.owner).pending == ()


# --- 0005 and 0007: new indexes of the ledger ----------------------------------------------------

_DAY: Final = "attempt_20310330"
_SAVE: Final = """
    INSERT INTO attempt (
        agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome, retries,
        path, source, correlation_id
    ) VALUES (
        '01900000-0000-7000-8000-00000000000a', '2031-03-30', gen_random_uuid(), -7, 10, 5, 1, 1, 0,
        1, 1, 'correlation'
    )
"""
_LEDGER: Final = "SELECT md5(string_agg(l::text, '|' ORDER BY id)) FROM ledger l"
_UNFINISHED: Final = """
    SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relname LIKE 'attempt%' AND NOT i.indisvalid
"""


@pytest.fixture
def with_ledger(server: str) -> Iterator[Target]:
    """A database at 0004 whose ledger has rows, as code of that release left it."""
    with blank_database(server) as target:
        migrate_up(target.owner, CLOCK, "0004")
        fill(target.owner, "0001", "0002", "0003")
        with psycopg.connect(target.owner, autocommit=True) as connection:
            ensure_partitions(connection, datetime(2031, 3, 30, tzinfo=UTC))
        run(target.app, *[_SAVE] * 3)
        yield target


def test_saves_go_on_while_0005_waits_for_an_old_transaction_and_builds_indexes(
    with_ledger: Target,
) -> None:
    with (
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(with_ledger.app) as old,
        psycopg.connect(with_ledger.app, autocommit=True) as save,
    ):
        # A report that looks at something else: a concurrent build waits for its end.
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT count(*) FROM quote")
        migration = threads.submit(migrate_up, with_ledger.owner, CLOCK)
        try:
            assert eventually(lambda: bool(value(with_ledger.owner, _UNFINISHED)))
            save.execute("SET lock_timeout = '1s'")
            for _ in range(20):
                save.execute(_SAVE.encode())
            save.execute("SELECT count(*) FROM attempt")
            assert not migration.done()
        finally:
            old.commit()
            migration.result(timeout=60)

    assert value(with_ledger.owner, _UNFINISHED) == 0
    assert value(with_ledger.owner, "SELECT count(*) FROM attempt") == 2 + 3 + 20
    assert migration_status(with_ledger.owner).pending == ()


class VanishedError(Exception):
    """The process is gone."""


def _interrupt_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Lets so many steps on the ledger through, then its process is gone."""
    seen = 0

    def interrupting(step: Callable[[Any], None]) -> Callable[[Any], None]:
        def interrupted(given: Any) -> None:  # a statement, or the connection of a transaction
            nonlocal seen
            seen += isinstance(given, str) or given.autocommit
            if seen > steps:
                raise VanishedError
            step(given)

        return interrupted

    patch.setattr(session, "bound", interrupting(session.bound))
    patch.setattr(session, "run_alone", interrupting(session.run_alone))


@pytest.mark.parametrize(
    ("before", "revision", "steps_min"), [("0004", "0005", 20), ("0006", "0007", 20)]
)
def test_an_interrupted_build_of_indexes_is_run_again_from_every_step(
    with_ledger: Target, before: str, revision: str, steps_min: int
) -> None:
    migrate_up(with_ledger.owner, CLOCK, revision)
    migrated = schema_of(with_ledger.owner)
    migrate_down(with_ledger.owner, CLOCK, before)
    rows_before = value(with_ledger.owner, _LEDGER)
    steps, is_interrupted = 0, True

    while is_interrupted:
        with pytest.MonkeyPatch.context() as patch:
            _interrupt_after(patch, steps)
            try:
                migrate_up(with_ledger.owner, CLOCK, revision)
                is_interrupted = False
            except VanishedError:
                steps += 5 if steps > 4 else 1  # a day is like the next
        migrate_up(with_ledger.owner, CLOCK, revision)
        assert schema_of(with_ledger.owner) == migrated
        assert value(with_ledger.owner, _UNFINISHED) == 0
        migrate_down(with_ledger.owner, CLOCK, before)
        assert value(with_ledger.owner, _LEDGER) == rows_before

    assert steps > steps_min


def test_an_index_that_was_left_half_built_is_built_anew(
    with_ledger: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _interrupt_after(patch, 3)
        with pytest.raises(VanishedError):
            migrate_up(with_ledger.owner, CLOCK)
    half_built = f"CREATE UNIQUE INDEX CONCURRENTLY {_DAY}_txid_idx ON {_DAY} (operation)"
    with pytest.raises(psycopg.errors.UniqueViolation):
        run(with_ledger.owner, half_built)
    assert value(with_ledger.owner, _UNFINISHED) > 0

    migrate_up(with_ledger.owner, CLOCK)

    assert value(with_ledger.owner, _UNFINISHED) == 0
    named = f"SELECT pg_get_indexdef('{_DAY}_txid_idx'::regclass)"
    assert "USING brin (txid)" in value(with_ledger.owner, named)
