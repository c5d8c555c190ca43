"""Every revision goes up and down with data in the tables, from wherever it was left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from engine.attempts.partitions import ensure_partitions
from engine.clock import FrozenClock
from engine.database import migrate
from engine.database.migrate import migrate_down, migrate_up, migration_status
from engine.database.migrations import session
from engine.database.pool import Pool
from engine.database.schema_journal import checksums, newest_changes
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.quotes.store import QuoteStore
from engine.settings import Settings
from tests.database.cluster_harness import eventually
from tests.database.databases import (
    AGENT,
    CLOCK,
    REVISIONS,
    blank_database,
    fill,
    insert_quotes,
    quotes_without_tracking,
    refusal,
    rows,
    run,
    value,
)
from tests.golden.regenerate import schema_of

STEPS = list(zip(REVISIONS, ("base", *REVISIONS), strict=False))
_EVERYTHING = """
    SELECT pg_describe_object('pg_class'::regclass, oid, 0) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT pg_describe_object('pg_type'::regclass, oid, 0) FROM pg_type
    WHERE typnamespace = 'public'::regnamespace
    UNION ALL
    SELECT pg_describe_object('pg_proc'::regclass, oid, 0) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT nspname || coalesce(nspacl::text, '') FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL
    SELECT 'default privilege' FROM pg_default_acl
    ORDER BY 1
"""


@pytest.fixture
def blank(server: str) -> Iterator[Target]:
    with blank_database(server) as target:
        yield target


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations in a directory of this test's own, with a name that is not easy."""
    directory = tmp_path / "100% of my files"
    copytree(migrate._SCRIPTS, directory)
    monkeypatch.setattr(migrate, "_SCRIPTS", directory)
    return directory


def test_status_tells_what_up_would_run(blank: Target) -> None:
    before = migration_status(blank.owner)
    migrate_up(blank.owner, CLOCK, "0001")

    after = migration_status(blank.owner)

    assert before.current is None
    assert [step.id for step in before.pending] == list(REVISIONS)
    assert after.current == "0001"
    assert after.head == REVISIONS[-1]
    assert [step.id for step in after.pending] == list(REVISIONS[1:])
    assert all(step.title.endswith(".") for step in before.pending)


@pytest.mark.parametrize("are_filled", [False, True], ids=["empty", "filled"])
def test_every_revision_goes_up_down_and_up_again(blank: Target, *, are_filled: bool) -> None:
    schemas = {"base": schema_of(blank.owner)}
    for revision, before in STEPS:
        migrate_up(blank.owner, CLOCK, revision)
        schemas[revision] = schema_of(blank.owner)
        if are_filled:
            fill(blank.owner, revision)
        quotes = quotes_without_tracking(blank.owner)

        migrate_down(blank.owner, CLOCK, before)

        assert migration_status(blank.owner).current == (None if before == "base" else before)
        assert schema_of(blank.owner) == schemas[before]
        migrate_up(blank.owner, CLOCK, revision)
        assert schema_of(blank.owner) == schemas[revision]
        if before != "base":
            assert quotes_without_tracking(blank.owner) == quotes
        elif are_filled:
            fill(blank.owner, revision)


def test_down_to_base_leaves_nothing_behind_and_up_works_again(blank: Target) -> None:
    nothing = rows(blank.owner, _EVERYTHING)
    migrate_up(blank.owner, CLOCK)
    schema = schema_of(blank.owner)
    with psycopg.connect(blank.owner, autocommit=True) as connection:
        ensure_partitions(connection, datetime(2026, 1, 1, tzinfo=UTC))
    fill(blank.owner, *REVISIONS)

    migrate_down(blank.owner, CLOCK, "base")

    assert rows(blank.owner, _EVERYTHING) == nothing
    migrate_up(blank.owner, CLOCK)
    assert schema_of(blank.owner) == schema


def test_existing_quotes_get_one_revision_each_that_says_what_they_say(
    blank: Target, settings: Settings
) -> None:
    # The application reads instants in UTC, whatever zone the database is set to.
    with psycopg.connect(blank.owner, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Kolkata'").format(name))
    migrate_up(blank.owner, CLOCK, "0001")
    fill(blank.owner, "0001")
    run(blank.owner, insert_quotes(1_000, 3_499))  # more than two batches
    quotes = quotes_without_tracking(blank.owner)

    migrate_up(blank.owner, CLOCK)

    assert quotes_without_tracking(blank.owner) == quotes
    assert rows(
        blank.owner,
        """
        SELECT q.version, r.version, r.operation, r.attempt_id, r.changed_fields, count(*)
        FROM quote q FULL JOIN quote_revision r ON r.agent_id = q.agent_id AND r.quote_id = q.id
        GROUP BY 1, 2, 3, 4, 5
        """,
    ) == [(1, 1, 1, None, "", 2_506)]
    in_utc = make_conninfo(blank.owner, options="-c timezone=UTC")
    differing = """
        SELECT q.id
        FROM quote q JOIN quote_revision r ON r.agent_id = q.agent_id AND r.quote_id = q.id
        WHERE r.snapshot <> to_jsonb(q)
    """
    assert rows(in_utc, differing) == []
    pool = Pool(blank, settings, CLOCK, size=1)
    pool.open()
    try:
        store = QuoteStore(pool)
        agent_id = UUID(AGENT)
        for (quote_id,) in rows(blank.owner, "SELECT id FROM quote WHERE status = 'SENT'"):
            history = store.history(agent_id, quote_id, limit=10)
            assert history is not None
            told = [entry.quote for entry in history.revisions]
            assert told == [store.get(agent_id, quote_id)]
    finally:
        pool.close()


class VanishedError(Exception):
    """The process is gone."""


def _interrupt(patch: pytest.MonkeyPatch, after: int, action: Any) -> None:
    """Lets so many of 0002's statements through, then interrupts before the next."""
    original, seen = session.bound, 0

    def bound(connection: psycopg.Connection[Any]) -> None:
        nonlocal seen
        original(connection)
        if connection.autocommit:  # only 0002's own short transactions are
            seen += 1
            if seen > after:
                action(connection)

    patch.setattr(session, "bound", bound)


def _vanish(_connection: object) -> None:
    raise VanishedError


def test_an_interrupted_0002_is_run_again_or_taken_back_from_every_step(blank: Target) -> None:
    migrate_up(blank.owner, CLOCK, "0001")
    fill(blank.owner, "0001")
    quotes = quotes_without_tracking(blank.owner)
    migrate_up(blank.owner, CLOCK, "0002")
    migrated = schema_of(blank.owner)
    migrate_down(blank.owner, CLOCK, "0001")
    steps = 0
    is_interrupted = True

    while is_interrupted:
        with pytest.MonkeyPatch.context() as patch:
            _interrupt(patch, steps, _vanish)
            try:
                migrate_up(blank.owner, CLOCK, "0002")
                is_interrupted = False
            except VanishedError:
                steps += 1
        assert migration_status(blank.owner).current == ("0001" if is_interrupted else "0002")

        migrate_up(blank.owner, CLOCK, "0002")
        assert schema_of(blank.owner) == migrated
        assert value(blank.owner, "SELECT count(*) FROM quote_revision WHERE version = 1") == 6
        migrate_down(blank.owner, CLOCK, "0001")
        assert quotes_without_tracking(blank.owner) == quotes

    assert steps > 6


@pytest.mark.parametrize("steps", [0, 1, 5, 6])
def test_after_an_interrupted_0002_everything_can_be_taken_away(
    blank: Target, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    nothing = rows(blank.owner, _EVERYTHING)
    migrate_up(blank.owner, CLOCK, "0001")
    fill(blank.owner, "0001")
    _interrupt(monkeypatch, steps, _vanish)
    with pytest.raises(VanishedError):
        migrate_up(blank.owner, CLOCK)
    monkeypatch.undo()

    migrate_down(blank.owner, CLOCK, "base")

    assert rows(blank.owner, _EVERYTHING) == nothing


def test_a_migration_whose_connection_is_cut_says_so_and_is_run_again(
    blank: Target, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(connection: psycopg.Connection[Any]) -> None:
        run(server, f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")

    migrate_up(blank.owner, CLOCK, "0001")
    fill(blank.owner, "0001")
    _interrupt(monkeypatch, 3, cut)

    message = refusal(lambda: migrate_up(blank.owner, CLOCK))

    assert message.startswith("cannot use the database at ")
    assert message.endswith(": the connection is lost")
    monkeypatch.undo()
    migrate_up(blank.owner, CLOCK)
    assert migration_status(blank.owner).pending == ()


BROKEN = '''
"""Makes a table, and fails.

Revision ID: 9999
Revises: HEAD
"""

from alembic import op

revision = "9999"
down_revision = "HEAD"


def upgrade():
    op.execute("CREATE TABLE half_done (id uuid)")
    op.execute("ALTER TABLE quote ADD COLUMN half_done uuid")
    op.execute("SELECT 1 / (SELECT count(*) FROM quote WHERE id IS NULL)")


def downgrade():
    pass
'''.replace("HEAD", REVISIONS[-1])


def test_a_failing_revision_leaves_the_database_as_it_was_before_it(
    blank: Target, scripts: Path
) -> None:
    migrate_up(blank.owner, CLOCK, "0002")
    fill(blank.owner, "0001", "0002")
    (scripts / "versions" / "r9999_broken.py").write_text(BROKEN)

    message = refusal(lambda: migrate_up(blank.owner, CLOCK))

    assert message == (
        "the migration failed and its open transaction was rolled back: division by zero (22012)"
    )
    assert migration_status(blank.owner).current == REVISIONS[-1]  # what came before it stays
    (scripts / "versions" / "r9999_broken.py").unlink()
    assert schema_of(blank.owner) == schema_of_head(blank)


def schema_of_head(target: Target) -> str:
    migrate_down(target.owner, CLOCK, "base")
    migrate_up(target.owner, CLOCK)
    return schema_of(target.owner)


def test_the_scripts_are_found_in_a_directory_of_any_name(blank: Target, scripts: Path) -> None:
    assert " " in str(scripts)
    assert "%" in str(scripts)

    migrate_up(blank.owner, CLOCK)

    assert migration_status(blank.owner).pending == ()


def test_an_up_to_date_database_needs_neither_the_lock_nor_the_owner(target: Target) -> None:
    with psycopg.connect(target.owner) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(5390241)")

        migrate_up(target.app, FrozenClock(CLOCK.now()))

        assert migration_status(target.app).pending == ()


def test_no_lock_outlives_a_migration(blank: Target) -> None:
    migrate_up(blank.owner, CLOCK)

    # The server takes a moment to notice that a session was closed.
    assert eventually(lambda: value(blank.owner, ADVISORY_LOCKS) == 0)


ADVISORY_LOCKS = """
    SELECT count(*)
    FROM pg_locks l
    JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND d.datname = current_database()
"""


def test_a_key_that_an_older_release_would_let_in_further_is_revoked_on_the_way_down(
    blank: Target,
) -> None:
    migrate_up(blank.owner, CLOCK)
    fill(blank.owner, *REVISIONS)
    run(
        blank.owner,
        "UPDATE account SET disabled_at = now()",
        *(
            f"INSERT INTO api_key (id, account_id, key_hash, created_at, scope, expires_at)"
            f" SELECT gen_random_uuid(), '{AGENT}', sha256('{name}'), now(), '{scope}', {ends}"
            for name, scope, ends in (("a", "read", "NULL"), ("b", "write", "now()"))
        ),
    )

    migrate_down(blank.owner, CLOCK, "0008")

    assert rows(blank.owner, "SELECT count(*) FROM api_key WHERE revoked_at IS NULL") == [(0,)]
    assert rows(blank.owner, "SELECT count(*) FROM api_key") == [(3,)]


def test_the_journal_says_of_each_revision_who_ran_it_when_and_from_which_file(
    blank: Target,
) -> None:
    began = CLOCK.now()
    migrate_up(blank.owner, CLOCK)
    migrate_down(blank.owner, CLOCK, "0010")
    migrate_up(blank.owner, CLOCK)

    with session_of(blank) as session:
        journal = newest_changes(session)

    # The table went away with the revision that makes it, and with it what was run before.
    assert sorted(journal) == [each for each in REVISIONS if each > "0010"]
    for revision, change in journal.items():
        assert change.ran_by.endswith(" as saveguard_owner")
        assert began < change.ran_at <= CLOCK.now()
        assert change.duration_us > 0
        assert change.checksum == checksums()[revision]


def test_a_first_migration_writes_down_every_revision(target: Target) -> None:
    with session_of(target) as session:
        journal = newest_changes(session)

    assert {name: each.checksum for name, each in journal.items()} == checksums()
    assert sorted(journal) == list(REVISIONS)
